import {mkdtempSync, readdirSync, readFileSync, statSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {asMonoMs, asWallMs} from '../../src/base/types.ts';
import type {Note} from '../../src/core/core.ts';
import {COUNTS, NOTES, SECURITY_KINDS, SecurityLog} from '../../src/io/security-log.ts';

type Line = Record<string, unknown> & {kind: string; what: string};

function rig(t: ExecutionContext) {
  const dir = mkdtempSync(join(tmpdir(), 'volley-security-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  const clock = {ms: 0};
  const told: string[] = [];
  const counted: string[] = [];
  const log = new SecurityLog({
    dir,
    clock: {now: () => ({mono: asMonoMs(clock.ms), wall: asWallMs(1_790_000_000_000 + clock.ms)})},
    log: {note: note => told.push(note.what), count: name => counted.push(name)},
  });
  const text = (): string => readFileSync(join(dir, 'security.log'), 'utf8');
  const lines = (): Line[] =>
    text()
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line) as Line);
  return {dir, log, clock, told, counted, text, lines};
}

const note = (what: string, fields: Note['fields'] = {}, level: Note['level'] = 'warn'): Note => ({
  level,
  what,
  fields,
});

test('every note of the table is in the program, word for word', t => {
  const sources = readdirSync('src', {recursive: true, encoding: 'utf8'})
    .filter(name => name.endsWith('.ts') && name !== join('io', 'security-log.ts'))
    .map(name => readFileSync(join('src', name), 'utf8'))
    .join('\n');
  for (const what of Object.keys(NOTES)) t.true(sources.includes(`'${what}'`), what);
  for (const name of Object.keys(COUNTS)) {
    t.true(sources.includes(`'${name.replace('drop.', '')}'`), name);
  }
  for (const kind of [...Object.values(NOTES), ...Object.values(COUNTS).map(it => it.kind)])
    t.true(SECURITY_KINDS.includes(kind));
});

test('a note of the table is one line of its kind; others go to the log alone', t => {
  const {log, told, lines} = rig(t);
  log.note(note('node enrolled', {node: 'ab', token: 7}, 'info'));
  log.note(note('batch ended', {batch: 1}, 'info'));
  log.note(note('workunit failed', {replica: 'a', reason: 'trapped', detail: 'exit code 1'}));
  log.note(note('workunit failed', {replica: 'b', reason: 'timedOut', detail: '1 s'}));
  log.note(note('something nobody thought of', {}, 'alarm'));
  t.is(told.length, 5);
  t.deepEqual(
    lines().map(({kind, what}) => [kind, what]),
    [
      ['enrolled', 'node enrolled'],
      ['sandboxKill', 'workunit failed'],
      ['alarm', 'something nobody thought of'],
    ],
  );
  t.like(lines()[0], {node: 'ab', token: 7, level: 'info', time: '2026-09-21T14:13:20.000Z'});
});

test('who comes, asks, is turned away or thrown out is told, and who has no token for HTTP', t => {
  const {log, lines} = rig(t);
  const told = [
    ['a node asks to be let in', 'asking'],
    ['waiting to be approved on the master', 'asking'],
    ['node approved', 'enrolled'],
    ['node denied', 'denied'],
    ['node refused', 'denied'],
    ['node revoked', 'revoked'],
    ['join token revoked', 'revoked'],
    ['results rest on a revoked node alone', 'revoked'],
    ['a result of a revoked node was wrong and is replaced', 'revoked'],
    ['clone suspected: two machines have the key of one node', 'clone'],
    ['another master was in our epoch: old backup or second master', 'epoch'],
    ['wrongToken', 'httpRefused'],
  ] as const;
  for (const [what] of told) log.note(note(what, {node: 'ab', from: '192.0.2.7'}));
  t.deepEqual(
    lines().map(({what, kind}) => [what, kind]),
    told.map(pair => [...pair]),
  );
});

test('a source that floods gets six lines a minute, and its number is told', t => {
  const {log, clock, lines} = rig(t);
  for (let i = 0; i < 5_000; i++) log.note(note('report refused', {node: 'bad'}));
  log.note(note('report refused', {node: 'other'}));
  t.is(lines().length, 7);
  t.is(lines()[6]?.['suppressed'], 4_994);
  for (let i = 0; i < 10; i++) log.note(note('report refused', {node: 'bad'}));
  clock.ms += 60_000;
  log.note(note('report refused', {node: 'bad'}));
  t.is(lines().at(-1)?.['suppressed'], 10);
});

test('a flood of sources fills no disk', t => {
  const {log, dir, clock} = rig(t);
  const name = 'x'.repeat(10_000);
  for (let i = 0; i < 20_000; i++) {
    clock.ms += 500;
    log.note(note('node refused', {peer: String(i), name, reason: name, detail: name}));
  }
  const sizes = readdirSync(dir).map(file => statSync(join(dir, file)).size);
  t.true(sizes.length <= 4);
  t.true(sizes.reduce((a, b) => a + b) <= 4 * 1_024 * 1_024);
});

test('drops are numbers: the first at once, the rest every ten seconds and at the end', t => {
  const {log, clock, counted, lines} = rig(t);
  for (let i = 0; i < 100; i++) log.count('drop.badSignature');
  log.count('drop.tooSmall');
  t.is(counted.length, 101);
  t.deepEqual(
    lines().map(({kind, level, count}) => [kind, level, count]),
    [['badSignature', 'alarm', 1]],
  );
  clock.ms += 10_000;
  log.count('drop.badSignature');
  t.is(lines()[1]?.['count'], 100);
  log.count('drop.badSignature', 5);
  log.close();
  t.is(lines()[2]?.['count'], 5);
});

test('what a peer chose begins no line, forges no field and steers no terminal', t => {
  const {log, text, lines} = rig(t);
  const name = 'x\n{"kind":"forged"}\u001b]0;t\u0007\u009b1m\u202e\ud800\0<img onerror>';
  log.note(note('report refused', {node: 'a', name, kind: 'forged', time: 'never'}));
  t.is(text().trimEnd().split('\n').length, 1);
  t.notRegex(text().trimEnd(), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
  t.like(lines()[0], {kind: 'badSignature', name});
  t.not(lines()[0]?.['time'], 'never');
});

test('an audit is told whether it went well or not', async t => {
  const {log, lines} = rig(t);
  t.is((await log.audited(async () => ({journalNo: 12}))).journalNo, 12);
  const damaged = log.audited(() => Promise.reject(new Error('row 7')));
  await t.throwsAsync(damaged, {message: 'row 7'});
  t.deepEqual(
    lines().map(({kind, level}) => [kind, level]),
    [
      ['audit', 'info'],
      ['audit', 'alarm'],
    ],
  );
});
