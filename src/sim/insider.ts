// An enrolled node that forges commands: it holds the group key, so what it makes opens at every node, and
// only the master's signature is missing. It also claims to have seen epochs that never were.

import {concat, EMPTY, viewOf} from '../base/bytes.ts';
import {asBatchId, asCaptureId, asWallMs} from '../base/types.ts';
import {encodeCommand} from '../wire/codec.ts';
import {sealCommand} from '../wire/command.ts';
import type {Command, CommandWhat, Hello, Welcome} from '../wire/message.ts';
import type {Hand, Trick} from './byzantine.ts';
import {between} from './dice.ts';
import {nodeAddress} from './fabric.ts';

const COMMAND_TYPE = 7;
const HEADER_BYTES = 24;
const SIGNATURE_BYTES = 64;
const RECORDED_MAX = 32;
/** More than a node verifies in a second. */
const FLOOD = 600;
/** As far as the master lets one Hello lead it. */
const LEAPS = [1, 7, 65_536, 65_537, 2 ** 31];

type Header = {readonly keyId: number; readonly epoch: number; readonly seq: number};

function nonceOf({epoch, seq}: Header): Uint8Array {
  const nonce = new Uint8Array(12);
  const view = viewOf(nonce);
  view.setUint32(0, epoch);
  view.setUint32(8, seq);
  return nonce;
}

function headerBytes({keyId, epoch, seq}: Header): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  bytes.set([COMMAND_TYPE, 1, 0, keyId]);
  view.setUint32(8, epoch);
  view.setUint32(16, seq);
  return bytes;
}

const readHeader = (datagram: Uint8Array): Header => {
  const view = viewOf(datagram);
  return {keyId: view.getUint8(3), epoch: view.getUint32(8), seq: view.getUint32(16)};
};

export class Insider {
  readonly #hand: Hand;
  readonly #recorded: Uint8Array[] = [];
  #welcome: Welcome | undefined;
  #hello: Hello | undefined;

  constructor(hand: Hand) {
    this.#hand = hand;
  }

  /** It hears the group as every node does. */
  record(datagram: Uint8Array): void {
    if (datagram[0] !== COMMAND_TYPE) return;
    this.#recorded.push(datagram);
    if (this.#recorded.length > RECORDED_MAX) this.#recorded.shift();
  }

  welcomed(welcome: Welcome): void {
    this.#welcome = welcome;
  }

  greeted(hello: Hello): void {
    this.#hello = hello;
  }

  deed(): void {
    const {dice} = this.#hand;
    const deeds = [
      () => this.#ownSignature(1),
      () => this.#noSignature(),
      () => this.#resealed(),
      () => this.#stale(),
      () => this.#hello && this.#leap(this.#hello),
    ];
    if (dice.chance(0.003)) this.#ownSignature(FLOOD);
    else dice.pick(deeds)();
  }

  #leap(hello: Hello): void {
    const {dice, say} = this.#hand;
    const epoch = this.#welcome?.epoch ?? 1;
    say({...hello, epochSeen: Math.min(2 ** 32 - 1, epoch + dice.pick(LEAPS))});
  }

  #toAll(datagram: Uint8Array): void {
    const {fabric, node, dice} = this.#hand;
    const {network} = fabric;
    for (let no = 1; no <= this.#nodes; no++)
      if (no !== node.no) network.inject(node.address, nodeAddress(no), datagram, dice.fraction());
  }

  get #nodes(): number {
    return this.#hand.master.core?.context.roster.size ?? 0;
  }

  #header(): Header {
    const {dice} = this.#hand;
    const last = this.#recorded.at(-1);
    const seen = last ? readHeader(last) : {keyId: 0, epoch: 1, seq: 1};
    const keyId = this.#welcome?.groupKeyId ?? seen.keyId;
    const epoch = this.#welcome?.epoch ?? seen.epoch;
    const seqs = [seen.seq, seen.seq + 1, seen.seq + between(dice, 2, 2_000), 2 ** 32 - 1];
    const epochs = [epoch, epoch, epoch, epoch + 1, Math.max(1, epoch - 1), 2 ** 32 - 1];
    return {keyId, epoch: dice.pick(epochs), seq: dice.pick(seqs)};
  }

  #command(): Command {
    const {dice, master} = this.#hand;
    const whats: readonly CommandWhat[] = [
      {kind: 'cancelBatch', batchId: asBatchId(between(dice, 1, 4))},
      {kind: 'state'},
      {
        kind: 'fire',
        captureId: asCaptureId(between(dice, 1, 1_000)),
        shot: 1,
        action: 'camera',
        args: [],
        atWallMs: asWallMs(0),
        salt: dice.uint32(),
      },
    ];
    return {
      clusterId: master.clusterId,
      instanceId: master.core?.context.config.instanceId ?? new Uint8Array(8),
      issuedWallMs: this.#welcome?.wallMs ?? asWallMs(1e15),
      ttlMs: 60_000,
      ackWindowMs: 100,
      target: {labels: [], nodes: []},
      state: {generation: 2 ** 31, paused: true},
      what: dice.pick(whats),
    };
  }

  #key(): Uint8Array | undefined {
    return this.#welcome?.groupKey.slice();
  }

  #ownSignature(count: number): void {
    const groupKey = this.#key();
    if (!groupKey) return;
    const {fabric, node} = this.#hand;
    const {crypto} = fabric;
    const {secretKey} = node.keys.identity;
    const header = this.#header();
    for (let i = 0; i < count; i++) {
      const seq = Math.min(header.seq + i, 2 ** 32 - 1);
      const seal = {...header, seq: Math.max(1, seq), groupKey: groupKey.slice()};
      this.#toAll(sealCommand(crypto, secretKey, seal, this.#command()));
    }
  }

  #noSignature(): void {
    const {dice} = this.#hand;
    const signature = Uint8Array.from({length: SIGNATURE_BYTES}, () => dice.below(256));
    this.#seal(this.#header(), encodeCommand(this.#command()), signature);
  }

  #seal(header: Header, body: Uint8Array, signature: Uint8Array): void {
    const key = this.#key();
    if (!key) return;
    const head = headerBytes(header);
    const {crypto} = this.#hand.fabric;
    const sealed = crypto.seal(key, nonceOf(header), head, concat(body, signature));
    this.#toAll(concat(head, sealed));
  }

  /** The master's own words and signature under another number, or its signature under other words. */
  #resealed(): void {
    const key = this.#key();
    const {dice, fabric} = this.#hand;
    if (!key || this.#recorded.length === 0) return;
    const datagram = dice.pick(this.#recorded);
    const header = readHeader(datagram);
    const head = datagram.slice(0, HEADER_BYTES);
    const opened = fabric.crypto.open(key, nonceOf(header), head, datagram.slice(HEADER_BYTES));
    const text = opened ?? EMPTY;
    if (text.length < SIGNATURE_BYTES) return;
    const body = text.slice(0, text.length - SIGNATURE_BYTES);
    const signature = text.slice(text.length - SIGNATURE_BYTES);
    if (dice.chance(0.5)) this.#seal(this.#header(), body, signature);
    else this.#seal({...header, seq: header.seq + 1}, encodeCommand(this.#command()), signature);
  }

  #stale(): void {
    const {dice} = this.#hand;
    if (this.#recorded.length > 0) this.#toAll(dice.pick(this.#recorded));
  }
}

export function insiderTrick(hand: Hand): Trick {
  const insider = new Insider(hand);
  return {
    tell: message => {
      if (message.type === 'hello') insider.greeted(message);
      return message;
    },
    hear: event => {
      if (event.type === 'message' && event.message.type === 'welcome')
        insider.welcomed(event.message);
      return event;
    },
    record: datagram => insider.record(datagram),
    deed: () => insider.deed(),
  };
}
