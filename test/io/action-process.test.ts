// Programs that are kept running: what they say and are told outside of shots.

import {chmodSync, existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {addMono} from '../../src/base/types.ts';
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
  const fireAt = addMono(clock.now().mono, 300);
  const ahead = await x.shoot('1-2', false, ['a b'], fireAt);
  t.is(readFileSync(join(x.dir, 'shots', '1-2.jpg'), 'utf8'), "hello 1-2 0.000 ['a b']");
  t.true((ahead.firedAt ?? 0) >= fireAt - 1);
});

test('an action that could not be ready is asked again by a shot on hearing', async t => {
  const rig = rigOf(
    t,
    modern("say(existsSync('../mended') ? 'ready' : 'error no camera');").replace(
      'import {appendFileSync',
      'import {existsSync, appendFileSync',
    ),
  );
  t.is((await rig.shoot('x')).failure, 'the action is not ready: no camera');
  writeFileSync(join(rig.dir, 'mended'), '');
  t.is((await rig.shoot('x', {shot: 2})).failure, undefined);
});

test('a row of shots arms its action once', async t => {
  const rig = rigOf(t, modern("say('ready'); appendFileSync('../arms', 'x');"));
  rig.runner.arm('x');
  const fireAt = clock.now().mono;
  for (const shot of [1, 2, 3]) rig.fire('x', {shot, fireAt});
  await rig.until(3);
  t.true(readFileSync(join(rig.dir, 'arms'), 'utf8').length <= 2);
});

/** Waits for its instant by the clock of the kernel; `meanwhile` happens while it waits, `fired` is what it says then. */
const timed = (meanwhile = '', fired = "'fired ' + shot + ' 0 ' + now()"): string =>
  speaking(
    `if (text === 'arm') { say('ready'); return; }
     appendFileSync('../told', line[0] + ' ');
     if (line[0] !== 'fireat') { fired(shot); write(file); return say('done ' + shot + ' ' + file); }
     ${meanwhile}
     setTimeout(() => {
       while (now() < Number(line[5])) {}
       say(${fired});
       write(file);
       say('done ' + shot + ' ' + file);
     }, Number(line[5]) - now() - 5);`,
    `const now = () => Number(process.hrtime.bigint()) / 1e6;
     say('info ' + JSON.stringify({model: 'm', timed: true}));`,
  ).replace("say('ready');\n", '');

async function readyTimed(t: ExecutionContext, source: string): Promise<Program> {
  const x = new Program(t, source);
  t.is(x.program.aheadMs, 0, 'one that is not ready is not told ahead');
  x.program.arm();
  await x.until(({phase}) => phase === 'ready');
  t.true(x.program.aheadMs > 0);
  return x;
}

test('a timed program is told ahead, waits for the instant itself, and its own clock counts', async t => {
  const x = await readyTimed(t, timed());
  const fireAt = addMono(clock.now().mono, 150);
  const end = await x.shoot('1-1', false, [], fireAt);
  t.is(end.failure, undefined);
  t.true((end.firedAt ?? 0) >= fireAt && (end.firedAt ?? 0) <= end.doneAt, `${end.firedAt}`);
  t.is((await x.shoot('1-2')).failure, undefined, 'an instant that is over: at once');
  t.is((await x.shoot('1-3', false, [], addMono(clock.now().mono, 100))).failure, undefined);
  t.is(readFileSync(join(x.dir, 'told'), 'utf8'), 'fireat fire fireat ');
});

test('a timed program that fires before the instant is told to have done so', async t => {
  const source = timed(
    "say('fired ' + shot + ' 0 ' + now()); write(file); say('done ' + shot + ' ' + file); return;",
  );
  const x = await readyTimed(t, source);
  const fireAt = addMono(clock.now().mono, 150);
  const {firedAt} = await x.shoot('1-1', false, [], fireAt);
  t.true((firedAt ?? Number.POSITIVE_INFINITY) < fireAt - 50);
});

test('an error while a timed program waits does not end its shot, which it fires all the same', async t => {
  const x = await readyTimed(t, timed("say('error the lamp is cold'); say('ready');"));
  const end = await x.shoot('1-1', false, [], addMono(clock.now().mono, 100));
  t.is(end.failure, undefined);
  t.not(end.firedAt, undefined);
  t.true(x.states.some(({error}) => error === 'the lamp is cold'));
});

test('an instant that a timed program cannot have fired at is not believed', async t => {
  for (const fired of ["'fired ' + shot + ' 0 17'", "'fired ' + shot + ' x'", "'fired ' + shot"]) {
    const x = await readyTimed(t, timed('', fired));
    const fireAt = addMono(clock.now().mono, 50);
    const end = await x.shoot('1-1', false, [], fireAt);
    t.true((end.firedAt ?? 0) >= fireAt - 0.1 && (end.firedAt ?? 0) <= end.doneAt, fired);
  }
});

test('a timed program that does not fire is given its time limit from the instant on', async t => {
  const source = timed('return;');
  const x = new Program(t, source, {timeoutMs: 2_000});
  x.program.arm();
  await x.until(({phase}) => phase === 'ready');
  const [since, fireAt] = [clock.now().mono, addMono(clock.now().mono, 1_000)];
  const end = await x.shoot('1-1', false, [], fireAt);
  t.is(end.failure, 'the action took longer than 2 s');
  t.true(end.doneAt - since >= 2_900);
});
