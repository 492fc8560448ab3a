// The store on disk: LevelDB, one atomic synced batch for each commit.
//
//   key   = table "/" key         names cost little: LevelDB shares prefixes of neighbours
//   value = [row version u8][crc32 u32 BE][payload], crc over (key of LevelDB ‖ version ‖ payload)
//
// LevelDB 1.20 returns flipped bits without an error (its own block checksums are not verified on
// reads), so each row carries a checksum that also covers its key: a row in the wrong place is
// found too.
//
// A chained batch is 2 to 5 times faster here than an array batch with {sync: true}, because
// options are merged into each operation of an array. LevelDB copies key and value while `put`
// runs, so one scratch buffer frames all values.
//
// Compression is on: with rows that are mostly signatures and hashes it saves 8 % of the disk and
// its cost in CPU is below what we can measure (Snappy leaves a block alone that does not shrink);
// text shrinks more.
//
// A new log file is durable only when its directory is; LevelDB syncs the directory for its
// MANIFEST only. Before a commit is called done we look whether the log changed, from the earliest
// moment it could have.

import {readdirSync} from 'node:fs';
import {mkdir, open, readdir, realpath} from 'node:fs/promises';
import {crc32} from 'node:zlib';
import {Level} from 'level';
import {assert} from '../base/assert.ts';
import {VolleyError} from '../base/errors.ts';
import {MIB} from '../base/units.ts';
import {HEAD_KEY, type Head} from '../core/journal.ts';
import {type Op, TABLES, type TableName} from '../core/tables.ts';
import type {Store} from '../runtime/ports.ts';
import {checkCurrent, DAMAGE_ADVICE, openFailure} from './level-failure.ts';
import {StoreWitness} from './store-witness.ts';

const FRAME_BYTES = 5;
const SCAN_ROWS = 1_000;
const SCAN_BYTES = 256 * 1_024;
/** More than LevelDB's memtable uses for a row beside key and value: node, tag, lengths. */
const MEMTABLE_ROW_BYTES = 128;

export type LevelStoreOptions = {
  /** LevelDB keeps up to two of these in memory and replays one at open. Default 4 MiB. */
  readonly writeBufferBytes?: number;
};

/** A row as it is on the disk. `payload` may be anything where `fault` says what is wrong. */
export type StoredRow = {
  /** `table/key` */
  readonly rowKey: string;
  readonly payload: Uint8Array;
  readonly fault: string | undefined;
};

type Database = Level<string, Uint8Array>;

/**
 * Real paths that this process has open. LevelDB refuses a second open too, but on the way it opens
 * and closes the LOCK file, and POSIX then drops the lock of the first: another process could get
 * in.
 */
const openPaths = new Set<string>();

/** Opens or creates the store in the folder `path`; it is this process's alone until `close`. */
export async function openLevelStore(
  path: string,
  options: LevelStoreOptions = {},
): Promise<LevelStore> {
  const writeBufferBytes = options.writeBufferBytes ?? 4 * MIB;
  const realPath = await takePath(path);
  const database: Database = new Level(path, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    compression: true,
    writeBufferSize: writeBufferBytes,
  });
  try {
    await database.open();
    const witness = new StoreWitness(path);
    await syncFolder(path);
    await syncFolder(`${path}/..`);
    return new LevelStore(realPath, database, writeBufferBytes, witness);
  } catch (error) {
    await database.close().catch(() => {});
    openPaths.delete(realPath);
    throw await openFailure(path, error);
  }
}

async function takePath(path: string): Promise<string> {
  let realPath: string;
  try {
    await mkdir(path, {recursive: true, mode: 0o700});
    // Not later: `new Level` opens by itself, in the next turn.
    await checkCurrent(path);
    realPath = await realpath(path);
  } catch (error) {
    throw await openFailure(path, error);
  }
  if (openPaths.has(realPath)) throw new VolleyError('VOLLEY_STORE_LOCKED', {path});
  openPaths.add(realPath);
  return realPath;
}

export class LevelStore implements Store {
  readonly #path: string;
  readonly #database: Database;
  readonly #logLook: LogLook;
  readonly #witness: StoreWitness;
  #scratch = new Uint8Array(4_096);
  #scratchView = new DataView(this.#scratch.buffer);
  #failure: VolleyError | undefined;
  #writing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  #onFailure: (error: VolleyError) => void = () => {};

  /** Use openLevelStore. */
  constructor(path: string, database: Database, writeBufferBytes: number, witness: StoreWitness) {
    this.#path = path;
    this.#database = database;
    this.#witness = witness;
    this.#logLook = new LogLook(path, writeBufferBytes);
  }

  /** From now on a row or a disk that fails a reader is told too: the process must stop, P11. */
  onFailure(tell: (error: VolleyError) => void): void {
    this.#onFailure = tell;
  }

  commit(ops: readonly Op[], done: (error?: Error) => void): void {
    assert(this.#writing === undefined, 'one commit at a time');
    assert(this.#closed === undefined, 'no commit after close');
    this.#writing = this.#write(ops).then(
      () => {
        this.#writing = undefined;
        done();
      },
      (error: unknown) => {
        this.#writing = undefined;
        // For good: after a failed fsync the kernel may have dropped the pages it could not write.
        this.#failure ??= new VolleyError(
          'VOLLEY_STORE_FAILED',
          {reason: `${this.#path}: ${reasonOf(error)}; check the disk and its free space`},
          error,
        );
        done(this.#failure);
      },
    );
  }

  /** Payload of a row, or undefined; the caller's own. Rejects with VOLLEY_STORE_DAMAGED. */
  async get(table: TableName, key: string): Promise<Uint8Array | undefined> {
    const rowKey = rowKeyOf(table, key);
    let value: Uint8Array | undefined;
    try {
      value = await this.#database.get(rowKey);
    } catch (error) {
      throw this.#readFailure(error);
    }
    return value === undefined ? undefined : this.#opened(table, key, rowKey, value);
  }

  /** Rows with from <= key < to in the order of keys, as they were when the scan began. */
  async *scan(
    table: TableName,
    from = '',
    to?: string,
  ): AsyncGenerator<readonly [string, Uint8Array], void, void> {
    const prefix = table.length + 1;
    const range = {
      gte: rowKeyOf(table, from),
      lt: to === undefined ? `${table}0` : rowKeyOf(table, to),
    };
    for await (const entries of this.#pages(range))
      for (const [rowKey, value] of entries) {
        const key = rowKey.slice(prefix);
        yield [key, this.#opened(table, key, rowKey, value)];
      }
  }

  /** Shows every row of every table, in the order of their keys, damaged ones too. */
  async look(onRow: (row: StoredRow) => void): Promise<void> {
    for await (const rows of this.rows()) for (const row of rows) onRow(row);
  }

  /** The same in parts, for who has to wait in between; of one table if it is named. */
  async *rows(table?: TableName): AsyncGenerator<StoredRow[], void, void> {
    const range = table === undefined ? {} : {gte: `${table}/`, lt: `${table}0`};
    for await (const entries of this.#pages(range))
      yield entries.map(([rowKey, value]) => {
        const name = rowKey.slice(0, rowKey.indexOf('/'));
        const fault = isTable(name) ? faultOf(name, rowKey, value) : 'unknown table';
        return {rowKey, payload: payloadOf(value), fault};
      });
  }

  /** How far the journal went, as its witness said when the store was opened. */
  get witnessed(): Head | undefined {
    return this.#witness.seen;
  }

  /** Waits for the commit under way. Twice is fine. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#writing;
      await this.#database.close();
      this.#witness.close();
      openPaths.delete(this.#path);
    })();
    return this.#closed;
  }

  async #write(ops: readonly Op[]): Promise<void> {
    if (this.#failure) throw this.#failure;
    const batch = this.#database.batch();
    let bytes = 0;
    for (const op of ops) {
      const rowKey = rowKeyOf(op.table, op.key);
      bytes += rowKey.length + MEMTABLE_ROW_BYTES;
      if (op.type === 'del') {
        batch.del(rowKey);
        continue;
      }
      bytes += op.value.length;
      batch.put(rowKey, this.#frame(op.table, rowKey, op.value));
    }
    await batch.write({sync: true});
    if (this.#logLook.mayHaveChanged(bytes)) await this.#logLook.sync();
    const head = ops.at(-1);
    if (head?.type === 'put' && head.table === 'meta' && head.key === HEAD_KEY)
      this.#witness.write(head.value);
  }

  /** The framed value, in a buffer that the next call writes over. */
  #frame(table: TableName, rowKey: string, payload: Uint8Array): Uint8Array {
    const length = FRAME_BYTES + payload.length;
    if (length > this.#scratch.length) {
      this.#scratch = new Uint8Array(2 * length);
      this.#scratchView = new DataView(this.#scratch.buffer);
    }
    this.#scratch[0] = TABLES[table];
    this.#scratchView.setUint32(1, checksum(TABLES[table], rowKey, payload));
    this.#scratch.set(payload, FRAME_BYTES);
    return this.#scratch.subarray(0, length);
  }

  async *#pages(range: {
    gte?: string;
    lt?: string;
  }): AsyncGenerator<[string, Uint8Array][], void, void> {
    const iterator = this.#database.iterator({...range, highWaterMarkBytes: SCAN_BYTES});
    try {
      for (;;) {
        const entries = await iterator.nextv(SCAN_ROWS);
        if (entries.length === 0) return;
        yield entries;
      }
    } catch (error) {
      throw this.#readFailure(error);
    } finally {
      await iterator.close();
    }
  }

  #opened(table: TableName, key: string, rowKey: string, value: Uint8Array): Uint8Array {
    const fault = faultOf(table, rowKey, value);
    if (fault === undefined) return payloadOf(value);
    const reason = `row "${key}" of ${table}: ${fault}; ${DAMAGE_ADVICE}`;
    const failure = new VolleyError('VOLLEY_STORE_DAMAGED', {reason});
    this.#onFailure(failure);
    throw failure;
  }

  #readFailure(error: unknown): unknown {
    if (error instanceof VolleyError) return error;
    const damaged = codeOf(error) === 'LEVEL_CORRUPTION';
    const failure = new VolleyError(
      damaged ? 'VOLLEY_STORE_DAMAGED' : 'VOLLEY_STORE_FAILED',
      {reason: `${this.#path}: ${reasonOf(error)}${damaged ? `; ${DAMAGE_ADVICE}` : ''}`},
      error,
    );
    this.#onFailure(failure);
    return failure;
  }
}

/** Tells when LevelDB may have begun a new log file, and makes the new file's name durable. */
class LogLook {
  readonly #path: string;
  readonly #bytesSafe: number;
  #bytes = 0;
  #log: string;

  constructor(path: string, writeBufferBytes: number) {
    this.#path = path;
    // The memtable allocates in blocks of 4 KiB and may waste a quarter of each: half is well
    // before.
    this.#bytesSafe = writeBufferBytes / 2;
    this.#log = newestLog(readdirSync(path));
  }

  mayHaveChanged(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes >= this.#bytesSafe;
  }

  async sync(): Promise<void> {
    const log = newestLog(await readdir(this.#path));
    if (log === this.#log) return;
    await syncFolder(this.#path);
    this.#log = log;
    this.#bytes = 0;
  }
}

const newestLog = (names: readonly string[]): string =>
  names
    .filter(name => name.endsWith('.log'))
    .sort()
    .at(-1) ?? '';

/** Makes the names in a folder durable. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const PREFIXES = Object.fromEntries(
  Object.keys(TABLES).map(table => [table, `${table}/`]),
) as Record<TableName, string>;

const rowKeyOf = (table: TableName, key: string): string => PREFIXES[table] + key;
/** Row versions below these are of programs before the first release. */
const OLDEST: {readonly [table in TableName]?: number} = {journal: 2};
const isTable = (name: string): name is TableName => Object.hasOwn(TABLES, name);

/** CRC-32 of the LevelDB key, the version as a character (one byte below 128) and the payload. */
const checksum = (version: number, rowKey: string, payload: Uint8Array): number =>
  crc32(payload, crc32(rowKey + String.fromCharCode(version)));

/** What is wrong with a stored value, or undefined. */
function faultOf(table: TableName, rowKey: string, value: Uint8Array): string | undefined {
  const version = value[0];
  if (version === undefined || value.length < FRAME_BYTES) return 'the row is cut short';
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (view.getUint32(1) !== checksum(version, rowKey, value.subarray(FRAME_BYTES)))
    return 'the checksum is wrong';
  if (version < (OLDEST[table] ?? 1) || version > TABLES[table])
    return `row version ${version} is not known to this program`;
  return undefined;
}

/** LevelDB gives a Buffer of its own for each value: this view takes it over. */
function payloadOf(value: Uint8Array): Uint8Array {
  const start = Math.min(FRAME_BYTES, value.length);
  return new Uint8Array(value.buffer, value.byteOffset + start, value.length - start);
}

const codeOf = (error: unknown): unknown => (error as {code?: unknown} | undefined)?.code;
const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
