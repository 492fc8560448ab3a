// Reports that the master has acknowledged, kept for a while: a disk that lies, or a backup, may make it
// forget what it signed receipts for. Its Welcome says how far its journal goes; what was acknowledged
// above that is offered again. The newest ones are kept, bounded; the row of an older one goes when a newer
// one comes, with a save that may be lost, so keeping costs no commit.
//
//   spool/<nonce>   the report, as before its receipt
//   kept/<nonce>    journal number, epoch and instance of the master of its receipt (older rows name less: the
//                   first epoch, no instance); without this row a spool row waits for its receipt
//
// A report whose outputs are files is not kept: its files go with the receipt, they may be large.

import {ByteReader, ByteWriter, fromHex, hex32, toHex} from '../base/bytes.ts';
import {del, type Op, put} from '../core/tables.ts';

const REPORTS_MAX = 256;
const BYTES_MAX = 1_024 * 1_024;

type Report = {readonly body: Uint8Array; readonly signature: Uint8Array};
/** Where the master put it: `journalNo` of its receipt, the epoch and the life of the master in which that came. */
export type Acknowledged = {
  readonly journalNo: number;
  readonly epoch: number;
  /** Hex of the 8 bytes that name a life of a master; '' = not known. */
  readonly instance: string;
};
const INSTANCE_BYTES = 8;
type KeptReport = Report & Acknowledged;

export class Kept {
  /** By nonce, oldest first. */
  readonly #reports = new Map<number, KeptReport>();
  /** Of rows of `kept` found at boot, whose spool rows are still to come. */
  readonly #numbers = new Map<number, Acknowledged>();
  #bytes = 0;

  get size(): number {
    return this.#reports.size;
  }

  has(nonce: number): boolean {
    return this.#reports.has(nonce);
  }

  /** A row of `kept` found at boot; rows of `spool` come after all of these. */
  restoreNumber(key: string, row: Uint8Array): void {
    const reader = new ByteReader(row);
    const journalNo = reader.varint();
    const epoch = reader.done ? 0 : reader.varint();
    const instance = reader.done ? '' : toHex(reader.raw(INSTANCE_BYTES));
    this.#numbers.set(Number.parseInt(key, 16), {journalNo, epoch, instance});
  }

  /** true = this spool row was acknowledged in an earlier life. */
  restore(nonce: number, report: Report): boolean {
    const acknowledged = this.#numbers.get(nonce);
    if (acknowledged === undefined) return false;
    this.#place(nonce, {...report, ...acknowledged});
    return true;
  }

  /** The receipt is here: the row stays, with its number; the oldest go. */
  add(nonce: number, {body, signature}: Report, {journalNo, epoch, instance}: Acknowledged): Op[] {
    this.#place(nonce, {body, signature, journalNo, epoch, instance});
    const row = new ByteWriter().varint(journalNo).varint(epoch);
    const life = fromHex(instance);
    if (life?.length === INSTANCE_BYTES) row.raw(life);
    const ops = [put('kept', hex32(nonce), row.bytes())];
    for (const [oldest, report] of this.#reports) {
      if (this.#reports.size <= REPORTS_MAX && this.#bytes <= BYTES_MAX) break;
      this.#reports.delete(oldest);
      this.#bytes -= report.body.length;
      ops.push(del('spool', hex32(oldest)), del('kept', hex32(oldest)));
    }
    return ops;
  }

  /** Takes out what has a receipt that proves nothing any more. */
  takeVoid(isVoid: (receipt: Acknowledged) => boolean): (readonly [number, Report])[] {
    const taken = [...this.#reports].filter(([, report]) => isVoid(report));
    for (const [nonce, {body}] of taken) {
      this.#reports.delete(nonce);
      this.#bytes -= body.length;
    }
    return taken;
  }

  #place(nonce: number, report: KeptReport): void {
    this.#reports.set(nonce, report);
    this.#bytes += report.body.length;
  }
}
