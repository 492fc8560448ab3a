// The thread that sends, and ears on the other end of real sockets.

import {closeSync, mkdirSync, openSync, truncateSync, writeFileSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {asBlobId} from '../../src/base/types.ts';
import {freePorts} from '../../src/cli/free-ports.ts';
import {BulkLayout} from '../../src/core/bulk-layout.ts';
import type {BulkNews} from '../../src/core/bulk-orders.ts';
import {SYMBOL_BYTES, SYMBOLS_PER_BLOCK} from '../../src/core/transfer.ts';
import {BulkLine} from '../../src/io/bulk-line.ts';
import type {TransferOffer} from '../../src/wire/bulk-message.ts';
import {bytesOf, freshDir, GROUP, HOST, Listener} from './bulk-ear-rig.ts';
import {sha256} from './sha256.ts';

type Sending = {
  readonly bytes: Uint8Array;
  readonly fileName: string;
  readonly bitsPerSecond?: number;
};

// One after the other: an ear that others in this process keep from hearing is left behind, as it should be.

/** Long on its way: what happens to it meanwhile happens to blocks that nobody has read yet, however slow a machine is. */
const LONG_BYTES = 6_000_000;

/** A master as far as sending goes: what its core decides about one transfer. */
class Sender {
  readonly line: BulkLine;
  readonly dir = freshDir();
  readonly listeners: readonly Listener[];
  readonly news: BulkNews[] = [];
  readonly #port: number;
  #transferId = 0;
  #offer: TransferOffer | undefined;
  #onNews: () => void = () => {};

  private constructor(listeners: readonly Listener[], port: number) {
    mkdirSync(this.dir);
    this.listeners = listeners;
    this.#port = port;
    this.line = new BulkLine({
      pathOf: blobId => this.pathOf(blobId),
      address: HOST,
      interfaceName: 'lo',
      tell: (transferId, news) => {
        if (transferId === this.#transferId) this.#hear(news);
      },
    });
    for (const listener of listeners)
      listener.onEvent = ({report}) =>
        this.line.order({kind: 'report', nodeId: listener.nodeId, report});
  }

  static async open(t: ExecutionContext, count: number): Promise<Sender> {
    const listeners: Listener[] = [];
    for (let i = 0; i < count; i++) listeners.push(await Listener.open(t));
    const sender = new Sender(listeners, (await freePorts(HOST)).groupPort);
    t.teardown(() => sender.line.close());
    return sender;
  }

  pathOf(blobId: string): string {
    return join(this.dir, blobId);
  }

  /** Prepares it, offers it to all and begins to send. */
  async send({bytes, fileName, bitsPerSecond}: Sending): Promise<TransferOffer> {
    const blobId = asBlobId(toHex(sha256(bytes)));
    writeFileSync(this.pathOf(blobId), bytes);
    this.news.length = 0;
    this.#offer = undefined;
    const transferId = ++this.#transferId;
    this.line.order({kind: 'prepare', transferId, blobId, size: bytes.length});
    const {listHash} = await this.heard('prepared');
    const offer: TransferOffer = {
      transferId,
      salt: 9,
      blobId,
      size: bytes.length,
      symbolBytes: SYMBOL_BYTES,
      symbolsPerBlock: SYMBOLS_PER_BLOCK,
      listHash,
      key: sha256(listHash),
      group: GROUP,
      port: this.#port,
      fileName,
    };
    this.#offer = offer;
    const nodes = this.listeners.map(({nodeId}) => nodeId);
    const rate = bitsPerSecond === undefined ? {} : {bitsPerSecond};
    this.line.order({kind: 'send', offer, nodes, ...rate});
    for (const listener of this.listeners) listener.receive(offer);
    return offer;
  }

  /** The first news of this kind, now or later. */
  async heard<K extends BulkNews['kind']>(kind: K): Promise<Extract<BulkNews, {kind: K}>> {
    for (;;) {
      const found = this.news.find(
        (news): news is Extract<BulkNews, {kind: K}> => news.kind === kind,
      );
      if (found) return found;
      await new Promise<void>(resolve => {
        this.#onNews = resolve;
      });
    }
  }

  #hear(news: BulkNews): void {
    this.news.push(news);
    if (news.kind === 'invite' && this.#offer)
      for (const {nodeId, ear} of this.listeners)
        if (news.nodes.includes(nodeId)) ear.order({type: 'receive', offer: this.#offer});
    this.#onNews();
  }
}

test.serial('two ears have files of any size, and each datagram is sent about once', async t => {
  const sender = await Sender.open(t, 2);
  const sizes = [0, 1, 89_600, 1_500_003];
  for (const [i, size] of sizes.entries()) {
    const bytes = bytesOf(size);
    const {transferId} = await sender.send({bytes, fileName: `file-${i}`});
    await sender.heard('over');
    for (const listener of sender.listeners) {
      t.like(await listener.over(transferId), {state: 'whole', reason: ''}, `${size} bytes`);
      t.deepEqual(listener.file(`file-${i}`), bytes);
      await listener.until(() => listener.parts.length === 0);
    }
    const {sources} = new BulkLayout({
      size,
      symbolBytes: SYMBOL_BYTES,
      symbolsPerBlock: SYMBOLS_PER_BLOCK,
    });
    const told = sender.news.filter(({kind}) => kind === 'progress').at(-1);
    const sent = told?.kind === 'progress' ? told.sent : 0;
    t.true(sent >= sources, `${sent} of ${sources} datagrams`);
  }
  t.deepEqual(
    sender.listeners.map(({files}) => files),
    [0, 1].map(() => sizes.map((_, i) => `file-${i}`)),
  );
  // Again, under another name: nobody needs a datagram.
  const {transferId} = await sender.send({
    bytes: sender.listeners[0]?.file('file-3') as Uint8Array,
    fileName: 'again',
  });
  await sender.heard('over');
  for (const listener of sender.listeners) {
    t.is((await listener.over(transferId)).state, 'whole');
    t.is(listener.file('again').length, 1_500_003);
  }
  t.true(sender.news.every(news => news.kind !== 'progress' || news.sent <= 1));
});

test.serial('an ear that begins anew in the middle goes on, beside one that does not', async t => {
  const sender = await Sender.open(t, 2);
  const bytes = bytesOf(LONG_BYTES);
  const offer = await sender.send({bytes, fileName: 'model.bin', bitsPerSecond: 12_000_000});
  const [fallen, other] = sender.listeners as [Listener, Listener];
  await fallen.until(() => fallen.reports.some(({blocks}) => blocks >= 5));
  await fallen.restart();
  fallen.events.length = 0;
  const {nodeId} = fallen;
  sender.line.order({kind: 'join', transferId: offer.transferId, nodeId});
  fallen.receive(offer);
  const first = await fallen.until(() => fallen.reports[0]);
  t.true(first.blocks >= 5, `${first.blocks} blocks were kept`);
  t.true(first.blocks < new BulkLayout(offer).blocks);
  await sender.heard('over');
  for (const listener of [fallen, other]) {
    t.is((await listener.over(offer.transferId)).state, 'whole');
    t.is(Buffer.compare(listener.file('model.bin'), bytes), 0);
  }
});

async function* inOne(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

test.serial('a file that changes while it is sent is a wrong file nowhere', async t => {
  const sender = await Sender.open(t, 2);
  const bytes = bytesOf(LONG_BYTES);
  const changed = bytes.map((byte, at) => (at < 700_000 ? byte : byte ^ 1));
  const offer = await sender.send({bytes, fileName: 'model.bin', bitsPerSecond: 12_000_000});
  const [first] = sender.listeners as [Listener, Listener];
  await first.until(() => first.reports.some(({blocks}) => blocks >= 1));
  const file = openSync(sender.pathOf(offer.blobId), 'r+');
  writeSync(file, changed, 700_000, undefined, 700_000);
  closeSync(file);
  await sender.heard('over');
  for (const listener of sender.listeners) {
    const over = await listener.over(offer.transferId);
    t.is(over.state, 'aside');
    t.regex(over.reason, /not what the master signed/);
    // What the master then brings is the changed file: it is taken neither in parts nor as a whole.
    let refused: unknown;
    listener.fetches = {
      span: async (offset, length) => changed.slice(offset, offset + length),
      whole: async blobs => {
        await blobs.putStream(inOne(changed), {expected: offer.blobId}).catch(error => {
          refused = error;
        });
        return false;
      },
    };
    listener.ear.order({type: 'fetchRest', transferId: offer.transferId});
    await listener.until(() => refused);
    t.deepEqual(listener.files, []);
    t.false(await listener.blobs.has(offer.blobId));
  }
});

test.serial('a file that is cut while it is sent, or is not there, is said', async t => {
  const sender = await Sender.open(t, 1);
  const bytes = bytesOf(LONG_BYTES);
  const offer = await sender.send({bytes, fileName: 'model.bin', bitsPerSecond: 12_000_000});
  const [listener] = sender.listeners as [Listener];
  await listener.until(() => listener.reports.some(({blocks}) => blocks >= 2));
  truncateSync(sender.pathOf(offer.blobId), 1_000_000);
  t.regex((await sender.heard('failed')).reason, /ends at byte 1000000: it was changed/);
  t.deepEqual(listener.overs, []);
  t.deepEqual(listener.files, []);
  sender.news.length = 0;
  const {transferId} = offer;
  sender.line.order({kind: 'prepare', transferId, blobId: offer.blobId, size: bytes.length});
  t.regex((await sender.heard('failed')).reason, /has 1000000 bytes, expected were 6000000/);
  sender.news.length = 0;
  const blobId = asBlobId('0'.repeat(64));
  sender.line.order({kind: 'prepare', transferId, blobId, size: 5});
  t.regex((await sender.heard('failed')).reason, /ENOENT/);
});

test.serial('a thread that stood by sends as another one does, and ends with the line', async t => {
  const sender = await Sender.open(t, 1);
  const [listener] = sender.listeners as [Listener];
  for (const size of [1_000, 2 ** 20, 2 ** 30]) sender.line.warm(size);
  for (const fileName of ['warm.bin', 'cold.bin']) {
    const bytes = bytesOf(300_000);
    const {transferId} = await sender.send({bytes, fileName});
    sender.line.warm(2 ** 30); // one is at work: nobody stands by
    await sender.heard('over');
    t.is((await listener.over(transferId)).state, 'whole');
    t.deepEqual(listener.file(fileName), bytes);
  }
  sender.line.warm(2 ** 30);
});
