import {createHash} from 'node:crypto';
import test from 'ava';
import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {
  decodeHead,
  decodeJournalRow,
  EMPTY_HEAD,
  encodeHead,
  encodeJournalRow,
  HEAD_KEY,
  type Head,
  hashOps,
  JournalAudit,
  type JournalVerdict,
  journalOps,
} from '../../src/core/journal.ts';
import {del, journalKey, type Op, put} from '../../src/core/tables.ts';

const crypto = {
  sha256: (...parts: readonly Uint8Array[]): Uint8Array => {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
};

type Rows = Map<string, Uint8Array>;

/** Tables journal and meta after `commits` commits. */
function written(commits: number): {journal: Rows; meta: Rows; head: Head} {
  const journal: Rows = new Map();
  const meta: Rows = new Map();
  let head = EMPTY_HEAD;
  for (let i = 1; i <= commits; i++) {
    const made = journalOps(crypto, head, [put('node', `n${i}`, toUtf8(`row ${i}`))]);
    for (const op of made.ops)
      if (op.type === 'put' && op.table === 'journal') journal.set(op.key, op.value);
      else if (op.type === 'put' && op.table === 'meta') meta.set(op.key, op.value);
    head = made.head;
  }
  return {journal, meta, head};
}

function audit(journal: Rows, headRow: Uint8Array | undefined): JournalVerdict {
  const checker = new JournalAudit(crypto);
  for (const [key, payload] of [...journal].sort(([a], [b]) => (a < b ? -1 : 1)))
    checker.row(key, payload);
  return checker.end(headRow);
}

const faultOf = (verdict: JournalVerdict): string =>
  verdict.kind === 'good' ? 'good' : `${verdict.journalNo}: ${verdict.reason}`;

test('a commit gets a journal row and a head behind its own operations', t => {
  const ops = [put('node', 'a', toUtf8('x')), del('node', 'b')];
  const {ops: all, head} = journalOps(crypto, EMPTY_HEAD, ops);
  t.deepEqual(all.slice(0, 2), ops);
  t.deepEqual(
    all.slice(2).map(({table, key}) => `${table}/${key}`),
    [`journal/${journalKey(1)}`, `meta/${HEAD_KEY}`],
  );
  t.is(head.journalNo, 1);
  const row = all[2]?.type === 'put' ? all[2].value : new Uint8Array();
  t.deepEqual(head.hash, crypto.sha256(row));
  t.deepEqual(decodeJournalRow(row), {
    journalNo: 1,
    previous: new Uint8Array(32),
    batch: hashOps(crypto, ops),
  });
});

test('rows are small and come back as they were', t => {
  const {journal, head} = written(300);
  const row = journal.get(journalKey(300)) ?? new Uint8Array();
  t.is(row.length, 50);
  t.deepEqual(encodeJournalRow(decodeJournalRow(row)), row);
  t.deepEqual(decodeHead(encodeHead(head)), head);
  t.throws(() => decodeJournalRow(row.slice(0, -1)), {instanceOf: RangeError});
  t.throws(() => decodeHead(row), {instanceOf: RangeError});
});

test('any change of the operations changes their hash', t => {
  const base: Op[] = [
    put('node', 'ab', toUtf8('cd')),
    put('vote', 'e', toUtf8('')),
    del('node', 'f'),
  ];
  const others: Op[][] = [
    base.slice(1),
    [base[1], base[0], base[2]] as Op[],
    [put('node', 'a', toUtf8('bcd')), ...base.slice(1)],
    [put('node', 'ab', toUtf8('ce')), ...base.slice(1)],
    [put('vote', 'ab', toUtf8('cd')), ...base.slice(1)],
    [...base.slice(0, 2), put('node', 'f', toUtf8(''))],
    [...base.slice(0, 2), del('node', 'g')],
    [],
  ];
  const hashes = [base, ...others].map(ops => toHex(hashOps(crypto, ops)));
  t.is(new Set(hashes).size, hashes.length);
  t.is(toHex(hashOps(crypto, base)), 'd810c56eb7e7d7c1d7015f2deeb4712a', 'stored for ever');
});

test('a whole journal is good, and its end is the head to go on from', t => {
  for (const commits of [1, 2, 17, 300]) {
    const {journal, meta, head} = written(commits);
    t.deepEqual(audit(journal, meta.get(HEAD_KEY)), {kind: 'good', head});
  }
});

test('an empty store is good: number 0 and a zero hash', t => {
  t.deepEqual(audit(new Map(), undefined), {
    kind: 'good',
    head: {journalNo: 0, hash: new Uint8Array(32)},
  });
});

test('a gap is found wherever it is, and named by its first missing row', t => {
  for (const lost of [1, 2, 9, 10]) {
    const {journal, meta} = written(10);
    journal.delete(journalKey(lost));
    const expected =
      lost === 10 ? '10: rows up to 10 are missing' : `${lost}: the next row is ${lost + 1}`;
    t.is(faultOf(audit(journal, meta.get(HEAD_KEY))), expected);
  }
});

test('a changed row is found at the row after it, or at the head', t => {
  const change = (journalNo: number): string => {
    const {journal, meta} = written(5);
    const row = decodeJournalRow(journal.get(journalKey(journalNo)) ?? new Uint8Array());
    row.batch[3] = (row.batch[3] ?? 0) ^ 1;
    journal.set(journalKey(journalNo), encodeJournalRow(row));
    return faultOf(audit(journal, meta.get(HEAD_KEY)));
  };
  t.is(change(2), '3: the row does not follow from the row before it');
  t.is(change(5), '5: the head names another row');
});

test('a row under the wrong number or of the wrong length is found', t => {
  const {journal, meta} = written(3);
  const second = journal.get(journalKey(2)) ?? new Uint8Array();
  const swapped = new Map(journal).set(journalKey(2), journal.get(journalKey(3)) ?? second);
  t.is(faultOf(audit(swapped, meta.get(HEAD_KEY))), '2: the row says it is row 3');
  const cut = new Map(journal).set(journalKey(2), second.slice(0, -1));
  t.is(faultOf(audit(cut, meta.get(HEAD_KEY))), '2: the row has the wrong length');
  const long = new Map(journal).set(journalKey(2), Uint8Array.of(...second, 0));
  t.is(faultOf(audit(long, meta.get(HEAD_KEY))), '2: the row has the wrong length');
});

test('a head that is missing, older or without rows is found', t => {
  const {journal} = written(3);
  const older = written(2);
  t.is(faultOf(audit(journal, undefined)), '3: the head is missing');
  t.is(faultOf(audit(journal, older.meta.get(HEAD_KEY))), '3: the head is at 2');
  t.is(faultOf(audit(new Map(), older.meta.get(HEAD_KEY))), '1: rows up to 2 are missing');
  t.is(faultOf(audit(journal, Uint8Array.of(3))), '3: the head has the wrong length');
});

test('after the first fault no further rows are wanted', t => {
  const {journal} = written(3);
  const checker = new JournalAudit(crypto);
  t.false(checker.row(journalKey(2), journal.get(journalKey(2)) ?? new Uint8Array()));
  t.false(checker.row(journalKey(1), journal.get(journalKey(1)) ?? new Uint8Array()));
  t.is(faultOf(checker.end(undefined)), '1: the next row is 2');
});
