// Nodes that do wrong on purpose. Each is a real node, with its keys, sessions and spool: what it says is
// changed between its core and its session, so that it is as authentic as what honest nodes say.

import {assert} from '../base/assert.ts';
import type {Prng} from '../base/prng.ts';
import {asBatchId, asBlobId, asCaptureId, asWallMs, type NodeId, replicaId} from '../base/types.ts';
import type {NodeEvent} from '../core/core.ts';
import {decodeResults, encodeAck, encodeResults, encodeShot} from '../wire/codec.ts';
import type {SignPurpose} from '../wire/crypto.ts';
import {BLOB_BYTES_MAX} from '../wire/limits.ts';
import type {
  CommandAck,
  Hello,
  Message,
  OutputRef,
  Pull,
  Report,
  ResultItem,
  ShotReport,
} from '../wire/message.ts';
import {between, exponential} from './dice.ts';
import {type Fabric, holds} from './fabric.ts';
import {insiderTrick} from './insider.ts';
import type {Misdeed} from './misdeeds.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';
import {EVENT} from './timeline.ts';
import {compute} from './truth.ts';

/** What one kind of bad node does; whatever is left out it does as honest nodes do. */
export type Trick = {
  /** What it says in place of this; undefined = nothing. */
  readonly tell?: (message: Message) => Message | undefined;
  /** What its core hears in place of this. */
  readonly hear?: (event: NodeEvent) => NodeEvent;
  /** What reaches its socket. */
  readonly record?: (datagram: Uint8Array) => void;
  /** Now and then, while the attack lasts. */
  readonly deed?: () => void;
};

/** What a trick has to work with. */
export type Hand = {
  readonly node: SimNode;
  readonly master: SimMaster;
  readonly fabric: Fabric;
  readonly dice: Prng;
  /** Reports of honest nodes, as their signers said them. */
  readonly overheard: readonly {readonly nodeId: NodeId; readonly report: Report}[];
  /** Seals for the session of the moment and sends; nothing without one. */
  readonly say: (message: Message) => void;
  readonly sign: (purpose: SignPurpose, body: Uint8Array) => Uint8Array;
  readonly later: (ms: number, act: () => void) => void;
};

const HELD_BACK_MS = 20_000;
const REMEMBERED_MAX = 200;
/** As the manual of the protocol allows them, and what comes next. */
const UINT32_MAX = 2 ** 32 - 1;

const TRICKS: Readonly<Record<Misdeed, (hand: Hand) => Trick>> = {
  sleeper: hand => sleeper(hand, () => `lie ${hand.dice.uint32()}`),
  plotter: hand => sleeper(hand, () => 'our lie'),
  equivocating,
  replaying,
  hugeOutput,
  greedy,
  badSigner,
  liar,
  clonedKey: () => ({}),
  quiet: () => ({tell: message => (isStatement(message) ? undefined : message)}),
  lateComer,
  insider: insiderTrick,
};

const isStatement = ({type}: Message): boolean => type === 'commandAck' || type === 'shotReport';

function sleeper({node, dice}: Hand, salt: () => string): Trick {
  let honest = node.plan.honestFor ?? between(dice, 0, 10);
  return {
    hear: event => {
      if (event.type !== 'computed' || honest-- > 0) return event;
      const held = [...(node.core?.slots.held() ?? [])].find(({id}) => id === event.replicaId);
      if (!held) return event;
      const output = compute(held.input, held.args, salt());
      if (output.kind === 'blob') node.files.set(output.blobId, output.size);
      return {...event, output};
    },
  };
}

/** The same kind of output and as many bytes, so that it fits where the true one did. */
function otherOutput(output: OutputRef, dice: Prng): OutputRef {
  if (output.kind === 'blob') return {...output, blobId: randomBlobId(dice)};
  const bytes = output.bytes.map(byte => byte ^ between(dice, 1, 255));
  return {kind: 'inline', bytes};
}

const randomBlobId = (dice: Prng) =>
  asBlobId(Array.from({length: 8}, () => dice.uint32().toString(16).padStart(8, '0')).join(''));

const randomBytes = (dice: Prng, length: number): Uint8Array =>
  Uint8Array.from({length}, () => dice.below(256));

function reportOf({sign}: Hand, nonce: number, items: readonly ResultItem[]): Report {
  const body = encodeResults(items);
  return {type: 'report', nonce, body, signature: sign('results', body)};
}

function equivocating(hand: Hand): Trick {
  const {dice, say, later} = hand;
  return {
    tell: message => {
      if (message.type !== 'report') return message;
      const items = (decodeResults(message.body) ?? []).map(item =>
        item.status === 'done' ? {...item, output: otherOutput(item.output, dice)} : item,
      );
      const other = reportOf(hand, message.nonce, items);
      if (dice.chance(0.5)) say(other);
      else later(dice.fraction() * 2_000, () => say(other));
      if (dice.chance(0.3)) say({...other, nonce: dice.uint32()});
      return message;
    },
  };
}

function replaying({dice, say}: Hand): Trick {
  const said: Message[] = [];
  return {
    tell: message => {
      if (said.length < REMEMBERED_MAX) said.push(message);
      else said[dice.below(REMEMBERED_MAX)] = message;
      return message;
    },
    deed: () => {
      if (said.length > 0) say(dice.pick(said));
    },
  };
}

function hugeOutput(hand: Hand): Trick {
  const {dice, node, master} = hand;
  const upload = ({batchId, index, replicaNo}: ResultItem): void => {
    const purpose = {kind: 'replica', replicaId: replicaId(batchId, index, replicaNo)} as const;
    const answer = master.storeBlob(node, randomBlobId(dice), 2 ** 40, purpose);
    holds(answer !== undefined, 'S12', () => `node ${node.no} could store 1 TiB`);
  };
  return {
    tell: message => {
      if (message.type !== 'report') return message;
      const [item] = decodeResults(message.body) ?? [];
      if (item?.status !== 'done') return message;
      upload(item);
      const outputs: readonly OutputRef[] = [
        {kind: 'blob', blobId: randomBlobId(dice), size: BLOB_BYTES_MAX},
        {kind: 'blob', blobId: randomBlobId(dice), size: BLOB_BYTES_MAX + 1},
        {kind: 'blob', blobId: randomBlobId(dice), size: 0},
        {kind: 'inline', bytes: randomBytes(dice, 900)},
        {kind: 'inline', bytes: randomBytes(dice, 768)},
      ];
      return reportOf(hand, message.nonce, [{...item, output: dice.pick(outputs)}]);
    },
  };
}

function greedy({dice, say}: Hand): Trick {
  const grab = (pull: Pull): Pull => ({
    ...pull,
    wanted: UINT32_MAX,
    wantedMs: UINT32_MAX,
    running: Array.from({length: 40}, () => ({
      batchId: asBatchId(between(dice, 1, 5)),
      index: dice.below(400),
      replicaNo: dice.below(4),
      permille: 999,
      proof: 0,
    })),
  });
  let last: Pull | undefined;
  return {
    tell: message => {
      if (message.type === 'report') return undefined;
      if (message.type !== 'pull') return message;
      last = message;
      return grab(message);
    },
    deed: () => {
      if (last) say({...grab(last), nonce: dice.uint32()});
    },
  };
}

function badSigner(hand: Hand): Trick {
  const {dice, say, sign, overheard} = hand;
  const spoilt = (signed: Report | CommandAck | ShotReport): Message => {
    if (dice.chance(0.5)) return {...signed, signature: randomBytes(dice, 64)};
    return {...signed, signature: sign('app', signed.body)}; // its own, for another purpose
  };
  const forged = (): ResultItem => ({
    batchId: asBatchId(between(dice, 1, 4)),
    index: dice.below(100),
    replicaNo: dice.below(4),
    proof: dice.uint32(),
    cpuMs: 1,
    status: 'done',
    output: {kind: 'inline', bytes: randomBytes(dice, 8)},
  });
  const shot = () => ({
    captureId: asCaptureId(between(dice, 1, 9)),
    shot: dice.chance(0.5) ? between(dice, 1, 3) : dice.uint32(),
    epoch: 1,
    seq: dice.below(20),
    heardWallMs: asWallMs(1),
    firedWallMs: asWallMs(1),
    doneWallMs: asWallMs(1),
    clockBoundMs: -1,
    verdict: 'fired' as const,
    salt: dice.uint32(),
    reason: '',
    files: [{name: 'x', blobId: randomBlobId(dice), size: BLOB_BYTES_MAX}],
  });
  const deeds: readonly (() => void)[] = [
    () => say(reportOf(hand, dice.uint32(), [forged(), forged()])),
    () => {
      if (overheard.length > 0) say(dice.pick(overheard).report);
    },
    () => {
      const body = encodeShot(shot());
      say({type: 'shotReport', nonce: dice.uint32(), body, signature: sign('shot', body)});
    },
    () => {
      const ack = {epoch: 1, seq: dice.below(20), heardWallMs: asWallMs(1), clockBoundMs: 0};
      const body = encodeAck({...ack, verdict: 'accepted'});
      say(spoilt({type: 'commandAck', body, signature: new Uint8Array(64)}));
    },
  ];
  return {
    tell: message => {
      const {type} = message;
      if (type !== 'report' && type !== 'commandAck' && type !== 'shotReport') return message;
      return dice.chance(0.5) ? spoilt(message) : message;
    },
    deed: () => dice.pick(deeds)(),
  };
}

function liar({dice}: Hand): Trick {
  const boast = (hello: Hello): Hello => ({
    ...hello,
    cores: UINT32_MAX,
    slots: UINT32_MAX,
    memoryMib: UINT32_MAX,
    receiptHead: dice.pick([2 ** 53, 1e300, hello.receiptHead]),
    name: '\u001b]0;x\u0007<img src=x onerror=1>',
  });
  return {
    tell: message => (message.type === 'hello' ? boast(message) : message),
    hear: event =>
      event.type === 'computed' ? {...event, cpuMs: dice.pick([0, 1, UINT32_MAX])} : event,
  };
}

function lateComer({dice, say, later}: Hand): Trick {
  return {
    tell: message => {
      if (message.type !== 'report' && !isStatement(message)) return message;
      later(HELD_BACK_MS * exponential(dice), () => say(message));
      return undefined;
    },
  };
}

/** The trick of one node, over all its lives. */
export class BadNode {
  readonly node: SimNode;
  readonly #fabric: Fabric;
  readonly #trick: Trick;
  #say: (message: Message) => void = () => undefined;

  constructor(
    misdeed: Misdeed,
    parts: Pick<Hand, 'node' | 'master' | 'fabric' | 'dice' | 'overheard'>,
  ) {
    const {node, fabric, master} = parts;
    this.node = node;
    this.#fabric = fabric;
    this.#trick = TRICKS[misdeed]({
      ...parts,
      say: message => this.#say(message),
      sign: (purpose, body) =>
        fabric.crypto.sign(node.keys.identity.secretKey, purpose, master.clusterId, body),
      later: (ms, act) => fabric.timeline.after(ms, EVENT.fault, node.no, act),
    });
  }

  /** A process of it starts: from now on it speaks for us. */
  booted(): void {
    const {link, core, clock} = this.node;
    assert(link && core && clock, 'a node that starts has a process');
    const {tell, hear} = this.#trick;
    const seal = link.seal.bind(link);
    const handle = core.handle.bind(core);
    if (hear) core.handle = (event, now) => handle(hear(event), now);
    if (tell)
      link.seal = (peer, message, ...more) => {
        const told = tell(message);
        return told && seal(peer, told, ...more);
      };
    this.#say = message => {
      const peer = link.peer();
      if (clock.dead || peer === undefined) return;
      const sealed = seal(peer, message, clock.now().mono);
      if (sealed) this.#fabric.network.send(this.node.address, sealed.to, sealed.datagram);
    };
  }

  record(datagram: Uint8Array): void {
    this.#trick.record?.(datagram);
  }

  deed(): void {
    this.#trick.deed?.();
  }
}
