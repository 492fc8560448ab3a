// Programs that are kept running: what they say and are told outside of shots.

import {chmodSync, existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import type {ProgramSpec} from '../../src/io/shooter.ts';
import {clock, Rig, rigOf, speaking} from './action-rig.ts';
import {Watched} from './adapter-rig.ts';

/** Knows all the words; `arm` answers `said`. */
const modern = (said: string, more = ''): string =>
  speaking(
    `if (text === 'arm') { ${said} return; } ${more} if (line[0] !== 'fire') return; fired(shot); write(file); say('done ' + shot + ' ' + file);`,
    `say('info ' + JSON.stringify({model: 'm', settings: ['gain']}));`,
  ).replace("say('ready');\n", '');

class Program extends Watched {
  constructor(t: ExecutionContext, source: string, spec: Partial<ProgramSpec> = {}) {
    super(t, dir => {
      writeFileSync(join(dir, 'x.mjs'), source);
      return {argv: [process.execPath, join(dir, 'x.mjs')], ...spec};
    });
  }
}

test('a program says what it is, is armed, and is told before each row of shots', async t => {
  const x = new Program(t, modern("say('ready'); appendFileSync('../arms', 'x');"));
  x.program.arm();
  const state = await x.until(({phase}) => phase === 'ready');
  t.is(state.info.model, 'm');
  x.program.arm();
  t.is((await x.shoot()).failure, undefined);
  t.is(readFileSync(join(x.dir, 'arms'), 'utf8'), 'xx');
});

test('a program that knows only "fire" is told nothing else', async t => {
  const x = new Program(
    t,
    speaking("appendFileSync('../told', line[0]); fired(shot); say('done ' + shot);"),
  );
  x.program.arm();
  await x.until(({phase}) => phase === 'ready');
  x.program.arm();
  t.is((await x.shoot()).failure, undefined);
  t.deepEqual(await x.program.set({gain: '2'}), {
    ok: false,
    reason: 'the action takes no settings: its info names none',
  });
  t.regex((await x.shoot('1-2', true)).failure ?? '', /makes no previews/);
  t.is(readFileSync(join(x.dir, 'told'), 'utf8'), 'fire');
});

test('an error outside of a shot is told before the shot, fails it unfired, and can be mended', async t => {
  const x = new Program(
    t,
    modern(
      "say(existsSync('../mended') ? 'ready' : 'error no camera, is it plugged in?');",
    ).replace('import {appendFileSync', 'import {existsSync, appendFileSync'),
  );
  x.program.arm();
  const state = await x.until(({phase}) => phase === 'unable');
  t.is(state.error, 'no camera, is it plugged in?');
  const end = await x.shoot();
  t.is(end.failure, 'the action is not ready: no camera, is it plugged in?');
  t.is(end.firedAt, undefined);
  writeFileSync(join(x.dir, 'mended'), '');
  x.program.arm();
  t.is((await x.shoot('1-2')).failure, undefined);
  t.is((await x.until(({phase}) => phase === 'ready')).error, '');
});

test('an error in the middle of a shot ends it', async t => {
  const x = new Program(
    t,
    modern("say('ready');", "if (line[0] === 'fire') { say('error the cable is off'); return; }"),
  );
  t.is((await x.shoot()).failure, 'the cable is off');
});

test('a program that dies while it is armed is named with its last words, and started again', async t => {
  const x = new Program(
    t,
    modern(
      "say('ready'); if (!existsSync('../died')) { writeFileSync('../died', ''); console.error('USB gone'); process.exit(3); }",
    ).replace('import {appendFileSync', 'import {existsSync, appendFileSync'),
  );
  x.program.arm();
  t.is((await x.until(({phase}) => phase === 'unable')).error, 'node ended with code 3: USB gone');
  await x.until(({phase}) => phase === 'ready'); // by itself, a second later
  t.true(existsSync(join(x.dir, 'died')));
});

test('a program that hangs while it is armed is killed and named', async t => {
  const x = new Program(t, modern('return;'), {timeoutMs: 1_000});
  x.program.arm();
  const {error} = await x.until(({phase}) => phase === 'unable');
  t.is(error, 'starting the action took longer than 1 s');
});

const SETS =
  "if (line[0] === 'settings') { const wanted = JSON.parse(text.slice(9)); appendFileSync('../sets', text + '\\n'); " +
  "say(wanted.gain === '99' ? 'failed settings gain goes from 1 to 16' : 'settings ' + JSON.stringify({gain: '1', ...wanted})); return; }";

test('settings are given, answered with what holds, and given again to the next life', async t => {
  const x = new Program(
    t,
    modern("say('ready');", `${SETS} if (shot === '1-9') process.exit(1);`),
    {
      settings: {gain: '3'},
    },
  );
  x.program.arm();
  t.deepEqual((await x.until(({phase}) => phase === 'ready')).settings, {gain: '3'});
  t.deepEqual(await x.program.set({gain: '2'}), {ok: true, settings: {gain: '2'}});
  t.deepEqual(await x.program.set({gain: '99'}), {ok: false, reason: 'gain goes from 1 to 16'});
  t.regex((await x.shoot('1-9')).failure ?? '', /code 1/);
  t.is((await x.shoot('1-2')).failure, undefined);
  t.deepEqual(readFileSync(join(x.dir, 'sets'), 'utf8').trim().split('\n'), [
    'settings {"gain":"3"}',
    'settings {"gain":"2"}',
    'settings {"gain":"99"}',
    'settings {"gain":"2"}',
  ]);
});

test('settings of an earlier life that are refused are named, and shots go on', async t => {
  const x = new Program(t, modern("say('ready');", SETS), {settings: {gain: '99'}});
  x.program.arm();
  const {error} = await x.until(state => state.phase === 'ready' && state.error !== '');
  t.is(error, 'the settings that were kept are refused: gain goes from 1 to 16');
  t.is((await x.shoot()).failure, undefined);
});

test('settings that nobody answers, or that come too late, end with a reason', async t => {
  const x = new Program(t, modern("say('ready');"), {timeoutMs: 3_000});
  x.program.arm();
  await x.until(({phase}) => phase === 'ready');
  const [first, second] = await Promise.all([
    x.program.set({gain: '1'}),
    x.program.set({gain: '2'}),
  ]);
  t.deepEqual(first, {ok: false, reason: 'other settings came meanwhile'});
  t.deepEqual(second, {ok: false, reason: 'the action did not say within 3 s what holds'});
  await x.program.close();
  t.deepEqual(await x.program.set({gain: '2'}), {ok: false, reason: 'the node is stopping'});
});

/** The example in this language in README.md. */
function example(language: string): string {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const section = readme.split('## Your own action\n')[1]?.split('\n## ')[0] ?? '';
  return section.split(`\`\`\`${language}\n`)[1]?.split('\n```')[0] ?? '';
}

test('the example in the shell is an action', async t => {
  const rig = new Rig(t, dir => {
    writeFileSync(join(dir, 'x.sh'), example('sh'));
    chmodSync(join(dir, 'x.sh'), 0o755);
    return {x: {argv: [join(dir, 'x.sh')], persistent: true}};
  });
  for (const shot of [1, 2]) {
    const end = await rig.shoot('x', {shot});
    t.is(end.failure, undefined);
    t.is(rig.textOf(end), `picture of 42-${shot}, asked for 1763672400123.250\n`);
  }
});

test('the example in Python is an action with a setting and previews', async t => {
  const x = new Program(t, '', {argv: ['python3', '-c', example('python')]});
  t.deepEqual(await x.program.set({text: 'two words'}), {ok: true, settings: {text: 'two words'}});
  t.deepEqual(await x.program.set({gain: '2'}), {ok: false, reason: 'there is no setting gain'});
  const end = await x.shoot('1-1', true);
  t.is(end.failure, undefined);
  t.is(readFileSync(join(x.dir, 'shots', '1-1.jpg'), 'utf8'), 'two words 1-1 0.000 []');
  t.deepEqual(await x.program.set({}), {ok: true, settings: {text: 'hello'}});
});

test('a row of shots arms its action once', async t => {
  const rig = rigOf(t, modern("say('ready'); appendFileSync('../arms', 'x');"));
  rig.runner.arm('x');
  const fireAt = clock.now().mono;
  for (const shot of [1, 2, 3]) rig.fire('x', {shot, fireAt});
  await rig.until(3);
  t.true(readFileSync(join(rig.dir, 'arms'), 'utf8').length <= 2);
});
