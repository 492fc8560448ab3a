// A real node's manners: its owner's file and the sensors are looked at every few seconds, and the owner may speak
// to it by a socket. What follows is the core's to decide.

import {SECOND_MS} from '../base/units.ts';
import type {NodeEvent} from '../core/core.ts';
import {type ControlAnswer, type ControlRequest, openControl} from '../io/control.ts';
import type {Log} from '../io/log.ts';
import type {PreferencesFile} from '../io/preferences-file.ts';
import {Sensors, wantsOf} from '../io/sensors.ts';
import {every, type SystemClock} from '../io/system-clock.ts';
import {HOLDERS} from '../node/guest.ts';
import type {NodeCore} from '../node/node.ts';
import {meantOf, viewNodeStatus} from '../node/status.ts';
import type {Closers} from './closers.ts';

const LOOK_MS = 5 * SECOND_MS;
/** A drained node waits so long for receipts; what has none is said at its next start. */
const RECEIPTS_MS_MAX = 30 * SECOND_MS;

export type GuestOf = {
  readonly core: NodeCore;
  readonly file: PreferencesFile;
  readonly clock: SystemClock;
  readonly log: Log;
  readonly data: string;
  readonly about: object;
  readonly post: (event: NodeEvent) => void;
  /** It was asked to end when all is done, and all is done. */
  readonly onDrained: () => void;
};

export async function openGuest(self: GuestOf, closers: Closers): Promise<void> {
  const {file, clock, log, post, core} = self;
  const sensors = new Sensors();
  const look = (): void => {
    const seen = file.look();
    if (seen instanceof Error)
      log.note({level: 'warn', what: `preferences are not taken: ${seen.message}`, fields: {}});
    else if (seen) {
      log.note({level: 'info', what: 'preferences were read', fields: {}});
      post({type: 'preferred', by: 'owner', preferences: seen});
    }
    const all = HOLDERS.map(holder => core.work.guest.preferencesOf(holder));
    // Without a wish nothing is measured.
    if (all.every(one => Object.keys(one).length === 0) && seen === undefined) return;
    const {mono, wall} = clock.now();
    post({type: 'sampled', sample: sensors.sample(wantsOf(all), new Date(wall), mono)});
  };
  post({type: 'preferred', by: 'owner', preferences: file.preferences});
  look();
  closers.add(every(LOOK_MS, look));
  const drain = new Drain(self);
  closers.add(() => drain.stop());
  const control = await openControl(self.data, request => {
    look(); // who has just changed the file is told what became of it
    return answer(self, drain, request);
  });
  closers.add(() => control.close());
}

async function answer(
  self: GuestOf,
  drain: Drain,
  request: ControlRequest,
): Promise<ControlAnswer> {
  const by = 'owner' as const;
  if (request.do === 'suspend') self.post({type: 'ordered', by, suspended: true});
  if (request.do === 'resume') {
    drain.stop();
    self.post({type: 'ordered', by, suspended: false, draining: false});
  }
  if (request.do === 'drain') {
    self.post({type: 'ordered', by, draining: true});
    if (request.exit) drain.start();
  }
  if (request.do === 'abort') {
    const meant = meantOf(self.core.slots, request.replica);
    if (meant.kind === 'none') return {ok: false, reason: meant.why, isUsage: true};
    self.post({type: 'aborted', replicaId: meant.replicaId});
  }
  await new Promise<void>(resolve => self.clock.soon(resolve)); // after the turn of what was said
  const {fault} = self.file;
  const more = fault === undefined ? {} : {preferencesFault: fault};
  return {ok: true, status: {...self.about, ...viewNodeStatus(self.core), ...more}};
}

/** Ends the process when nothing is left to do and to tell. */
class Drain {
  readonly #self: GuestOf;
  #stopTimer: (() => void) | undefined;
  #emptySince: number | undefined;

  constructor(self: GuestOf) {
    this.#self = self;
  }

  start(): void {
    this.#stopTimer ??= every(SECOND_MS / 5, () => this.#look());
  }

  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#emptySince = undefined;
  }

  #look(): void {
    const {core, clock, onDrained} = this.#self;
    const {mono} = clock.now();
    if (core.slots.size > 0) return;
    this.#emptySince ??= mono;
    if (core.spool.size > 0 && mono - this.#emptySince < RECEIPTS_MS_MAX) return;
    this.stop();
    onDrained();
  }
}
