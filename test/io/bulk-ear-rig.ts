// Bulk transfers on real sockets of 127.0.0.1, without master and nodes around them: ears that keep files, and a sender
// whose every datagram is a test's own.

import {createSocket, type Socket} from 'node:dgram';
import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {asBlobId, asNodeId, type NodeId} from '../../src/base/types.ts';
import {freePorts} from '../../src/cli/free-ports.ts';
import {BulkLayout} from '../../src/core/bulk-layout.ts';
import type {TransferEvent} from '../../src/core/transfer-events.ts';
import {type BlobStore, openBlobStore} from '../../src/io/blob-store.ts';
import {BulkEar} from '../../src/io/bulk-ear.ts';
import {BulkSource} from '../../src/io/bulk-source.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {SystemClock} from '../../src/io/system-clock.ts';
import type {TransferOffer, TransferReport} from '../../src/wire/bulk-message.ts';
import {type BulkHeader, sealBulk} from '../../src/wire/bulk-packet.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {sha256} from './sha256.ts';

export const HOST = '127.0.0.1';
/** That of the product. */
export const GROUP = '239.86.79.77';
/** Small, so that many blocks fit into the buffer of a socket. */
const SYMBOL_BYTES = 64;
const SYMBOLS = 4;
export const BLOCK_BYTES = SYMBOL_BYTES * SYMBOLS;
const ROOT = temporaryFolder('bulk-ear');
const crypto = new NodeCrypto();
const dice = new Prng(5);
let folders = 0;

export const freshDir = (): string => join(ROOT, String(folders++));
/** Quickly made: ears that share this process with it must not fall silent. */
export const bytesOf = (size: number): Uint8Array => crypto.random(size);

type Fetches = {
  span(offset: number, length: number): Promise<Uint8Array | undefined>;
  whole(blobs: BlobStore): Promise<boolean>;
};

/** What nobody expects. */
const nothing = (): Fetches => ({
  span: async () => undefined,
  whole: async () => false,
});

/** A node as far as transfers go. */
export class Listener {
  readonly nodeId: NodeId;
  readonly dir: string;
  readonly blobs: BlobStore;
  ear: BulkEar;
  readonly events: TransferEvent[] = [];
  readonly counts = new Map<string, number>();
  readonly failures: Error[];
  fetches: Fetches = nothing();
  /** Bytes that the disk has for it. */
  room = Number.POSITIVE_INFINITY;
  /** Hears each event, too. */
  onEvent: (event: TransferEvent) => void = () => {};
  readonly #waiting = new Set<() => void>();

  private constructor(dir: string, blobs: BlobStore, failures: Error[]) {
    this.dir = dir;
    this.blobs = blobs;
    this.failures = failures;
    this.nodeId = asNodeId(toHex(crypto.random(16)));
    this.ear = this.#newEar();
  }

  static async open(t: ExecutionContext): Promise<Listener> {
    const dir = freshDir();
    mkdirSync(dir);
    const failures: Error[] = [];
    const blobs = await openBlobStore(join(dir, 'blobs'), error => failures.push(error));
    const listener = new Listener(dir, blobs, failures);
    t.teardown(() => listener.ear.close());
    return listener;
  }

  /** Ended, and begun anew with what is on the disk. */
  async restart(): Promise<void> {
    await this.ear.close();
    this.ear = this.#newEar();
  }

  receive(offer: TransferOffer): void {
    this.ear.order({type: 'receive', offer});
  }

  /** What it keeps of files that are not whole. */
  get parts(): string[] {
    const dir = join(this.dir, 'transfers');
    return existsSync(dir) ? readdirSync(dir) : [];
  }

  get files(): string[] {
    const dir = join(this.dir, 'files');
    return existsSync(dir) ? readdirSync(dir).sort() : [];
  }

  file(name: string): Uint8Array {
    return new Uint8Array(readFileSync(join(this.dir, 'files', name)));
  }

  get reports(): TransferReport[] {
    return this.events.map(({report}) => report);
  }

  /** The last words. */
  get overs(): TransferReport[] {
    return this.events.flatMap(({type, report}) => (type === 'transferOver' ? [report] : []));
  }

  /** The first that is found, now or later; AVA's limit ends a wait in vain. */
  async until<T>(find: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      // Also what is seen on the disk alone.
      await new Promise<void>(resolve => {
        const wake = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, 20);
        this.#waiting.add(wake);
      });
    }
  }

  over(transferId: number): Promise<TransferReport> {
    return this.until(() => this.overs.find(report => report.transferId === transferId));
  }

  #newEar(): BulkEar {
    return new BulkEar({
      partsDir: join(this.dir, 'transfers'),
      filesDir: join(this.dir, 'files'),
      blobs: this.blobs,
      crypto,
      clock: new SystemClock(),
      dice: dice.fork(),
      address: HOST,
      room: async () => this.room,
      tell: event => this.#hear(event as TransferEvent),
      fetchSpan: (_, offset, length) => this.fetches.span(offset, length),
      fetchWhole: () => this.fetches.whole(this.blobs),
      count: name => {
        this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
        this.#wake();
      },
    });
  }

  #hear(event: TransferEvent): void {
    this.events.push(event);
    this.onEvent(event);
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

let transfers = 0;

/** A sender by hand: each datagram when a test says. */
export class Hand {
  readonly bytes: Uint8Array;
  readonly layout: BulkLayout;
  readonly offer: TransferOffer;
  readonly #source: BulkSource;
  readonly #socket: Socket;
  #sequence = 0;
  #poll = 0;

  private constructor(bytes: Uint8Array, port: number, socket: Socket, fileName?: string) {
    const geometry = {size: bytes.length, symbolBytes: SYMBOL_BYTES, symbolsPerBlock: SYMBOLS};
    this.bytes = bytes;
    this.layout = new BulkLayout(geometry);
    const path = freshDir();
    writeFileSync(path, bytes);
    this.#source = new BulkSource(path, this.layout);
    this.#socket = socket;
    this.offer = {
      salt: transfers,
      ...geometry,
      transferId: ++transfers,
      blobId: asBlobId(toHex(sha256(bytes))),
      listHash: sha256(this.#source.list()),
      key: crypto.random(32),
      group: GROUP,
      port,
      ...(fileName === undefined ? {} : {fileName}),
    };
  }

  /** @param like of the same place as this one */
  static async open(
    t: ExecutionContext,
    bytes: Uint8Array,
    fileName?: string,
    like?: Hand,
  ): Promise<Hand> {
    const port = like?.offer.port ?? (await freePorts(HOST)).groupPort;
    const socket = createSocket('udp4');
    await new Promise<void>(resolve => socket.bind(0, HOST, resolve));
    socket.setMulticastInterface(HOST);
    const hand = new Hand(bytes, port, socket, fileName);
    t.teardown(() => {
      socket.close();
      hand.#source.close();
    });
    return hand;
  }

  /** All symbols of these blocks: of all, when none are named. */
  async send(
    blocks?: readonly number[],
    spoil?: (symbol: Uint8Array) => Uint8Array,
  ): Promise<void> {
    const all = blocks ?? Array.from({length: this.layout.blocks}, (_, block) => block);
    for (const block of all)
      for (let no = 0; no < this.layout.sourcesOf(block); no++) {
        const bytes = this.#source.symbol(block, no);
        await this.datagram(this.sealed({symbol: {block, no, bytes: spoil?.(bytes) ?? bytes}}));
      }
  }

  sealed(
    packet: Partial<BulkHeader> & {symbol?: {block: number; no: number; bytes: Uint8Array}},
    key: Uint8Array = this.offer.key,
  ): Uint8Array {
    const {transferId} = this.offer;
    const head = {transferId, sequence: ++this.#sequence, poll: this.#poll};
    return sealBulk(crypto, key, {
      ...head,
      isEnding: true,
      answerMs: 0,
      symbol: undefined,
      ...packet,
    });
  }

  symbol(block: number, no: number): {block: number; no: number; bytes: Uint8Array} {
    return {block, no, bytes: this.#source.symbol(block, no)};
  }

  datagram(bytes: Uint8Array): Promise<unknown> {
    return new Promise(resolve => this.#socket.send(bytes, this.offer.port, GROUP, resolve));
  }

  /** Polls until this listener has said that so many blocks are whole. */
  async asked(listener: Listener, blocks: number): Promise<TransferReport> {
    const {transferId} = this.offer;
    for (;;) {
      this.#poll += 1;
      const poll = this.#poll;
      await this.datagram(this.sealed({}));
      const until = Date.now() + 200;
      const answer = await listener.until(() =>
        Date.now() > until
          ? 'late'
          : listener.reports.find(each => each.transferId === transferId && each.poll === poll),
      );
      if (answer !== 'late' && answer.blocks === blocks) return answer;
    }
  }

  /** Offers it, and waits until it is heard. */
  async begin(listener: Listener, blocks = 0): Promise<void> {
    listener.receive(this.offer);
    await this.asked(listener, blocks);
  }

  span(offset: number, length: number): Uint8Array {
    return this.bytes.slice(offset, offset + length);
  }
}
