// The node's core from its rows: `meta`, `kept` and `spool`, pushed in one after the other.

import {VolleyError} from '../base/errors.ts';
import type {Prng} from '../base/prng.ts';
import type {MonoMs} from '../base/types.ts';
import {jsonRow, type TableName} from '../core/tables.ts';
import {PUSHED_KEY, type PushedFile} from '../core/transfer-events.ts';
import type {Crypto} from '../wire/crypto.ts';
import {nodeIdOf} from '../wire/identity.ts';
import {ACTION_KEY, type KeptSettings} from './action-news.ts';
import {CommandDesk} from './command-desk.ts';
import {
  ENROLLED_KEY,
  emptyMemory,
  FLOOR_KEY,
  type NodeConfig,
  type NodeMemory,
  RECEIPT_KEY,
  SUSPENDED_KEY,
  WISHES_KEY,
} from './memory.ts';
import {NodeCore} from './node.ts';
import {FILE_KEY, type KeptFile} from './shot-shelf.ts';
import {Spool} from './spool.ts';

/** In this order: `kept` says which rows of `spool` were acknowledged. */
export const NODE_TABLES = ['meta', 'kept', 'spool'] as const satisfies readonly TableName[];

export class NodeRestore {
  readonly #config: NodeConfig;
  readonly #crypto: Crypto;
  readonly #prng: Prng;
  readonly #now: MonoMs;
  readonly #memory: NodeMemory = emptyMemory();
  readonly #spool: Spool;
  readonly #desk: CommandDesk;
  #enrolled = false;

  constructor(config: NodeConfig, crypto: Crypto, prng: Prng, now: MonoMs) {
    this.#config = config;
    this.#crypto = crypto;
    this.#prng = prng;
    this.#now = now;
    this.#spool = new Spool(prng.fork());
    const nodeId = nodeIdOf(crypto, config.identity.publicKey);
    this.#desk = new CommandDesk(nodeId, config);
  }

  /** A Welcome was received in an earlier life: the join token is spent. */
  get enrolled(): boolean {
    return this.#enrolled;
  }

  /** Throws VOLLEY_STORE_DAMAGED for a row that makes no sense. */
  row(table: TableName, key: string, value: Uint8Array): void {
    try {
      if (table === 'spool') this.#spool.restore(key, value, this.#now);
      else if (table === 'kept') this.#spool.kept.restoreNumber(key, value);
      else if (table === 'meta') this.#takeMeta(key, value);
    } catch (cause) {
      throw new VolleyError('VOLLEY_STORE_DAMAGED', {reason: `row ${table}/${key}`}, cause);
    }
  }

  #takeMeta(key: string, value: Uint8Array): void {
    if (key === FLOOR_KEY)
      Object.assign(this.#memory, jsonRow<{epoch: number; seq: number}>(value));
    else if (key === RECEIPT_KEY)
      this.#memory.receiptHead = jsonRow<{journalNo: number}>(value).journalNo;
    else if (key === ENROLLED_KEY) this.#enrolled = true;
    else if (key === SUSPENDED_KEY)
      this.#memory.suspended = jsonRow<{suspended: boolean}>(value).suspended;
    else if (key === WISHES_KEY) this.#memory.wishes = jsonRow<NodeMemory['wishes']>(value);
    else if (key.startsWith(ACTION_KEY)) this.#desk.news.restore(key, jsonRow<KeptSettings>(value));
    else if (key.startsWith(FILE_KEY)) this.#desk.shelf.restore(jsonRow<KeptFile>(value));
    else if (key.startsWith(PUSHED_KEY))
      this.#desk.transfers.restore(key.slice(PUSHED_KEY.length), jsonRow<PushedFile>(value));
  }

  finish(): NodeCore {
    for (const body of this.#spool.shots()) this.#desk.remember(body);
    return new NodeCore({
      config: this.#config,
      crypto: this.#crypto,
      prng: this.#prng,
      memory: this.#memory,
      spool: this.#spool,
      desk: this.#desk,
    });
  }
}
