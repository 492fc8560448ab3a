// Files that may do what a rule forbids to others, each with its reason. An exception that is needed no
// longer fails the test: the list only shrinks or is argued for.

/** Who may read the clock beside io/system-clock.ts. Nothing here decides what a core does. */
export const CLOCK_EXCEPTIONS: Readonly<Record<string, string>> = {
  'src/io/system-clock.ts': 'it is the clock',
  'src/io/action-speaker.ts': 'in programs of their own: writes down when they fired',
  'src/io/camera-action.ts': 'a program of its own: holds a camera to a time limit',
  'src/io/still-process.ts': 'part of that program: measures its frames',
  'src/io/cluster-files.ts': 'the day a cluster was made, for people',
  'src/io/comparer.ts': 'measures what each node costs of the time for comparisons',
  'src/io/runner-exec.ts': 'measures a program it started',
  'src/io/runner.ts': 'measures how long ago a state was written',
  'src/io/runner-slot.ts': 'measures a runner process, which is killed at its limit',
  'src/io/runner-worker.ts': 'a program of its own: measures the work it does',
  'src/io/sandbox-probe.ts': 'measures the start of a runner that it tries',
  'src/http/follow.ts': 'measures its own passes, which it holds to a share of the time',
  'src/http/server.ts': 'the default of an argument that tests give',
  'src/sim/main.ts': 'tells how long a run took; nothing in the run sees it',
};

/** Who may set timers beside io/system-clock.ts: they hold processes and connections to their time. */
export const TIMER_EXCEPTIONS: Readonly<Record<string, string>> = {
  'src/io/system-clock.ts': 'it is the clock',
  'src/io/action-command.ts': 'ends a program that does not answer',
  'src/io/action-process.ts': 'ends a program that does not answer',
  'src/io/actions.ts': 'the coarse timer to the instant of a shot',
  'src/io/blob-sweeper.ts': 'lets the master work between two parts of a sweep',
  'src/io/camera-action.ts': 'a program of its own: looks whether a camera program stays',
  'src/io/still-process.ts': 'part of that program: ends one that does not end',
  'src/io/whole-file.ts': 'looks at a file while others write it',
  'src/io/compare-thread.ts': 'ends a thread that takes too long',
  'src/io/duty-cycle.ts': 'lets work run and stand still',
  'src/io/memory-watch.ts': 'looks at the memory of a process while it runs',
  'src/io/outputs.ts': 'waits for room on a full disk',
  'src/io/program.ts': 'waits a moment for the last output of a program that ended',
  'src/io/quiet.ts': 'lets work stand still around the instant of a shot',
  'src/io/runner-container.ts': 'waits before it asks the engine again',
  'src/io/runner-exec.ts': 'ends a program at its time limit',
  'src/io/runner-js.ts': 'lets all microtasks of an app end',
  'src/io/runner-slot.ts': 'ends a runner at its time limit',
  'src/io/runner-worker.ts': 'gives its own event loop a turn',
  'src/http/blob-client.ts': 'back-off between two tries of a transfer',
  'src/http/client-transport.ts': 'ends a request that is not answered',
  'src/http/coalescer.ts': 'one telling for each window',
  'src/http/events.ts': 'the heartbeat of an event stream',
  'src/http/follow.ts': 'a rest between two passes',
  'src/http/lobby.ts': 'looks at new connections after their first packets were read',
  'src/http/pace.ts': 'ends a body that stands still',
  'src/http/server.ts': 'ends a request that takes too long',
  'src/http/turns.ts': 'lets others in between two requests of one packet',
};
