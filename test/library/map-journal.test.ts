import {fork, spawnSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {hostname, tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import process from 'node:process';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {asBatchId} from '../../src/base/types.ts';
import type {Line} from '../../src/library/line-source.ts';
import {MapJournal, spansOf} from '../../src/library/map-journal.ts';
import {ownUntil} from '../../src/library/map-pieces.ts';

const SETTINGS = {app: 'echo', arguments: [], policy: {minQuorum: 1}};

/** Enough for a lock that is removed twice to show. */
const ROUNDS = 60;

function pathFor(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'volley-journal-'));
  t.teardown(() => rmSync(folder, {recursive: true, force: true}));
  return join(folder, 'state');
}

const lines = (from: number, ...texts: string[]): Line[] =>
  texts.map((text, i) => ({bytes: toUtf8(text), line: from + i}));

function begun(path: string): MapJournal {
  const journal = new MapJournal(path);
  journal.begin('abc', SETTINGS);
  journal.writesTo({dev: 1, ino: 2, size: 10});
  t3(journal);
  return journal;
}

/** A state with one row more, at its end. */
function withRow(path: string, row: unknown): void {
  begun(path).close();
  appendFileSync(path, `${JSON.stringify(row)}\n`);
}

/** Three batches: one written, one half, one that is only meant. */
function t3(journal: MapJournal): void {
  journal.intend(0, lines(1, 'a', 'b'));
  journal.submitted(0, asBatchId(7));
  journal.intend(1, lines(4, 'c', 'd', 'e'));
  journal.submitted(1, asBatchId(8));
  journal.taken(
    [
      [0, 0, 2],
      [1, 0, 1],
    ],
    1,
    25,
  );
  journal.intend(2, lines(7, 'f'));
}

test('what was noted is known to the next run', t => {
  const path = pathFor(t);
  begun(path).close();
  const journal = new MapJournal(path);
  t.false(journal.isNew);
  journal.check(SETTINGS);
  t.is(journal.run, 'abc');
  t.deepEqual(journal.stdout, {dev: 1, ino: 2, size: 25});
  t.deepEqual([journal.done, journal.failed], [2, 1]);
  const known = journal.batches.map(({name, count, id, isWhole, taken}) => [
    name,
    count,
    id,
    isWhole,
    [...taken],
  ]);
  t.deepEqual(known, [
    ['map-abc-0', 2, asBatchId(7), true, []],
    ['map-abc-1', 3, asBatchId(8), false, [0]],
    ['map-abc-2', 1, undefined, false, []],
  ]);
  t.is(journal.ended, undefined);
  journal.end({done: 5, failed: 1});
  journal.close();
  t.deepEqual(new MapJournal(path).ended, {done: 5, failed: 1});
});

test('an input that is not the one of the earlier run is refused with its line', t => {
  const path = pathFor(t);
  begun(path).close();
  const journal = new MapJournal(path);
  journal.checkInputs(1, lines(4, 'c', 'd', 'e'));
  journal.checkInputs(9, lines(40, 'new'));
  const refusals: [number, Line[], RegExp][] = [
    [1, lines(4, 'c', 'D', 'e'), /state of another run: the input has changed at line 5;/],
    [1, lines(4, 'cd', '', 'e'), /the input has changed at line 4;/],
    [1, lines(14, 'c', 'd', 'E'), /the input has changed at line 16;/],
    [1, lines(4, 'c'), /the input ends before line 6/],
  ];
  for (const [no, inputs, message] of refusals)
    t.throws(() => journal.checkInputs(no, inputs), {code: 'VOLLEY_USAGE', message});
});

test('what is asked for must be the same, and what is not is named', t => {
  const path = pathFor(t);
  begun(path).close();
  const journal = new MapJournal(path);
  for (const [settings, message] of [
    [{...SETTINGS, app: 'primes'}, /its app was "echo", and is "primes"/],
    [{...SETTINGS, policy: {minQuorum: 2}}, /its policy was {"minQuorum":1}, and is/],
    [{...SETTINGS, target: {labels: ['x']}}, /its target was not given, and is/],
    [{app: 'echo', policy: {minQuorum: 1}}, /its arguments was \[\], and is not given/],
  ] as const)
    t.throws(() => journal.check(settings), {code: 'VOLLEY_USAGE', message});
});

test('a row that a kill cut off is forgotten, wherever it was cut', t => {
  const path = pathFor(t);
  begun(path).close();
  const whole = readFileSync(path);
  const ends = [...whole.keys()].filter(i => whole[i] === 10);
  for (let size = 0; size <= whole.length; size += 3) {
    if (size > 0 && size <= (ends[0] ?? 0)) continue; // not even its head: below
    writeFileSync(path, whole.subarray(0, size));
    const journal = new MapJournal(path);
    t.is(journal.isNew, size === 0);
    journal.intend(9, lines(1, 'x'));
    journal.close();
    const again = readFileSync(path, 'utf8').trimEnd().split('\n');
    t.notThrows(() => again.map(row => JSON.parse(row)));
  }
});

test('a file that is none of ours is refused and left as it is', t => {
  const path = pathFor(t);
  for (const text of ['{"volley":"ma', 'results\n', '{"a":1}\n', 'null\n', '[]\n{}\n']) {
    writeFileSync(path, text);
    const message = /is no state file of `volley map` \(line 1\)/;
    t.throws(() => new MapJournal(path), {code: 'VOLLEY_USAGE', message});
    t.is(readFileSync(path, 'utf8'), text);
  }
  rmSync(path);
  begun(path).close();
  const {size} = statSync(path);
  appendFileSync(path, 'junk\n{}\n');
  t.throws(() => new MapJournal(path), {message: /\(line 9\)/});
  t.is(statSync(path).size, size + 8);
});

test('a row that cannot be is refused with its line, and nothing is changed', t => {
  const path = pathFor(t);
  const sha256 = '0'.repeat(64);
  const batch = {batch: 3, name: 'map-abc-3', count: 1, lines: [8, 8], sha256, sums: 'AAAA'};
  const taken = (...spans: unknown[]) => ({taken: spans, failed: 0});
  for (const row of [batch, taken([1, 1, 3], [2, 0, 1]), {batch: 2, id: 9}]) {
    withRow(path, row);
    t.notThrows(() => new MapJournal(path).close(), JSON.stringify(row));
    rmSync(path);
  }
  for (const row of [
    {...batch, batch: 4},
    {...batch, batch: 2},
    {...batch, name: 'map-other-3'},
    {...batch, count: 2},
    {...batch, count: -1},
    {...batch, lines: [8, 7]},
    {...batch, sha256: 'abc'},
    {...batch, sums: 'AAAAAAAA'},
    {...batch, more: 1},
    {batch: 3, id: 9},
    {batch: 1, id: 0},
    {batch: 1, id: '9'},
    taken([0, 0, 1]),
    taken([1, 0, 2]),
    taken([1, 1, 4]),
    taken([1, 2, 1]),
    taken([1, 1, 2], [1, 1, 3]),
    taken([1, -1, 1]),
    taken([1, 1.5, 2]),
    taken([7, 0, 1]),
    taken([1, 1]),
    taken(5),
    {taken: [[1, 1, 2]], failed: 2},
    {taken: [[1, 1, 2]], failed: 0, bytes: 24},
    {taken: [[1, 1, 2]], failed: 0, bytes: -1},
    {taken: [[1, 1, 2]], failed: 0, bytes: 1e300},
    {next: {at: 24, bytes: 1, sums: ['AAAA']}},
    {next: {at: 25, bytes: 0, sums: []}},
    {stdout: {dev: 1, ino: 2, size: -5}},
    {stdout: {dev: 1, ino: 2}},
    {ended: {done: -1, failed: 0}},
    {volley: 'map', version: 1, run: 'abc', settings: {}},
    {},
    [],
    5,
  ]) {
    withRow(path, row);
    const before = readFileSync(path, 'utf8');
    const message = /is no state file of `volley map` \(line 9\)/;
    t.throws(() => new MapJournal(path), {code: 'VOLLEY_USAGE', message}, JSON.stringify(row));
    t.is(readFileSync(path, 'utf8'), before);
    rmSync(path);
  }
});

test('what may have been written behind the noted size is known to be ours, up to a page', t => {
  const path = pathFor(t);
  const journal = begun(path);
  const results = randomBytes(9_000);
  journal.next(25, results.subarray(0, 100));
  journal.next(125, results.subarray(100));
  journal.close();
  const again = new MapJournal(path);
  t.deepEqual(
    again.pieces.map(({at, bytes}) => [at, bytes]),
    [
      [25, 100],
      [125, 8_900],
    ],
  );
  const end = 25 + results.length;
  const own = (to: number, file: Uint8Array = results) =>
    ownUntil(again.pieces, [25, to], (from, until) => file.subarray(from - 25, until - 25));
  for (const whole of [25, 125, 4_096, 8_192, end]) t.is(own(whole), whole);
  t.is(own(4_100), 4_096, 'a part of a page says nothing');
  t.is(own(end + 7), end, 'others wrote behind it');
  const changed = Uint8Array.from(results);
  changed[5_000] = (changed[5_000] ?? 0) ^ 1;
  t.is(own(end, changed), 4_096);
  t.is(
    ownUntil([], [25, 30], () => results),
    25,
  );
  // A note knows of what was before it.
  again.taken([[1, 1, 2]], 0, 125);
  again.close();
  const last = new MapJournal(path);
  t.deepEqual(
    last.pieces.map(({at}) => at),
    [125],
  );
  last.writesTo({dev: 1, ino: 3, size: 0, isShared: true});
  last.close();
  t.deepEqual(new MapJournal(path).pieces, []);
});

test('one run at a time has a state file, and a run that was killed has none', t => {
  const path = pathFor(t);
  const journal = begun(path);
  const message = new RegExp(`state is in use by process ${process.pid} on .*delete .*state.lock`);
  const before = readFileSync(path, 'utf8');
  t.throws(() => new MapJournal(path), {code: 'VOLLEY_USAGE', message});
  t.is(readFileSync(path, 'utf8'), before);
  journal.close();
  t.deepEqual(readdirSync(dirname(path)), ['state']);
  const {pid} = spawnSync(process.execPath, ['-e', '']);
  writeFileSync(`${path}.lock`, JSON.stringify({pid, host: hostname()}));
  new MapJournal(path).close();
  writeFileSync(`${path}.lock`, JSON.stringify({pid, host: 'elsewhere.example'}));
  t.throws(() => new MapJournal(path), {message: /in use by process \d+ on elsewhere/});
  writeFileSync(`${path}.lock`, 'junk');
  t.throws(() => new MapJournal(path), {message: /in use by another run; .*delete/});
  t.deepEqual(readdirSync(dirname(path)).sort(), ['state', 'state.lock']);
});

test('a lock that a kill left in the middle of a take-over is taken over', t => {
  const path = pathFor(t);
  const {pid} = spawnSync(process.execPath, ['-e', '']);
  const dead = JSON.stringify({pid, host: hostname()});
  for (const name of ['lock', 'lock.over', 'lock.over.over'])
    writeFileSync(`${path}.${name}`, dead);
  const journal = begun(path);
  t.deepEqual(readdirSync(dirname(path)).sort(), ['state', 'state.lock']);
  // Somebody deleted it, and another run has it: it is not ours to remove.
  const other = JSON.stringify({pid: process.ppid, host: hostname()});
  writeFileSync(`${path}.lock`, other);
  journal.close();
  t.is(readFileSync(`${path}.lock`, 'utf8'), other);
  // While somebody takes it over, it is his.
  writeFileSync(`${path}.lock`, dead);
  writeFileSync(`${path}.lock.over`, other);
  const message = new RegExp(`in use by process ${process.ppid} on .*delete .*state.lock.over`);
  t.throws(() => new MapJournal(path), {code: 'VOLLEY_USAGE', message});
});

test('of many that find the lock of a dead run at one moment one gets it', async t => {
  const path = pathFor(t);
  const {pid} = spawnSync(process.execPath, ['-e', '']);
  const program = fileURLToPath(new URL('lock-kid.ts', import.meta.url));
  const execArgv = ['--import=tsx'];
  const kids = Array.from({length: 3}, () => fork(program, [path], {execArgv}));
  t.teardown(() => {
    for (const kid of kids) kid.kill();
  });
  const answers = () => Promise.all(kids.map(async kid => String((await once(kid, 'message'))[0])));
  await answers(); // they are up
  for (let round = 0; round < ROUNDS; round++) {
    writeFileSync(`${path}.lock`, JSON.stringify({pid, host: hostname()}));
    const answered = answers();
    const at = Date.now() + 10;
    for (const kid of kids) kid.send(at);
    const got = await answered;
    t.is(got.filter(text => text === 'got').length, 1, got.join('; '));
    t.deepEqual(readdirSync(dirname(path)), ['state.lock']);
  }
});

test('a place that cannot be written is named', t => {
  const path = join(pathFor(t), 'none', 'state');
  t.throws(() => new MapJournal(path), {
    code: 'VOLLEY_CANNOT_WRITE',
    message: /^cannot write .*none\/state: ENOENT: no such file or directory \(its lock file\)$/,
  });
});

test('indexes become few spans', t => {
  t.deepEqual(spansOf(3, [5, 0, 1, 2, 7, 6]), [
    [3, 0, 3],
    [3, 5, 8],
  ]);
  t.deepEqual(spansOf(3, []), []);
});
