import {createHash} from 'node:crypto';
import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {
  BASE_KEY,
  EMPTY_HEAD,
  encodeHead,
  HEAD_KEY,
  type Head,
  journalOps,
} from '../../src/core/journal.ts';
import {JournalAudit, type JournalVerdict} from '../../src/core/journal-audit.ts';
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
    const row = journal.get(journalKey(journalNo))?.slice() ?? new Uint8Array();
    row[row.length - 3] = (row[row.length - 3] ?? 0) ^ 1; // in the digest of its claim
    journal.set(journalKey(journalNo), row);
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
  t.is(faultOf(audit(cut, meta.get(HEAD_KEY))), '2: the row is cut short');
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

function rowsAfter(commits: readonly (readonly Op[])[]): Rows {
  const rows: Rows = new Map();
  let head = EMPTY_HEAD;
  for (const ops of commits) {
    const made = journalOps(crypto, head, ops);
    for (const op of made.ops)
      if (op.type === 'put') rows.set(`${op.table}/${op.key}`, op.value);
      else rows.delete(`${op.table}/${op.key}`);
    head = made.head;
  }
  return rows;
}

/** Every row that is left of some commits, and what the audit says of each. */
function faults(commits: readonly (readonly Op[])[], spoil: (rows: Rows) => void): string[] {
  const rows = rowsAfter(commits);
  spoil(rows);
  const checker = new JournalAudit(crypto, rows.get(`meta/${BASE_KEY}`));
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [rowKey, payload] of sorted)
    if (rowKey.startsWith('journal/')) checker.row(rowKey.slice(8), payload);
  const said = [faultOf(checker.end(rows.get(`meta/${HEAD_KEY}`)))];
  for (const [rowKey, payload] of sorted) {
    if (rowKey.startsWith('journal/') || rowKey === `meta/${HEAD_KEY}`) continue;
    const fault = checker.fault(rowKey, payload);
    if (fault !== undefined) said.push(`${rowKey}: ${fault}`);
  }
  for (const [rowKey, {journalNo}] of checker.missing())
    said.push(`${rowKey}: missing, ${journalNo}`);
  return said;
}

const STORY: readonly (readonly Op[])[] = [
  [put('node', 'a', toUtf8('old')), put('vote', 'v', toUtf8('1'))],
  [put('node', 'b', toUtf8('b'))],
  [put('node', 'a', toUtf8('new')), del('vote', 'v')],
];

test('rows that are what was written last are good', t => {
  t.deepEqual(
    faults(STORY, () => {}),
    ['good'],
  );
});

test('an older value, a row that came back, a lost row and a strange one are named', t => {
  const said = faults(STORY, rows => {
    rows.set('node/a', toUtf8('old'));
    rows.set('vote/v', toUtf8('1'));
    rows.delete('node/b');
    rows.set('node/z', toUtf8('z'));
  });
  t.deepEqual(said, [
    'good',
    'node/a: it is not what commit 3 wrote',
    'node/z: it was deleted, or never written',
    'vote/v: it was deleted, or never written',
    'node/b: missing, 2',
  ]);
});

test('a journal may begin at a base, which the commits after it claim', t => {
  const base = {journalNo: 41, hash: new Uint8Array(32).fill(7)};
  const rows: Rows = new Map();
  const made = journalOps(crypto, base, [put('meta', BASE_KEY, encodeHead(base))]);
  for (const op of made.ops) if (op.type === 'put') rows.set(`${op.table}/${op.key}`, op.value);
  const checker = new JournalAudit(crypto, rows.get(`meta/${BASE_KEY}`));
  t.true(checker.row(journalKey(42), rows.get(`journal/${journalKey(42)}`) ?? new Uint8Array()));
  t.deepEqual(checker.end(rows.get(`meta/${HEAD_KEY}`)), {kind: 'good', head: made.head});
  t.is(checker.fault(`meta/${BASE_KEY}`, encodeHead(base)), undefined);
  t.is(new JournalAudit(crypto, Uint8Array.of(1)).end(undefined).kind, 'damaged');
});
