// Transfers: which blob goes to which nodes by multicast, one after the other, and what became of it at each node.
//
//   waiting ─▶ preparing ─▶ sending ─▶ fetching ─▶ ended
//
// What is sent when is decided by core/bulk-sender.ts, which runs beside the core (ports: `Bulk`), since it has to
// be awake each millisecond. Here are the offer, the word of each node that must not be lost, and those that are
// left behind: they fetch what they lack by HTTP, a few at a time, when the multicast is over, or when they are back.

import {assert, assertNever} from '../base/assert.ts';
import {addMono, asBlobId, type BlobId, type MonoMs, type NodeId, type Now} from '../base/types.ts';
import type {AsideReason} from '../core/bulk-members.ts';
import type {BulkNews, BulkOrder} from '../core/bulk-orders.ts';
import {
  ASIDE_REASONS,
  type DeliveryRow,
  SYMBOL_BYTES,
  SYMBOLS_PER_BLOCK,
  type TransferRow,
} from '../core/transfer.ts';
import type {TransferOffer, TransferReport, TransferStep} from '../wire/bulk-message.ts';
import type {Message} from '../wire/message.ts';
import {bytesOf, COMMAND_ROOM_BYTES} from './command-room.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {type NodeState, peerOf} from './roster.ts';
import {type SavedTransfers, TransferBook} from './transfer-book.ts';
import {TransferFetches} from './transfer-fetches.ts';
import {TransferRest} from './transfer-rest.ts';
import {AWAY_MS, isOpen, isOpenState, isWaited, type Transfer} from './transfer-state.ts';

/** V O M: beside that of commands, so that a switch which looks at groups spares who takes no part. */
const BULK_GROUP = '239.86.79.77';
/** Of an offer in a command, beside its target and its file name. */
const OFFER_BYTES = 150;
/** Transfers that may be open. */
export const TRANSFERS_OPEN_MAX = 64;

export type TransferRequest = Pick<
  TransferRow,
  'purpose' | 'size' | 'fileName' | 'target' | 'rate'
> & {readonly blobId: BlobId};

export class Transfers {
  readonly #context: MasterContext;
  readonly #commands: Commands;
  readonly #book: TransferBook;
  readonly #fetches: TransferFetches;
  readonly #rest: TransferRest;

  constructor(context: MasterContext, commands: Commands, saved: SavedTransfers) {
    this.#context = context;
    this.#commands = commands;
    this.#book = new TransferBook(context, saved);
    this.#rest = new TransferRest(this.#book.open, context.roster.size, context.bootedAt);
    this.#fetches = new TransferFetches({
      isUp: nodeId => context.roster.node(nodeId)?.up === true,
      order: (transfer, nodeId) => {
        this.#sayOffer(nodeId, transfer);
        this.#tell(nodeId, transfer, 'fetch');
      },
      giveUp: (transfer, nodeId, reason, now) => {
        this.#settle(transfer, nodeId, {state: 'missed', reason, at: now.wall});
        this.#tell(nodeId, transfer, 'cancel');
      },
    });
  }

  all(): IterableIterator<Transfer> {
    return this.#book.all();
  }

  get(id: number): Transfer | undefined {
    return this.#book.get(id);
  }

  get open(): Transfer[] {
    return this.#book.open;
  }

  /** Begins one as soon as those before it are sent. The blob is there; the nodes are those of the target now. */
  begin(request: TransferRequest, now: Now): Transfer {
    const {blobId, ...asked} = request;
    const nodes = [...this.#context.roster.targeted(asked.target)].map(({row}) => row.nodeId);
    const salt = this.#context.prng.uint32();
    const row = {...asked, salt, blob: blobId, createdAt: now.wall, state: 'open', nodes} as const;
    const transfer = this.#book.add(row);
    this.#pump(now);
    return transfer;
  }

  /** What is there of it at nodes goes. false = it is over already. */
  cancel(transfer: Transfer, now: Now): boolean {
    if (!isOpen(transfer)) return false;
    if (transfer.state === 'sending' || transfer.state === 'preparing')
      this.#order({kind: 'stop', transferId: transfer.row.id});
    this.#end(transfer, 'cancelled', now);
    return true;
  }

  #begin(transfer: Transfer, listHash: Uint8Array, now: Now): void {
    const {row} = transfer;
    const {crypto, roster} = this.#context;
    transfer.offer = {
      transferId: row.id,
      salt: row.salt,
      blobId: asBlobId(row.blob),
      size: row.size,
      symbolBytes: SYMBOL_BYTES,
      symbolsPerBlock: SYMBOLS_PER_BLOCK,
      listHash,
      key: crypto.random(32),
      group: BULK_GROUP,
      port: this.#context.config.blobPort,
      ...(row.fileName === undefined ? {} : {fileName: row.fileName}),
    };
    const up = [...transfer.deliveries].flatMap(([nodeId, delivery]) =>
      isWaited(delivery) && roster.node(nodeId)?.up ? [nodeId] : [],
    );
    if (up.length === 0) {
      this.#order({kind: 'stop', transferId: row.id});
      return this.#sent(transfer, now);
    }
    transfer.state = 'sending';
    const {rate} = row;
    this.#order({
      kind: 'send',
      offer: transfer.offer,
      nodes: up,
      ...(rate === undefined ? {} : {bitsPerSecond: rate}),
    });
    this.#offer(transfer, transfer.offer, up, now);
    this.#announce(transfer);
  }

  onNews(transferId: number, news: BulkNews, now: Now): void {
    const transfer = this.#book.get(transferId);
    if (transfer?.state === 'preparing') {
      if (news.kind === 'prepared') this.#begin(transfer, news.listHash, now);
      else if (news.kind === 'failed') this.#end(transfer, 'failed', now, news.reason);
    } else if (transfer?.state === 'sending') this.#hear(transfer, news, now);
  }

  #hear(transfer: Transfer, news: BulkNews, now: Now): void {
    switch (news.kind) {
      case 'invite':
        for (const nodeId of news.nodes) this.#sayOffer(nodeId, transfer);
        return;
      case 'lossy':
        return this.#noteLossy(transfer, news.nodeId);
      case 'aside':
        return this.#leave(transfer, news.nodeId, news.reason);
      case 'progress':
        transfer.sent = news.sent;
        transfer.bitsPerSecond = news.bitsPerSecond;
        for (const [nodeId, blocks] of news.blocks) {
          const delivery = transfer.deliveries.get(nodeId);
          if (delivery && isWaited(delivery)) delivery.blocks = blocks;
        }
        return this.#announce(transfer);
      case 'over':
        return this.#sent(transfer, now);
      case 'failed':
        return this.#end(transfer, 'failed', now, news.reason);
      case 'prepared':
        return;
      default:
        return assertNever(news);
    }
  }

  onReport(node: NodeState, report: TransferReport, now: Now): void {
    const {nodeId} = node.row;
    const {transferId, salt} = report;
    const transfer = this.#book.get(transferId);
    // Of a lost past: what it says is of another file, or under another name.
    const isThis = transfer?.row.salt === salt;
    const delivery = isThis ? transfer.deliveries.get(nodeId) : undefined;
    const isWanted = transfer !== undefined && isOpen(transfer) && delivery !== undefined;
    if (!isWanted || !isWaited(delivery)) {
      // Known already, or of a transfer that is over: it need not say it again.
      const isOver = report.state !== 'listening' && report.state !== 'aside';
      const step = isOver ? 'heard' : 'cancel';
      this.#send(nodeId, {type: 'transferOrder', transferId, salt, step});
      return;
    }
    delivery.heardAt = now.mono;
    if (transfer.state === 'sending') this.#order({kind: 'report', nodeId, report});
    if (report.state === 'listening') {
      delivery.blocks = Math.min(report.blocks, transfer.layout.blocks);
      if (delivery.state === 'invited') delivery.state = 'listening';
      return;
    }
    if (report.state !== 'aside')
      this.#settle(transfer, nodeId, lastWordOf(report.state, report.reason, now));
    // Of one that fetches already it is an old word.
    else if (delivery.state !== 'fetching') this.#leave(transfer, nodeId, 'spoiled');
    this.#tell(nodeId, transfer, 'heard');
    this.#maybeEnd(transfer, now);
    this.#fetches.next(this.open, now);
  }

  /** A node is welcomed: what it has missed is told it again. */
  returned(node: NodeState, now: Now): void {
    const {nodeId} = node.row;
    this.#rest.came(nodeId, now.mono);
    for (const transfer of this.open) {
      const delivery = transfer.deliveries.get(nodeId);
      if (delivery === undefined || !isWaited(delivery) || transfer.offer === undefined) continue;
      if (transfer.state === 'sending') {
        delivery.state = 'invited';
        this.#order({kind: 'join', transferId: transfer.row.id, nodeId});
        this.#sayOffer(nodeId, transfer);
      } else if (transfer.state === 'fetching') {
        delivery.state = 'aside';
        delivery.notBefore = 0 as MonoMs;
      }
    }
    this.#fetches.next(this.open, now);
  }

  /** It makes room for others that fetch, and whoever follows is told that it is away. */
  silent(nodeId: NodeId, now: Now): void {
    for (const transfer of this.open) {
      const delivery = transfer.deliveries.get(nodeId);
      if (delivery === undefined || !isWaited(delivery)) continue;
      if (delivery.state === 'fetching') delivery.state = 'aside';
      this.#announce(transfer);
    }
    this.#fetches.next(this.open, now);
  }

  /** It is not of the cluster any more. */
  revoked(nodeId: NodeId, now: Now): void {
    this.#rest.came(nodeId, now.mono);
    for (const transfer of this.open) {
      if (!isWaited(transfer.deliveries.get(nodeId))) continue;
      this.#settle(transfer, nodeId, {state: 'missed', reason: 'it was revoked', at: now.wall});
      if (transfer.state === 'sending')
        this.#order({kind: 'leave', transferId: transfer.row.id, nodeId});
      this.#maybeEnd(transfer, now);
    }
    this.#fetches.next(this.open, now);
  }

  /** What an earlier life left open begins once there is a clock. */
  tick(now: Now): void {
    this.#pump(now);
    for (const transfer of this.open) {
      this.#fetches.tend(transfer, now);
      this.#maybeEnd(transfer, now);
    }
    this.#fetches.next(this.open, now);
  }

  wakeAt(): MonoMs {
    return this.#next === undefined ? this.#fetches.wakeAt(this.open) : this.#rest.until;
  }

  // ---- one after the other ----------------------------------------------------------------------

  get #next(): Transfer | undefined {
    const {open} = this;
    if (open.some(({state}) => state === 'preparing' || state === 'sending')) return undefined;
    return open.find(({state}) => state === 'waiting');
  }

  #pump(now: Now): void {
    if (now.mono < this.#rest.until) return;
    for (let next = this.#next; next !== undefined; next = this.#next) {
      if (next.waited.size === 0) {
        this.#end(next, 'ended', now);
        continue;
      }
      next.state = 'preparing';
      const {id, blob, size} = next.row;
      this.#order({kind: 'prepare', transferId: id, blobId: asBlobId(blob), size});
    }
  }

  /** By one command to all where it can name them, else to each in its session. */
  #offer(transfer: Transfer, offer: TransferOffer, nodes: readonly NodeId[], now: Now): void {
    const {target} = transfer.row;
    if (bytesOf([offer.fileName ?? ''], target) + OFFER_BYTES <= COMMAND_ROOM_BYTES)
      this.#commands.issue({kind: 'transferOffer', ...offer}, now, {target});
    else for (const nodeId of nodes) this.#sayOffer(nodeId, transfer);
  }

  /** The multicast is over: whoever is not whole fetches the rest, or is waited for. */
  #sent(transfer: Transfer, now: Now): void {
    transfer.state = 'fetching';
    transfer.awayUntil = addMono(now.mono, AWAY_MS);
    for (const [nodeId, delivery] of transfer.deliveries) {
      if (!isWaited(delivery)) continue;
      if (transfer.row.purpose !== 'push') {
        // It fetches it when it needs it, as ever.
        const reason = delivery.reason ?? ASIDE_REASONS.silent;
        this.#settle(transfer, nodeId, {state: 'missed', reason, at: now.wall});
        this.#tell(nodeId, transfer, 'cancel');
      } else delivery.state = 'aside';
    }
    this.#announce(transfer);
    this.#maybeEnd(transfer, now);
    this.#pump(now);
    this.#fetches.next(this.open, now);
  }

  #noteLossy(transfer: Transfer, nodeId: NodeId): void {
    const delivery = transfer.deliveries.get(nodeId);
    if (delivery === undefined || !isWaited(delivery)) return;
    delivery.reason = ASIDE_REASONS.lossy;
    const fields = {transfer: transfer.row.id, node: nodeId, reason: delivery.reason};
    this.#context.note('warn', 'a node holds up a transfer: all others go first', fields);
    this.#announce(transfer);
  }

  #leave(transfer: Transfer, nodeId: NodeId, reason: AsideReason): void {
    const delivery = transfer.deliveries.get(nodeId);
    if (delivery === undefined || !isWaited(delivery)) return;
    delivery.state = reason === 'silent' && delivery.blocks === 0 ? 'invited' : 'aside';
    delivery.reason = ASIDE_REASONS[reason];
    const fields = {transfer: transfer.row.id, node: nodeId, reason: ASIDE_REASONS[reason]};
    this.#context.note('warn', 'a node is left behind by a transfer', fields);
  }

  #settle(transfer: Transfer, nodeId: NodeId, row: DeliveryRow): void {
    const delivery = transfer.deliveries.get(nodeId);
    assert(delivery !== undefined && isWaited(delivery), `delivery ${transfer.row.id}/${nodeId}`);
    delivery.state = row.state;
    delivery.reason = row.reason;
    if (row.state === 'whole') delivery.blocks = transfer.layout.blocks;
    transfer.waited.delete(nodeId);
    this.#book.settle(transfer, nodeId, row);
    this.#announce(transfer);
  }

  #maybeEnd(transfer: Transfer, now: Now): void {
    if (transfer.state !== 'fetching' || transfer.waited.size > 0) return;
    this.#end(transfer, 'ended', now);
  }

  #end(
    transfer: Transfer,
    state: 'ended' | 'cancelled' | 'failed',
    now: Now,
    reason?: string,
  ): void {
    for (const [nodeId, delivery] of transfer.deliveries)
      if (isWaited(delivery)) this.#tell(nodeId, transfer, 'cancel');
    this.#book.end(transfer, state, now.wall, reason);
    this.#announce(transfer);
    this.#pump(now);
    this.#fetches.next(this.open, now);
  }

  // ---- words ------------------------------------------------------------------------------------

  #tell(nodeId: NodeId, transfer: Transfer, step: TransferStep): void {
    const {id: transferId, salt} = transfer.row;
    this.#send(nodeId, {type: 'transferOrder', transferId, salt, step});
  }

  #sayOffer(nodeId: NodeId, {offer}: Transfer): void {
    if (offer) this.#send(nodeId, {type: 'transferOffer', ...offer});
  }

  #send(nodeId: NodeId, message: Message): void {
    const node = this.#context.roster.node(nodeId);
    if (node?.welcomed) this.#context.emit({type: 'send', to: peerOf(node), message});
  }

  #order(order: BulkOrder): void {
    this.#context.emit({type: 'bulk', order});
  }

  #announce(transfer: Transfer): void {
    this.#context.emit({type: 'announce', about: {kind: 'transfer', transferId: transfer.row.id}});
  }

  check(): void {
    const busy = this.open.filter(({state}) => state === 'preparing' || state === 'sending');
    assert(busy.length <= 1, `${busy.length} transfers at once`);
    for (const {row, state, deliveries, waited} of this.#book.all()) {
      assert(isOpenState(state) === (row.state === 'open'), `transfer ${row.id} is ${state}`);
      const {length} = [...deliveries.values()].filter(isWaited);
      assert(length === waited.size, `transfer ${row.id} waits for ${waited.size}, not ${length}`);
      assert(row.state === 'open' || length === 0, `transfer ${row.id} waits for nodes`);
    }
  }
}

/** Of what is not whole somebody says why. */
const lastWordOf = (state: DeliveryRow['state'], reason: string, {wall: at}: Now): DeliveryRow =>
  state === 'whole' ? {state, at} : {state, reason: reason || 'it does not say why', at};
