// What all processes of a simulated world share, and what its checkers hear of.

import {Prng} from '../base/prng.ts';
import type {Address, BlobId, MonoMs, Now} from '../base/types.ts';
import {asAddress} from '../base/types.ts';
import type {NodeEffect, NodeEvent, Note, RunOrder} from '../core/core.ts';
import type {Op} from '../core/tables.ts';
import type {MasterCore} from '../master/master.ts';
import type {Spooled} from '../node/spool.ts';
import type {FireOrder, Journal} from '../runtime/ports.ts';
import type {Crypto} from '../wire/crypto.ts';
import {exponential} from './dice.ts';
import type {Loaded} from './sim-apps.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNetwork} from './sim-network.ts';
import type {SimNode} from './sim-node.ts';
import {EVENT, type Timeline} from './timeline.ts';
import type {WatchedStore} from './watched-store.ts';

/** Faults of machines; those of the wire are NetworkFaults. Times in milliseconds. */
export type HostFaults = {
  diskMsMean: number;
  /** Chance that a commit takes a second on average. */
  diskStall: number;
  /** How long a turn waits for more events, on average. */
  turnMsMean: number;
  /** Chance that an upload breaks. */
  uploadBreak: number;
};

export const CALM_HOST: Readonly<HostFaults> = {
  diskMsMean: 0.5,
  diskStall: 0,
  turnMsMean: 0.05,
  uploadBreak: 0,
};

const STALL_MS = 1_000;
const UPLOAD_MS = 20;

export const GROUP_ADDRESS = asAddress('239.86.79.76:6272');
export const MASTER_ADDRESS = asAddress('10.0.0.1:6273');
/** Of a master that somebody started from a copy of the first one's folder. */
export const SECOND_ADDRESS = asAddress('10.0.0.2:6273');
export const nodeAddress = (no: number): Address => asAddress(`10.1.${no >> 8}.${no & 255}:6273`);

/** 2026, so that wall clocks look like wall clocks in traces. */
export const WALL_AT_ZERO = 1_780_000_000_000;

/** A promise that was broken, or a bug that stopped a process. */
export class SimFailure extends Error {
  override readonly name = 'SimFailure';
  readonly invariant: string;

  constructor(invariant: string, story: string) {
    super(story);
    this.invariant = invariant;
  }
}

/** EIO, on purpose. */
export class DiskFailure extends Error {
  override readonly name = 'DiskFailure';
}

export function holds(
  condition: unknown,
  invariant: string,
  story: () => string,
): asserts condition {
  if (!condition) throw new SimFailure(invariant, story());
}

/** Hears everything that the promises are about; throws SimFailure when one is broken. */
export interface Watcher {
  masterBooted(core: MasterCore): void;
  masterDurable(ops: readonly Op[]): void;
  masterTurn(core: MasterCore): void;
  nodeBooted(node: SimNode): void;
  nodeDurable(node: SimNode, ops: readonly Op[]): void;
  /** @param spooled of a receipt: what the node kept under its nonce before it took the event */
  nodeTook(
    node: SimNode,
    event: NodeEvent,
    effects: readonly NodeEffect[],
    now: Now,
    spooled?: Spooled,
  ): void;
  ordered(node: SimNode, order: FireOrder, now: MonoMs): void;
  fired(node: SimNode, order: FireOrder): void;
  /** A node has written down a newer trust document. */
  trustKept(node: SimNode): void;
  /** A node's machine is as it was before, or a new one. */
  wentBack(node: SimNode): void;
  /** A runner is given an app. */
  started(node: SimNode, order: RunOrder, loaded: Loaded): void;
}

/** Somebody who does wrong on purpose: hears of each start, and of each note that may be about it. */
export interface Mischief {
  nodeBooted(node: SimNode): void;
  masterBooted(master: SimMaster): void;
  /** Whether this note is no wonder. @param name whose journal it is in */
  excuses(name: string, note: Note): boolean;
}

/** Words that no honest node and no honest master ever has a reason for in the simulated world. */
const ALARMING = new Set(['report refused', 'statement refused', 'result without a lease']);
/** What they say when the master lost acknowledged state: then they must, and otherwise never. */
export const LOSS_ALARMS: ReadonlySet<string> = new Set([
  'a node holds a receipt above our journal: acknowledged state is lost',
  'a node has seen a later epoch: old backup or second master',
  'another master was in our epoch: old backup or second master',
  'the master is in an earlier epoch than we have seen',
  'the master has forgotten what it acknowledged',
  'result without a lease',
]);

export class Fabric {
  readonly timeline: Timeline;
  readonly network: SimNetwork;
  readonly crypto: Crypto;
  readonly prng: Prng;
  readonly host: HostFaults;
  readonly counters = new Map<string, number>();
  watcher: Watcher | undefined;
  mischief: Mischief | undefined;
  appTransferMs = 0;
  /** What somebody puts in the place of a blob of an app; undefined = it goes through. */
  swap: ((blobId: BlobId) => Uint8Array | undefined) | undefined;
  /** Somebody who has the master's keys. */
  onMasterBoot: ((master: SimMaster) => void) | undefined;
  /** The operator's desk: whether it has a reason for this note of the master. */
  expects: ((note: Note) => boolean) | undefined;
  failure: unknown;
  /** The master's disk is not the last one it wrote to. */
  stateWasLost = false;
  /** A process stopped itself over its disk. */
  onDead: ((machine: {readonly store: WatchedStore}, no: number) => void) | undefined;
  /** A process does not start on a damaged disk: somebody has to come. */
  onRefused: ((machine: {readonly store: WatchedStore}, no: number) => void) | undefined;
  /** Starts that were refused, each with its reason. */
  refused = 0;
  trace: ((line: string) => void) | undefined;

  constructor(parts: {
    timeline: Timeline;
    network: SimNetwork;
    crypto: Crypto;
    prng: Prng;
    host: HostFaults;
  }) {
    this.timeline = parts.timeline;
    this.network = parts.network;
    this.crypto = parts.crypto;
    this.prng = parts.prng;
    this.host = {...parts.host};
  }

  fail(error: unknown): void {
    this.failure ??= error;
  }

  /** A process cannot go on: as it should be when its disk has failed, the end of the run otherwise. */
  fatal(machine: {readonly store: WatchedStore}, no: number, error: unknown): void {
    if (error instanceof DiskFailure)
      this.timeline.after(0, EVENT.fault, no, () => this.onDead?.(machine, no));
    else this.fail(error);
  }

  /** P11: it stops and says why. */
  refuses(machine: {readonly store: WatchedStore}, no: number, reason: string): void {
    holds(reason !== '', 'P11', () => `machine ${no} does not start and does not say why`);
    this.refused += 1;
    this.trace?.(`machine ${no} does not start: ${reason}`);
    this.onRefused?.(machine, no);
  }

  diskMs(): number {
    const {diskMsMean, diskStall} = this.host;
    const stalls = diskStall > 0 && this.prng.chance(diskStall);
    return (stalls ? STALL_MS : diskMsMean) * exponential(this.prng);
  }

  turnMs(): number {
    const {turnMsMean} = this.host;
    return turnMsMean > 0 ? turnMsMean * exponential(this.prng) : 0;
  }

  /** Of the ears of nodes: who hears no transfer leaves all other dice as they are. */
  bulkDice(no: number): Prng {
    return new Prng(no);
  }

  uploadMs(): number {
    return UPLOAD_MS * exponential(this.prng);
  }

  /** Of a blob of an app. */
  transferMs(): number {
    return this.appTransferMs * exponential(this.prng);
  }

  uploadBreaks(): boolean {
    const {uploadBreak} = this.host;
    return uploadBreak > 0 && this.prng.chance(uploadBreak);
  }

  /** For a disk: its time goes on whoever lives or dies. */
  diskTimer(no: number): (ms: number, act: () => void) => void {
    return (ms, act) => this.timeline.after(ms, EVENT.disk, no, act);
  }

  journalOf(name: string): Journal {
    return {
      note: note => this.#note(name, note),
      count: (what, by = 1) => this.counters.set(what, (this.counters.get(what) ?? 0) + by),
    };
  }

  #note(name: string, note: Note): void {
    const {level, what, fields} = note;
    this.trace?.(`${name} ${level} ${what} ${JSON.stringify(fields)}`);
    const isExpected = this.stateWasLost && LOSS_ALARMS.has(what);
    if (this.expects?.(note)) return;
    if (isExpected || this.mischief?.excuses(name, note)) return;
    // its process would end for it
    const isTurnedAway = what === 'the master refuses this node' && fields['reason'] === 'binding';
    if (level === 'alarm' || ALARMING.has(what) || isTurnedAway)
      this.fail(new SimFailure('alarm', `${name}: ${what} ${JSON.stringify(fields)}`));
  }
}
