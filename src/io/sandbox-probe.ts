// Finds out how well this machine can shut a runner in, by doing it: a runner is started in each jail that
// may work, best first, and has to answer a workunit. A kernel without user namespaces, a missing
// library, a folder that another user may not read: all show here and not in the middle of a batch.

import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {VolleyError} from '../base/errors.ts';
import {SECOND_MS} from '../base/units.ts';
import type {Journal} from '../runtime/ports.ts';
import type {SandboxWish} from './config.ts';
import {RunnerSlot} from './runner-slot.ts';
import {type Jail, NO_JAIL, possibleJails} from './sandbox.ts';

const REQUIRED_LEVEL = 2;
const ANSWER_MS_MAX = 10 * SECOND_MS;

/** A command that does nothing: one memory, one empty function. */
const NOTHING = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 4, 1, 1, 0, 1, 7, 19, 2],
  ...[6, 0x5f, 0x73, 0x74, 0x61, 0x72, 0x74, 0, 0, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0],
  ...[10, 4, 1, 2, 0, 0x0b],
]);

export type Found = {
  readonly jail: Jail;
  /** From the start of the runner to its answer. */
  readonly startMs: number;
  /** What did not work, for the log. */
  readonly tried: readonly {readonly about: string; readonly reason: string}[];
};

/**
 * @param dir folder for working directories
 * @throws VOLLEY_BAD_CONFIG when the owner requires more than there is
 */
export async function findJail(
  wish: SandboxWish,
  dir: string,
  jails: readonly Jail[] = possibleJails(),
): Promise<Found> {
  const tried: {about: string; reason: string}[] = [];
  for (const jail of wish === 'off' ? [] : jails) {
    const startedAt = performance.now();
    const reason = await tryJail(jail, join(dir, 'probe'));
    const startMs = performance.now() - startedAt;
    if (reason === '' && (wish !== 'require' || jail.level >= REQUIRED_LEVEL))
      return {jail, startMs, tried};
    tried.push({about: jail.about, reason: reason === '' ? `is level ${jail.level} only` : reason});
  }
  if (wish === 'require') {
    const why = tried.map(({about, reason}) => `${about}: ${reason}`).join('; ');
    throw new VolleyError('VOLLEY_BAD_CONFIG', {
      path: 'node.json',
      reason:
        `"sandbox" is "require", but no runner starts in namespaces here; install bubblewrap, or ` +
        `allow user namespaces${why === '' ? '' : ` (${why})`}`,
    });
  }
  return {jail: NO_JAIL, startMs: 0, tried};
}

/** Tried out for each start: what a machine allows may change between two. As findJail, and noted. */
export async function chooseJail(wish: SandboxWish, dir: string, log: Journal): Promise<Jail> {
  const {jail, startMs, tried} = await findJail(wish, dir);
  for (const {about, reason} of tried)
    log.note({level: 'info', what: 'sandboxNotHere', fields: {about, reason}});
  const fields = {level: jail.level, about: jail.about, startMs: Math.round(startMs)};
  log.note({level: 'info', what: 'sandbox', fields});
  return jail;
}

/** What another user may not read is not there for it. */
const UNREACHABLE = /EACCES|permission denied|cannot find module/i;

const inPlainWords = ({user}: Jail, detail: string): string =>
  user !== undefined && UNREACHABLE.test(detail)
    ? `the user of runners (${user}) may not read all that a runner needs: ${detail}`
    : detail;

/** '' = a runner answers in it. */
function tryJail(jail: Jail, dir: string): Promise<string> {
  mkdirSync(dir, {recursive: true});
  return new Promise(resolve => {
    const slot = new RunnerSlot({
      dir,
      niceness: 0,
      jail,
      finish: (_job, outcome) => {
        void slot
          .close()
          .then(() => resolve(outcome.kind === 'done' ? '' : inPlainWords(jail, outcome.detail)));
      },
      onState: () => {},
      onBadState: () => {},
      onRoom: () => {},
    });
    slot.push({
      replicaId: 'probe' as never,
      program: {kind: 'wasm', key: 'probe', module: NOTHING, memoryMib: 1},
      args: [],
      input: new Uint8Array(0),
      shared: new Uint8Array(0),
      seed: 0,
      timeMs: ANSWER_MS_MAX,
      memoryMib: 1,
      outputBytesMax: 1,
      state: new Uint8Array(0),
      spentMs: 0,
      isStopped: false,
    });
  });
}
