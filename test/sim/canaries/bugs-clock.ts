// Planted bugs of the clock; see bugs.ts.

import type {Bug} from './bugs.ts';

export const CLOCK_BUGS: readonly Bug[] = [
  {
    name: 'clock-without-drift',
    what: 'a node takes its crystal for one as good as those of two watches',
    file: 'core/clock-sync.ts',
    find: 'const RATE_MAX = 2e-4;',
    put: 'const RATE_MAX = 1e-5;',
  },
  {
    name: 'clock-any-answer',
    what: 'a node takes the answer to an earlier question for that to its last one',
    file: 'node/prober.ts',
    find: 'reply.nonce !== this.#nonce || ',
    put: '',
  },
];
