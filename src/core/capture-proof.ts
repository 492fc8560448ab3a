// Is a capture on a disk what the nodes signed, all of it and nothing else? Decided without a master, from
// the manifest, the hashes of the files that are there, and nothing more:
//
//   root's fingerprint ─▶ trust document ─▶ command key ─▶ record ─▶ keys of the nodes, who was asked
//                                        key of a node ─▶ statement ─▶ hash of each file ─▶ file
//
// Without the root's fingerprint from elsewhere (--cluster) the upper line proves only that it fits
// together: whoever can write the whole folder can make a cluster of his own and sign it all. It is said.

import {equalBytes, fromHex, toHex} from '../base/bytes.ts';
import type {NodeId} from '../base/types.ts';
import {decodeShot} from '../wire/codec.ts';
import type {Crypto} from '../wire/crypto.ts';
import {nodeIdOf} from '../wire/identity.ts';
import type {ShotStatement} from '../wire/message.ts';
import {fingerprintOf, openTrust, previousRootOf} from '../wire/trust.ts';
import {figureFaults} from './capture-figures.ts';
import {type CaptureRecord, decodeRecord, type SignedRecord} from './capture-record.ts';

/** What a manifest says, as bytes. */
export type Claimed = {
  readonly clusterId: Uint8Array;
  readonly captureId: number;
  readonly nodes: readonly {
    readonly nodeId: NodeId;
    readonly name: string;
    readonly identityKey: Uint8Array;
  }[];
  readonly statements: readonly {
    readonly nodeId: NodeId;
    readonly shot: number;
    readonly body: Uint8Array;
    readonly signature: Uint8Array;
  }[];
  readonly files: readonly ClaimedFile[];
  /** What was written beside the files; nobody has signed it. */
  readonly derived: readonly {readonly path: string; readonly sha256: string}[];
  /** What people read in the manifest, to be held against what was signed. */
  readonly told: readonly Told[];
  /** What follows of all statements, by shot; of a sweep the time from node to node, which nobody has signed. */
  readonly figures: {
    readonly atWallMs: readonly number[];
    readonly spreadMs: readonly number[];
    readonly sweepMs: number;
  };
  readonly record: SignedRecord | undefined;
};

export type ClaimedFile = {
  readonly nodeId: NodeId;
  readonly shot: number;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
};

export type Told = {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly shot: number;
  readonly verdict: string;
  readonly reason: string;
  readonly heardAt: number;
  readonly firedAt: number;
  readonly doneAt: number;
  readonly clockBoundMs: number;
  readonly lateMs: number;
};

/** Path inside the folder → SHA-256; '' = it cannot be read, or is no plain file. */
export type Found = ReadonlyMap<string, string>;

export type Fault = {
  readonly kind: 'missing' | 'altered' | 'surplus' | 'forged' | 'untrusted';
  /** A path, or a node and its shot. */
  readonly what: string;
  readonly detail: string;
};

export type Proof = {
  readonly faults: readonly Fault[];
  /** Statements and files that are proven. */
  readonly statements: number;
  readonly files: number;
  readonly fired: number;
  /** Nodes and shots without a statement, as the record says; not a fault of the folder. */
  readonly silent: number;
  /** Fingerprint, hex, of the root that the chain of keys leads to; '' = there is no such chain. */
  readonly root: string;
  /** The root is the one that was asked for. */
  readonly pinned: boolean;
};

type Good = {readonly nodeId: NodeId; readonly shot: number; readonly said: ShotStatement};

/** @param pin fingerprint of the root that must stand behind it all, 16 bytes */
export function prove(crypto: Crypto, claimed: Claimed, found: Found, pin?: Uint8Array): Proof {
  const prover = new Prover(crypto, claimed, found);
  const {root, pinned, record} = prover.chain(pin);
  const good = prover.statements(record);
  prover.told(good, record);
  const files = prover.files(good);
  prover.rest();
  return {
    faults: prover.faults,
    statements: good.length,
    files,
    fired: good.filter(({said}) => said.verdict === 'fired').length,
    silent: record?.statements.filter(({sha256}) => sha256 === '').length ?? 0,
    root,
    pinned,
  };
}

const isAsSigned = (told: Told, said: ShotStatement): boolean =>
  said.verdict === told.verdict &&
  said.reason === told.reason &&
  said.heardWallMs === told.heardAt &&
  said.firedWallMs === told.firedAt &&
  said.doneWallMs === told.doneAt &&
  said.clockBoundMs === told.clockBoundMs;

class Prover {
  readonly faults: Fault[] = [];
  readonly #crypto: Crypto;
  readonly #claimed: Claimed;
  readonly #found: Found;
  readonly #names: ReadonlyMap<string, string>;

  constructor(crypto: Crypto, claimed: Claimed, found: Found) {
    this.#crypto = crypto;
    this.#claimed = claimed;
    this.#found = found;
    this.#names = new Map(claimed.nodes.map(({nodeId, name}) => [nodeId, name]));
  }

  #fault(kind: Fault['kind'], what: string, detail: string): void {
    this.faults.push({kind, what, detail});
  }

  #who(nodeId: NodeId, shot: number): string {
    return `${this.#names.get(nodeId) || nodeId}, shot ${shot}`;
  }

  /** From the root to the record. */
  chain(pin: Uint8Array | undefined): {root: string; pinned: boolean; record?: CaptureRecord} {
    const none = {root: '', pinned: false};
    const {record: signed, clusterId, captureId} = this.#claimed;
    const what = 'manifest.json';
    if (signed === undefined) {
      if (pin) this.#fault('untrusted', what, 'it has no record that a master signed');
      return none;
    }
    const document = openTrust(this.#crypto, signed.trust);
    if (document === undefined) {
      this.#fault('forged', what, 'its trust document is not what a root signed');
      return none;
    }
    const root = fingerprintOf(this.#crypto, document.rootKey);
    const before = previousRootOf(this.#crypto, signed.trust);
    const pinned = pin !== undefined && [root, before].some(each => each && equalBytes(each, pin));
    if (pin && !pinned)
      this.#fault('untrusted', what, `its root is ${toHex(root)}, which is not the one asked for`);
    const {commandKey} = document;
    const {signature, body} = signed;
    const isSigned = this.#crypto.verify(commandKey, 'capture', signature, clusterId, body);
    const record = decodeRecord(body);
    const fits =
      record?.captureId === captureId &&
      record.clusterId === toHex(clusterId) &&
      equalBytes(document.clusterId, clusterId);
    if (!isSigned || !fits) {
      this.#fault('forged', what, 'its record is not what the master of this cluster signed');
      return none;
    }
    return {root: toHex(root), pinned, record};
  }

  /** Those that are signed by the nodes that they name, about this capture. */
  statements(record: CaptureRecord | undefined): Good[] {
    const good = new Map<string, Good>();
    for (const each of this.#claimed.statements) {
      const {nodeId, shot} = each;
      const who = this.#who(nodeId, shot);
      const said = this.#opened(each, record);
      if (typeof said === 'string') this.#fault('forged', who, said);
      else if (good.has(`${nodeId}/${shot}`)) this.#fault('surplus', who, 'it is there twice');
      else if (this.#isUnrecorded(each, record))
        this.#fault('surplus', who, 'the record of the master does not know this statement');
      else good.set(`${nodeId}/${shot}`, {nodeId, shot, said});
    }
    for (const {nodeId, shot, sha256} of record?.statements ?? [])
      if (sha256 !== '' && !good.has(`${nodeId}/${shot}`))
        this.#fault('missing', this.#who(nodeId, shot), 'its statement, which the master had');
    return [...good.values()];
  }

  #opened(
    {nodeId, shot, body, signature}: Claimed['statements'][number],
    record: CaptureRecord | undefined,
  ): ShotStatement | string {
    const {nodes, clusterId, captureId} = this.#claimed;
    const key = nodes.find(node => node.nodeId === nodeId)?.identityKey;
    if (!key || nodeIdOf(this.#crypto, key) !== nodeId)
      return 'its key is missing, or is not the key of this node';
    const member = record?.nodes.find(node => node.nodeId === nodeId);
    if (record && (!member || !equalBytes(fromHex(member.identityKey) ?? new Uint8Array(), key)))
      return 'the master does not know this node';
    if (!this.#crypto.verify(key, 'shot', signature, clusterId, body))
      return 'its signature is not that of this node over this statement';
    const said = decodeShot(body);
    if (!said || said.captureId !== captureId || said.shot !== shot)
      return 'its statement is about another shot';
    if (record && said.salt !== record.salt) return 'its statement is about another capture';
    return said;
  }

  #isUnrecorded(
    {nodeId, shot, body}: Claimed['statements'][number],
    record: CaptureRecord | undefined,
  ): boolean {
    if (!record) return false;
    return this.#recorded(record).get(`${nodeId}/${shot}`) !== toHex(this.#crypto.sha256(body));
  }

  #recordedBy: ReadonlyMap<string, string> | undefined;

  /** SHA-256 of each statement of the record. */
  #recorded({statements}: CaptureRecord): ReadonlyMap<string, string> {
    this.#recordedBy ??= new Map(
      statements.map(({nodeId, shot, sha256}) => [`${nodeId}/${shot}`, sha256]),
    );
    return this.#recordedBy;
  }

  /** What people read must be what was signed. */
  told(good: readonly Good[], record: CaptureRecord | undefined): void {
    const signed = new Map(good.map(each => [`${each.nodeId}/${each.shot}`, each.said]));
    for (const each of this.#claimed.told) {
      const {nodeId, shot, verdict} = each;
      const said = signed.get(`${nodeId}/${shot}`);
      const isSo = said
        ? isAsSigned(each, said)
        : ['silent', 'waiting', 'cancelled'].includes(verdict);
      if (!isSo)
        this.#fault('altered', 'manifest.json', `${this.#who(nodeId, shot)}: not what was signed`);
    }
    const fired = new Map([...signed].map(([key, {firedWallMs}]) => [key, firedWallMs] as const));
    for (const detail of figureFaults(this.#claimed, fired, record))
      this.#fault('altered', 'manifest.json', detail);
  }

  /** Each file of a statement must be there, and be what the node signed. Answers how many are. */
  files(good: readonly Good[]): number {
    const claimed = new Map<string, ClaimedFile[]>();
    for (const file of this.#claimed.files) {
      const key = `${file.nodeId}/${file.shot}/${file.sha256}`;
      claimed.set(key, [...(claimed.get(key) ?? []), file]);
    }
    let proven = 0;
    for (const {nodeId, shot, said} of good)
      for (const {name, blobId, size} of said.files) {
        const file = claimed.get(`${nodeId}/${shot}/${blobId}`)?.shift();
        const who = this.#who(nodeId, shot);
        if (!file)
          this.#fault('missing', `${who}: ${name}`, 'the node signed it, and it was not brought');
        else if (file.size !== size)
          this.#fault('altered', 'manifest.json', `${file.path}: another size than was signed`);
        else if (this.#isThere(file)) proven += 1;
      }
    for (const {path} of [...claimed.values()].flat())
      this.#fault('forged', path, 'no node has signed this file');
    return proven;
  }

  #isThere({path, sha256}: {readonly path: string; readonly sha256: string}): boolean {
    const hash = this.#found.get(path);
    if (hash === undefined) this.#fault('missing', path, 'there is no such file');
    else if (hash === '') this.#fault('altered', path, 'it cannot be read as a plain file');
    else if (hash !== sha256) this.#fault('altered', path, `its SHA-256 is ${hash}`);
    return hash === sha256;
  }

  /** What was written beside the files, and what is there without a reason. */
  rest(): void {
    const {files, derived} = this.#claimed;
    for (const each of derived) this.#isThere(each);
    const known = new Set([...files, ...derived].map(({path}) => path));
    for (const path of this.#found.keys())
      if (!known.has(path) && path !== 'manifest.json')
        this.#fault('surplus', path, 'the manifest does not name it');
  }
}
