// Planted bugs of captures; see bugs.ts.

import type {Bug} from './bugs.ts';

export const CAPTURE_BUGS: readonly Bug[] = [
  {
    name: 'capture-needs-nobody',
    what: 'a capture fires though fewer nodes are ready than it needs',
    file: 'master/capture-start.ts',
    find: 'if (ready >= needed) return undefined;',
    put: 'if (ready >= 0) return undefined;',
  },
  {
    name: 'capture-dry-run-fires',
    what: 'a dry run fires',
    file: 'master/capture.ts',
    find: 'if (refused === undefined && !row.dryRun)',
    put: 'if (refused === undefined)',
  },
  {
    name: 'sweep-anybody',
    what: 'a node that is not in a sweep fires with it',
    file: 'node/command-desk.ts',
    find: ' || this.#placeOf(command.what) < 0',
    put: '',
  },
  {
    name: 'steps-mixed-up',
    what: 'a master commands another step than the one whose turn it is',
    file: 'master/capture-steps.ts',
    find: 'steps?.[(shot - 1) % steps.length];',
    put: 'steps?.[shot % steps.length];',
  },
  {
    name: 'cancelled-and-fired',
    what: 'a node that has heard that a capture is cancelled fires it',
    file: 'node/firing.ts',
    find: '.filter(heard => heard.captureId === captureId && heard.salt === salt)',
    put: '.filter(() => false)',
  },
  {
    name: 'cancelled-and-commanded',
    what: 'a master commands shots of a capture that was cancelled',
    file: 'master/capture.ts',
    find: '    this.#queue.drop(capture);\n    this.#commands.withdraw',
    put: '    this.#commands.withdraw',
  },
  {
    name: 'fired-and-denied',
    what: 'a node says of a shot that it did not fire',
    file: 'node/firing.ts',
    find: 'firedWallMs: firedAt === undefined ? NOT : (clock.toWall(firedAt) ?? NOT),',
    put: 'firedWallMs: NOT,',
  },
  {
    name: 'fired-when-done',
    what: 'a node gives the end of a shot for its instant',
    file: 'node/firing.ts',
    find: 'firedWallMs: firedAt === undefined ? NOT : (clock.toWall(firedAt) ?? NOT),',
    put: 'firedWallMs: firedAt === undefined ? NOT : (clock.toWall(done.doneAt) ?? NOT),',
  },
];
