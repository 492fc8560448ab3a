import {fork, spawnSync} from 'node:child_process';
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
  const kids = Array.from({length: 3}, () => fork(program, [path]));
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
