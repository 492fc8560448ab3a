import test from 'ava';
import {asMonoMs, asWallMs} from '../../src/base/types.ts';
import type {Note} from '../../src/core/core.ts';
import {Log, type LogOptions} from '../../src/io/log.ts';

function logOf(options: Partial<LogOptions> = {}): {
  log: Log;
  lines: string[];
  clock: {ms: number};
} {
  const lines: string[] = [];
  const clock = {ms: Date.parse('2026-11-20T21:12:05.123Z')};
  const now = () => ({mono: asMonoMs(0), wall: asWallMs(clock.ms)});
  const write = (line: string): void => {
    lines.push(line);
  };
  return {log: new Log({clock: {now}, format: 'human', write, ...options}), lines, clock};
}

const note = (what: string, fields: Note['fields'] = {}, level: Note['level'] = 'info'): Note => ({
  level,
  what,
  fields,
});

test('a note is one line for people', t => {
  const {log, lines} = logOf();
  log.note(note('nodeLost', {node: '3f2a', lastHeard: '12 s ago', missed: 3}, 'warn'));
  t.deepEqual(lines, [
    '2026-11-20T21:12:05.123Z warn  nodeLost node=3f2a lastHeard="12 s ago" missed=3\n',
  ]);
});

test('a note is one JSON object for programs', t => {
  const {log, lines} = logOf({format: 'json'});
  log.note(note('nodeLost', {node: '3f2a', missed: 3, back: false}, 'alarm'));
  t.deepEqual(JSON.parse(lines[0] ?? ''), {
    time: '2026-11-20T21:12:05.123Z',
    level: 'alarm',
    what: 'nodeLost',
    node: '3f2a',
    missed: 3,
    back: false,
  });
});

test('fields cannot pass for the time, the level or the kind of a note', t => {
  const {log, lines} = logOf({format: 'json'});
  log.note(note('real', {what: 'forged', level: 'debug', time: 'never'}));
  t.like(JSON.parse(lines[0] ?? ''), {
    what: 'real',
    level: 'info',
    time: '2026-11-20T21:12:05.123Z',
  });
});

test('notes below the level are left out', t => {
  const {log, lines} = logOf({level: 'warn'});
  log.note(note('a', {}, 'debug'));
  log.note(note('b', {}, 'info'));
  log.note(note('c', {}, 'warn'));
  log.note(note('d', {}, 'alarm'));
  t.is(lines.length, 2);
});

test('text of a peer cannot begin a new line, colour the terminal or hide', t => {
  const evil = 'x\n2026-01-01 alarm forged\r\u001b[31m\u009b1m\u202egnp.exe\u200b\u2028\u0000"y=1';
  for (const format of ['human', 'json'] as const) {
    const {log, lines} = logOf({format});
    log.note(note('named', {name: evil}));
    const line = lines[0] ?? '';
    t.is(line.indexOf('\n'), line.length - 1);
    t.notRegex(line.slice(0, -1), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    if (format === 'json') t.is((JSON.parse(line) as {name: string}).name, evil);
  }
});

test('a very long text is cut', t => {
  const {log, lines} = logOf();
  log.note(note('long', {name: 'a'.repeat(100_000)}));
  t.true((lines[0]?.length ?? 0) < 600);
});

test('of a kind of note 20 lines in 10 s are written; the rest is a number in the next period', t => {
  const {log, lines, clock} = logOf();
  for (let i = 0; i < 1_000; i++) log.note(note('badSignature', {i}, 'warn'));
  t.is(lines.length, 20);
  log.note(note('other'));
  t.is(lines.length, 21);
  clock.ms += 10_000;
  log.note(note('badSignature', {i: 1_000}, 'warn'));
  t.regex(lines[21] ?? '', /warn {2}badSignature suppressed=980\n/);
  t.regex(lines[22] ?? '', /badSignature i=1000\n/);
});

test('closing says what was left out', t => {
  const {log, lines} = logOf();
  for (let i = 0; i < 25; i++) log.note(note('noisy'));
  log.close();
  t.regex(lines.at(-1) ?? '', /noisy suppressed=5\n/);
  log.close();
  t.is(lines.length, 21);
});

test('counters add up and write no lines', t => {
  const {log, lines} = logOf();
  log.count('drop.badMac');
  log.count('drop.badMac', 4);
  log.count('accepted');
  t.deepEqual(log.snapshot(), {accepted: 1, 'drop.badMac': 5});
  t.deepEqual(lines, []);
});
