// A node's end of bulk transfers: listens on the group that an offer names, and keeps what comes in a file. The socket is
// there only while a transfer is: nobody else's symbols wake this node.

import {createSocket, type Socket} from 'node:dgram';
import {assertNever} from '../base/assert.ts';
import {equalBytes} from '../base/bytes.ts';
import {MIB} from '../base/units.ts';
import type {TransferEffect} from '../core/transfer-events.ts';
import type {BulkEar as Port} from '../runtime/ports.ts';
import type {TransferOffer} from '../wire/bulk-message.ts';
import {BulkHearing, type BulkHearingOptions} from './bulk-hearing.ts';

/** 160 ms and more of 100 Mbit/s while the event loop stands still; the default holds 20. */
const RECEIVE_BUFFER_BYTES = 4 * MIB;

export type BulkEarOptions = BulkHearingOptions & {
  /** IPv4 address of the interface. */
  readonly address: string;
  /** Something that came was dropped. */
  readonly count: (name: string) => void;
};

export class BulkEar implements Port {
  readonly #options: BulkEarOptions;
  readonly #hearings = new Map<number, BulkHearing>();
  /** By where they listen. */
  readonly #sockets = new Map<string, Socket>();
  #closed = false;

  constructor(options: BulkEarOptions) {
    this.#options = options;
  }

  order(order: TransferEffect): void {
    switch (order.type) {
      case 'receive':
        return this.#receive(order.offer);
      case 'fetchRest':
        void this.#hearings.get(order.transferId)?.fetchRest();
        return;
      case 'dropTransfer':
        return this.#drop(order.transferId);
      default:
        return assertNever(order);
    }
  }

  #receive(offer: TransferOffer): void {
    if (this.#closed) return;
    const known = this.#hearings.get(offer.transferId);
    const isSame = known !== undefined && !known.isOver && equalBytes(known.offer.key, offer.key);
    if (isSame) return known.offered();
    const hearing = new BulkHearing(offer, this.#options, () => this.#tidy());
    this.#hearings.set(offer.transferId, hearing);
    // First the group: what comes while the file is opened waits in the socket.
    this.#join(offer);
    hearing.begin(known);
  }

  #drop(transferId: number): void {
    void this.#hearings.get(transferId)?.stop(true);
  }

  /** Resolves when this blob is here or will not come this way; undefined = it is not on its way. */
  waitFor(blobId: string): Promise<void> | undefined {
    for (const hearing of this.#hearings.values())
      if (hearing.offer.blobId === blobId && !hearing.isOver) return hearing.ended;
    return undefined;
  }

  /** What is not whole stays for the next life. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    await Promise.all([...this.#hearings.values()].map(hearing => hearing.stop(false)));
    this.#hearings.clear();
  }

  #join({group, port}: TransferOffer): void {
    const where = `${group}:${port}`;
    if (this.#sockets.has(where)) return;
    const socket = createSocket({type: 'udp4', reuseAddr: true});
    this.#sockets.set(where, socket);
    socket.on('error', () => this.#options.count('bulk.socketError'));
    socket.on('message', bytes => this.#hear(bytes));
    socket.bind({port, address: process.platform === 'win32' ? undefined : group}, () => {
      try {
        socket.addMembership(group, this.#options.address);
      } catch {
        this.#options.count('bulk.notJoined');
      }
      try {
        socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
      } catch {
        // The kernel's limit is lower: more is lost while we are busy, and repaired.
      }
    });
  }

  #hear(datagram: Uint8Array): void {
    let why = 'notForUs';
    for (const hearing of this.#hearings.values()) {
      const dropped = hearing.datagram(datagram);
      if (dropped === undefined) return;
      if (dropped !== 'notForUs') why = dropped;
    }
    this.#options.count(`drop.bulk.${why}`);
  }

  /** Forgets hearings that have left the disk, and leaves groups that no other needs. */
  #tidy(): void {
    for (const [transferId, {isGone}] of this.#hearings)
      if (isGone) this.#hearings.delete(transferId);
    const needed = new Set(
      [...this.#hearings.values()].flatMap(({offer, isListening}) =>
        isListening ? [`${offer.group}:${offer.port}`] : [],
      ),
    );
    for (const [where, socket] of this.#sockets) {
      if (needed.has(where)) continue;
      this.#sockets.delete(where);
      socket.close();
    }
  }
}
