// The security log of a master or a node: what somebody who looks for an attack wants to see, one JSON object
// to a line, in `<role folder>/security.log`. It listens where the log of the process does: cores and
// runtimes note what they always note, and NOTES and COUNTS below say what of it belongs here.
//
//   {"time":"…","kind":"badSignature","level":"warn","what":"report refused","node":"3f2a…","name":"cam-07"}
//
// A kind gets 30 lines a minute, 6 of them from one source; the rest is a line with their number. Never in
// it: keys, tokens, inputs, outputs.

import {join} from 'node:path';
import {Quota} from '../base/quota.ts';
import {harmless} from '../base/text.ts';
import {KIB, MIB, MINUTE_MS, SECOND_MS} from '../base/units.ts';
import type {Note} from '../core/core.ts';
import type {Clock, Journal} from '../runtime/ports.ts';
import {RotatingFile} from './rotating-file.ts';
import {isoTime} from './system-clock.ts';

/** Stable words, for whoever filters the log. */
export const SECURITY_KINDS = [
  'asking',
  'enrolled',
  'denied',
  'revoked',
  'clone',
  'keys',
  'keyRefused',
  'badSignature',
  'epoch',
  'lostState',
  'replayed',
  'strangers',
  'forgedLease',
  'disagreement',
  'sandboxKill',
  'httpRefused',
  'audit',
  'alarm',
] as const;
export type SecurityKind = (typeof SECURITY_KINDS)[number];

/** Notes by their `what`. Those of level `alarm` that are not here are of the kind `alarm`. */
export const NOTES: Readonly<Record<string, SecurityKind>> = {
  'a node asks to be let in': 'asking',
  'waiting to be approved on the master': 'asking',
  'node enrolled': 'enrolled',
  'node approved': 'enrolled',
  'node refused': 'denied',
  'node denied': 'denied',
  'the master refuses this node': 'denied',
  'node revoked': 'revoked',
  'join token revoked': 'revoked',
  'results rest on a revoked node alone': 'revoked',
  'a result of a revoked node was wrong and is replaced': 'revoked',
  'clone suspected: two machines have the key of one node': 'clone',
  'report refused': 'badSignature',
  'statement refused': 'badSignature',
  'receipt refused': 'badSignature',
  'result without a lease': 'forgedLease',
  'nodes disagree on a result': 'disagreement',
  'a node holds a receipt above our journal: acknowledged state is lost': 'lostState',
  'a node has seen a later epoch: old backup or second master': 'epoch',
  'another master was in our epoch: old backup or second master': 'epoch',
  'the master is in an earlier epoch than we have seen': 'epoch',
  'a node holds a newer trust document: old backup or stolen keys': 'keyRefused',
  'welcome without the trust of our root': 'keyRefused',
  'trust document learnt': 'keys',
  'an app is not signed by a key that the root names': 'keyRefused',
  wrongToken: 'httpRefused',
};

/** A node's own workunits that were ended by force. */
const FAILED = 'workunit failed';
const KILLS: ReadonlySet<unknown> = new Set([
  'timedOut',
  'outOfMemory',
  'outputTooLarge',
  'refused',
  'runnerLost',
]);

/**
 * Counters that strangers and insiders drive: told as a number now and then. `badSignature` is an insider's:
 * the command was sealed with the group key and not signed by the master.
 */
export const COUNTS: Readonly<Record<string, {kind: SecurityKind; level: Note['level']}>> = {
  'drop.badSignature': {kind: 'badSignature', level: 'alarm'},
  'drop.badTrust': {kind: 'keyRefused', level: 'warn'},
  'drop.oldEpoch': {kind: 'epoch', level: 'warn'},
  'drop.replayed': {kind: 'replayed', level: 'info'},
  'drop.unknownPeer': {kind: 'strangers', level: 'info'},
  'drop.badSeal': {kind: 'strangers', level: 'info'},
};

const FILE = 'security.log';
/** Every file it may have made, for whoever checks their modes. */
export const SECURITY_FILES: readonly string[] = [FILE, `${FILE}.1`, `${FILE}.2`, `${FILE}.3`];

const QUOTA = {periodMs: MINUTE_MS, perKind: 30, perSource: 6, sourcesMax: 512};
const FILE_BYTES_MAX = MIB;
const FILES_KEPT = SECURITY_FILES.length - 1;
const TEXT_MAX = KIB / 2;
/** Counters of one name are told at once, and then at most this often. */
const COUNT_MS = 10 * SECOND_MS;
const FLOOD = 128;

type Fields = Note['fields'];
type Tally = {pending: number; toldAt: number};

export type SecurityLogOptions = {
  /** Folder of the role. */
  readonly dir: string;
  readonly clock: Pick<Clock, 'now'>;
  /** The log of the process: it is told everything as before. */
  readonly log: Journal;
};

export class SecurityLog implements Journal {
  readonly #options: SecurityLogOptions;
  readonly #file: RotatingFile;
  readonly #quota = new Quota(QUOTA);
  readonly #tallies = new Map<string, Tally>();
  #isFailed = false;

  /** Throws VOLLEY_NO_PERMISSION when the file cannot be written. */
  constructor(options: SecurityLogOptions) {
    this.#options = options;
    const path = join(options.dir, FILE);
    this.#file = new RotatingFile({path, bytesMax: FILE_BYTES_MAX, keep: FILES_KEPT});
  }

  note(note: Note): void {
    this.#options.log.note(note);
    const {level, what, fields} = note;
    const kind = kindOf(note);
    if (kind !== undefined) this.event(kind, level, what, fields);
  }

  count(name: string, by = 1): void {
    this.#options.log.count(name, by);
    if (!(name in COUNTS)) return;
    const tally = this.#tallies.get(name) ?? {pending: 0, toldAt: Number.NEGATIVE_INFINITY};
    this.#tallies.set(name, tally);
    tally.pending += by;
    // In a flood the clock is asked now and then.
    if (tally.pending < FLOOD || tally.pending % FLOOD < by) this.#tellCounts(false);
  }

  /** What has no note: an audit of the store. */
  event(kind: SecurityKind, level: Note['level'], what: string, fields: Fields): void {
    const {mono} = this.#options.clock.now();
    this.#tellCounts(false);
    if (!this.#quota.take(kind, sourceOf(fields), mono)) return;
    const suppressed = this.#quota.suppressed(kind);
    this.#write(kind, level, what, suppressed > 0 ? {...fields, suppressed} : fields);
  }

  /** The audit of a store at its opening, and what came of it. Rejects as the audit does. */
  async audited<T extends {readonly journalNo: number}>(audit: () => Promise<T>): Promise<T> {
    try {
      const head = await audit();
      this.event('audit', 'info', 'the store is whole', {journal: head.journalNo});
      return head;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.event('audit', 'alarm', 'the store is not whole', {reason});
      throw error;
    }
  }

  /** Says what was left out until now; call it at the end of the process. */
  close(): void {
    this.#tellCounts(true);
    for (const kind of this.#quota.kinds()) {
      const suppressed = this.#quota.suppressed(kind);
      if (suppressed > 0) this.#write(kind, 'info', 'left out', {suppressed});
    }
    this.#file.close();
  }

  #tellCounts(all: boolean): void {
    const {mono} = this.#options.clock.now();
    for (const [name, tally] of this.#tallies) {
      const told = COUNTS[name];
      if (told === undefined || tally.pending === 0) continue;
      if (!all && mono - tally.toldAt < COUNT_MS) continue;
      this.#write(told.kind, told.level, name, {count: tally.pending});
      tally.pending = 0;
      tally.toldAt = mono;
    }
  }

  #write(kind: string, level: Note['level'], what: string, fields: Fields): void {
    if (this.#isFailed) return;
    const time = isoTime(this.#options.clock.now().wall);
    const line = harmless(JSON.stringify({...shortened(fields), time, kind, level, what}));
    try {
      this.#file.append(`${line}\n`);
    } catch (error) {
      // A full disk stops the store with its own words; the log of it must not.
      this.#isFailed = true;
      const reason = error instanceof Error ? error.message : String(error);
      const note = {level: 'alarm', what: 'the security log cannot be written', fields: {reason}};
      this.#options.log.note(note as Note);
    }
  }
}

function kindOf({level, what, fields}: Note): SecurityKind | undefined {
  if (what === FAILED) return KILLS.has(fields['reason']) ? 'sandboxKill' : undefined;
  return NOTES[what] ?? (level === 'alarm' ? 'alarm' : undefined);
}

/** Who is behind it, as far as the note says. */
const sourceOf = (fields: Fields): string =>
  String(fields['node'] ?? fields['peer'] ?? fields['from'] ?? '');

const shortened = (fields: Fields): Fields =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' && value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value,
    ]),
  );
