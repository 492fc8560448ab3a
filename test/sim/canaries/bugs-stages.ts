// Planted bugs of batches with several stages; see bugs.ts.

import type {Bug} from './bugs.ts';

export const STAGE_BUGS: readonly Bug[] = [
  {
    name: 'stage-with-old-state',
    what: 'a round begins with the state of the round before the last one',
    file: 'master/stages.ts',
    find: 'this.#begin(head, next, plan.reduce ? head.row.input : source, state, now);',
    put: 'this.#begin(head, next, plan.reduce ? head.row.input : source, at.carried ?? state, now);',
  },
  {
    name: 'stage-outlives-its-batch',
    what: 'a batch is cancelled, and its stage goes on',
    file: 'master/stages.ts',
    find: 'return at?.batchId === row.id && head?.running === true;',
    put: 'return at?.batchId === row.id;',
  },
  {
    name: 'stage-forgotten-at-start',
    what: 'after a restart of the master nobody looks at a batch whose stage is done',
    file: 'master/stages.ts',
    find: 'for (const batch of context.batches.values()) this.#note(batch);',
    put: '',
  },
  {
    name: 'stage-from-old-outputs',
    what: 'the last round is reduced from the outputs of the first one',
    file: 'master/stages.ts',
    find: 'stage: stage.row.id,\n      count: stage.row.count,',
    put: "stage: at.kind === 'map' ? head.row.id : stage.row.id,\n      count: stage.row.count,",
  },
];
