import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test from 'ava';
import {addMono, asCaptureId} from '../../src/base/types.ts';
import {ActionRunner} from '../../src/io/actions.ts';
import type {ActionSpec} from '../../src/io/allowed-actions.ts';
import {clock, commandRig, HONEST, Rig, rigOf, speaking} from './action-rig.ts';

const WRITE_FILE = "require('fs').writeFileSync(process.argv[1], process.argv.slice(2).join('|'))";

test('a persistent action fires, and its file becomes a blob with a bare name', async t => {
  const rig = rigOf(t, speaking(HONEST));
  const end = await rig.shoot('x');
  t.is(end.failure, undefined);
  t.is(end.captureId, asCaptureId(42));
  t.is(end.shot, 1);
  t.deepEqual(
    end.files.map(file => file.name),
    ['42-1.jpg'],
  );
  t.is(end.files[0]?.size, rig.textOf(end).length);
  t.is(rig.textOf(end), 'picture of fire 42-1 42-1.jpg 1763672400123.250');
  t.true((end.firedAt ?? 0) <= end.doneAt);
  t.deepEqual(readdirSync(rig.shots), []);
});

test('arguments reach a persistent action as a JSON list', async t => {
  const rig = rigOf(t, speaking(HONEST));
  const end = await rig.shoot('x', {args: ['two words', '"']});
  t.true(rig.textOf(end).endsWith(' ["two words","\\""]'));
});

test.serial('no shot fires before its instant', async t => {
  const rig = rigOf(t, speaking(HONEST));
  rig.runner.arm('x');
  const late: number[] = [];
  for (const [shot, leadMs] of [1_000, 1.3, 5, 0, 20.7, 3.2, 47.5, 2, 9.9].entries()) {
    const fireAt = addMono(clock.now().mono, leadMs);
    const end = await rig.shoot('x', {shot, fireAt});
    t.is(end.failure, undefined);
    late.push((end.firedAt ?? 0) - fireAt);
  }
  t.log(`late by ${late.map(ms => ms.toFixed(2)).join(' ')} ms`);
  for (const ms of late) t.true(ms >= 0);
});

test('a shot that waits is called back, one that is under way is not', async t => {
  const rig = rigOf(t, speaking(`setTimeout(() => { ${HONEST} }, 300);`));
  rig.runner.arm('x');
  const now = clock.now().mono;
  rig.fire('x', {shot: 1, fireAt: now});
  for (const shot of [2, 3, 4]) rig.fire('x', {shot, fireAt: addMono(now, 400 + shot)});
  rig.fire('x', {captureId: asCaptureId(43), shot: 2, fireAt: addMono(now, 500)});
  const captureId = asCaptureId(42);
  for (const shot of [1, 2, 4]) rig.runner.cancel({type: 'cancelShot', captureId, shot});
  t.deepEqual(
    rig.ends.map(({shot, firedAt, failure, unfired}) => [shot, firedAt, failure, unfired]),
    [2, 4].map(shot => [shot, undefined, 'cancelled by the operator', 'cancelled']),
    'at once',
  );
  await rig.until(5);
  t.deepEqual(
    rig.ends.slice(2).map(({captureId, shot, failure}) => [captureId, shot, failure]),
    [
      [42, 1, undefined],
      [42, 3, undefined],
      [43, 2, undefined],
    ].map(([id, ...rest]) => [asCaptureId(id ?? 0), ...rest]),
  );
});

test('a firing that the action dates outside of what can be is dated when it was heard', async t => {
  for (const claim of ['1', '9e15', 'NaN', '']) {
    const rig = rigOf(t, speaking(`fired(shot, '${claim}'); ${HONEST.slice(13)}`));
    const end = await rig.shoot('x', {fireAt: addMono(clock.now().mono, 100)});
    t.is(end.failure, undefined, claim);
    t.true((end.firedAt ?? 0) >= 0 && (end.firedAt ?? 0) <= end.doneAt);
  }
});

test('shots of one action fire one after the other, in the order of their instants', async t => {
  const rig = rigOf(t, speaking(`fired(shot); setTimeout(() => {${HONEST}}, 30);`));
  const now = clock.now().mono;
  rig.fire('x', {shot: 3, fireAt: addMono(now, 450)});
  rig.fire('x', {shot: 1, fireAt: addMono(now, 400)});
  rig.fire('x', {shot: 2, fireAt: addMono(now, 401)});
  await rig.until(3);
  t.deepEqual(
    rig.ends.map(end => [end.shot, end.failure]),
    [
      [1, undefined],
      [2, undefined],
      [3, undefined],
    ],
  );
  const [first, second] = rig.ends;
  t.true((second?.firedAt ?? 0) >= (first?.doneAt ?? 0));
});

test('an armed program serves many shots', async t => {
  const rig = rigOf(t, speaking(HONEST, "appendFileSync('../starts', 'x');"));
  rig.runner.arm('x');
  for (let shot = 1; shot <= 3; shot++) t.is((await rig.shoot('x', {shot})).failure, undefined);
  t.is(readFileSync(join(rig.dir, 'starts'), 'utf8'), 'x');
});

test('an action that the owner did not name is forbidden, and nothing is started', async t => {
  const rig = new Rig(t, () => ({}));
  const end = await rig.shoot('camera');
  t.is(end.firedAt, undefined);
  t.is(end.failure, 'the owner of this node does not allow "camera"');
  t.is(end.unfired, 'forbidden');
  for (const name of ['__proto__', 'constructor', '../x', ''])
    t.is((await rig.shoot(name)).unfired, 'forbidden');
});

test('an action that dies fails its shot with its last words, and the next shot starts it anew', async t => {
  const rig = rigOf(
    t,
    speaking(
      `if (shot === '42-1') { fired(shot); console.error('no\\nsensor'); process.exit(3); } ${HONEST}`,
    ),
  );
  const end = await rig.shoot('x', {shot: 1});
  t.regex(end.failure ?? '', /^node ended with code 3: sensor$/);
  t.deepEqual(end.files, []);
  t.is((await rig.shoot('x', {shot: 2})).failure, undefined);
});

test('an action that dies before it is ready fails its shot', async t => {
  const rig = rigOf(t, 'process.exit(1)');
  const end = await rig.shoot('x', {fireAt: addMono(clock.now().mono, 20)});
  t.is(end.firedAt, undefined);
  t.regex(end.failure ?? '', /ended with code 1/);
});

test('an action that ends well in the middle of a shot still fails it', async t => {
  const rig = rigOf(t, speaking('process.exit(0);'));
  t.is((await rig.shoot('x')).failure, 'the action ended before the shot was done');
});

test.serial('an action that hangs is killed at the time limit with all it started', async t => {
  const rig = rigOf(
    t,
    speaking(
      "fired(shot); write(file); setInterval(() => appendFileSync('../alive', 'x'), 20);",
      "const {spawn} = await import('node:child_process');" +
        "spawn('sleep', ['1000'], {stdio: 'ignore'}).on('spawn', function () { writeFileSync('../child', String(this.pid)); });",
    ),
    {timeoutMs: 2_500},
  );
  const end = await rig.shoot('x');
  t.is(end.failure, 'the action took longer than 2.5 s');
  t.not(end.firedAt, undefined);
  t.deepEqual(readdirSync(rig.shots), []);
  await rig.runner.close();
  const child = Number(readFileSync(join(rig.dir, 'child'), 'utf8'));
  for (let tries = 0; !isGone(child) && tries < 100; tries++) await sleep(20); // it was told, and dies when it runs
  t.true(isGone(child));
});

/** Not there, or dead and not yet collected by its parent. */
function isGone(pid: number): boolean {
  const path = `/proc/${pid}/stat`;
  return !existsSync(path) || readFileSync(path, 'utf8').includes(') Z ');
}

test('an action that never gets ready runs into the time limit', async t => {
  const rig = rigOf(t, 'setInterval(() => {}, 1000)', {timeoutMs: 300});
  const end = await rig.shoot('x');
  t.is(end.failure, 'starting the action took longer than 0.3 s');
  t.is(end.firedAt, undefined);
});

test('an action may say that a shot failed, and goes on', async t => {
  const rig = rigOf(
    t,
    speaking(
      `if (shot === '42-1') { fired(shot); say('failed 42-1 lens cap is on'); return; } ${HONEST}`,
    ),
  );
  const end = await rig.shoot('x', {shot: 1});
  t.is(end.failure, 'lens cap is on');
  t.not(end.firedAt, undefined);
  t.is((await rig.shoot('x', {shot: 2})).failure, undefined);
});

test('an action that is done without having fired is not believed', async t => {
  const rig = rigOf(t, speaking("write(file); say('done ' + shot + ' ' + file);"));
  const end = await rig.shoot('x');
  t.is(end.failure, 'the action was done without having fired');
  t.is(end.firedAt, undefined);
});

test('lines that are noise, late or of other shots change nothing', async t => {
  const noise =
    "say(''); say('done'); say('done 42-9 42-9.jpg'); say('hello'); say('ready'); say('failed 7-7 x');";
  const rig = rigOf(t, speaking(`${noise} ${HONEST} ${noise}`, noise));
  const end = await rig.shoot('x');
  t.is(end.failure, undefined);
  t.is(end.files.length, 1);
});

const LIES: readonly [string, string, RegExp][] = [
  ['a file outside of its folder', "say('done ' + shot + ' ../secret');", /not a file of shot/],
  ['an absolute path', "say('done ' + shot + ' /etc/passwd');", /not a file of shot/],
  ['a path through its folder', "say('done ' + shot + ' 42-1.d/../../secret');", /not a file/],
  ['a file of another shot', "write('42-2.jpg'); say('done ' + shot + ' 42-2.jpg');", /not a file/],
  [
    'a file that is not there',
    "say('done ' + shot + ' ' + file);",
    /42-1\.jpg, which is not there/,
  ],
  ['an empty file', "write(file, ''); say('done ' + shot + ' ' + file);", /42-1\.jpg is empty/],
  ['no file', "say('done ' + shot);", /made no file/],
  ['a file twice', "write(file); say('done ' + shot + ' ' + file + ',' + file);", /twice/],
  [
    'a link',
    "symlinkSync('../secret', file); say('done ' + shot + ' ' + file);",
    /not a plain file/,
  ],
  [
    'too many files',
    "const names = Array.from({length: 9}, (_, i) => shot + '-' + i + '.jpg'); names.forEach(name => write(name)); say('done ' + shot + ' ' + names.join(','));",
    /9 files; at most 8/,
  ],
];

for (const [what, lie, reason] of LIES) {
  test(`an action that names ${what} has fired and failed, and nothing is taken`, async t => {
    const rig = rigOf(t, speaking(`fired(shot); ${lie}`));
    writeFileSync(join(rig.dir, 'secret'), 'key');
    const end = await rig.shoot('x');
    t.regex(end.failure ?? '', reason);
    t.not(end.firedAt, undefined);
    t.deepEqual(end.files, []);
    t.is(rig.blobs.size, 0);
    t.deepEqual(
      readdirSync(rig.shots).filter(name => name.startsWith('42-1')),
      [],
    );
  });
}

test('several files of one shot are kept in the order that the action gives', async t => {
  const rig = rigOf(
    t,
    speaking(
      "fired(shot); write('42-1-raw.dng', 'raw'); write(file, 'jpg'); say('done ' + shot + ' ' + file + ',42-1-raw.dng');",
    ),
  );
  const end = await rig.shoot('x');
  t.is(end.failure, undefined);
  t.deepEqual(
    end.files.map(file => file.name),
    ['42-1.jpg', '42-1-raw.dng'],
  );
  t.is(rig.textOf(end, 1), 'raw');
});

test('a command is started at the instant, its places filled in, and no shell sees them', async t => {
  const rig = commandRig(t, WRITE_FILE, ['{file}', '{shot}', 'at={at}', '{args}', '$HOME;{x}']);
  const fireAt = addMono(clock.now().mono, 30);
  const end = await rig.shoot('x', {fireAt, args: ['{shot}', '; rm -rf /']});
  t.is(end.failure, undefined);
  t.true((end.firedAt ?? 0) >= fireAt);
  t.is(rig.textOf(end), '42-1|at=1763672400123.250|{shot}|; rm -rf /|$HOME;{x}');
  t.deepEqual(
    end.files.map(file => file.name),
    ['42-1.jpg'],
  );
});

test('a command without a place for arguments takes none', async t => {
  const rig = commandRig(t, WRITE_FILE, ['{file}', 'x']);
  const end = await rig.shoot('x', {args: ['-o', '/etc/passwd']});
  t.is(end.failure, 'the action takes no arguments');
  t.is(end.firedAt, undefined);
});

test('a command that is missing, fails, hangs or makes nothing says so', async t => {
  const missing = new Rig(t, () => ({x: {argv: ['/nowhere/rpicam-still', '{file}']}}));
  const end = await missing.shoot('x');
  t.is(end.failure, 'rpicam-still is not installed');
  t.is(end.firedAt, undefined);
  const failing = commandRig(t, "console.error('no cameras available'); process.exit(255)");
  t.is((await failing.shoot('x')).failure, 'node ended with code 255: no cameras available');
  const hanging = commandRig(t, 'setInterval(() => {}, 1000)', [], {timeoutMs: 300});
  t.is((await hanging.shoot('x')).failure, 'the action took longer than 0.3 s');
  const idle = commandRig(t, '0', ['{file}']);
  t.is((await idle.shoot('x')).failure, 'the action made no file');
  const killed = commandRig(t, "process.kill(process.pid, 'SIGTERM')");
  t.is((await killed.shoot('x')).failure, 'node was killed by SIGTERM');
  const cursed = commandRig(t, '0', ['{args}']);
  t.regex((await cursed.shoot('x', {args: ['a\0b']})).failure ?? '', /could not be started/);
});

test('an action that writes 5 GB is ended long before its time limit, and nothing of it stays', async t => {
  const source = "const {truncateSync} = await import('node:fs');";
  const rig = rigOf(
    t,
    speaking(
      "fired(shot); write(file); truncateSync(file, 5e9); if (shot === '42-2') say('done ' + shot + ' ' + file);",
      source,
    ),
  );
  const hanging = await rig.shoot('x');
  t.is(
    hanging.failure,
    'the action wrote more than 268435456 bytes into a file; make its pictures smaller',
  );
  t.not(hanging.firedAt, undefined);
  t.regex(
    (await rig.shoot('x', {shot: 2})).failure ?? '',
    /5000000000 bytes; too many|wrote more than/,
  );
  t.deepEqual(readdirSync(rig.shots), []);
});

test('an action that fills the disk is ended, whether it is kept running or not', async t => {
  const full = {fileBytes: 1_000, freeBytes: Number.MAX_SAFE_INTEGER};
  const reason = /^the disk of the node is nearly full: .* make room there$/;
  const rig = rigOf(t, speaking('fired(shot); write(file);'), {}, full);
  t.regex((await rig.shoot('x')).failure ?? '', reason);
  const dir = (): Record<string, Partial<ActionSpec>> => ({
    y: {argv: [process.execPath, '-e', 'setInterval(() => {}, 1000)']},
  });
  t.regex((await new Rig(t, dir, full).shoot('y')).failure ?? '', reason);
});

test('a command that is given no file name is not asked for a file', async t => {
  const end = await commandRig(t, '0').shoot('x');
  t.is(end.failure, undefined);
  t.not(end.firedAt, undefined);
  t.deepEqual(end.files, []);
});

test.serial('no action sees our own variables', async t => {
  process.env['VOLLEY_TOKEN'] = 'secret';
  t.teardown(() => delete process.env['VOLLEY_TOKEN']);
  const rig = commandRig(
    t,
    "require('fs').writeFileSync(process.argv[1], JSON.stringify(process.env))",
    ['{file}'],
  );
  const text = rig.textOf(await rig.shoot('x'));
  t.true(text.includes('"PATH"'));
  t.false(text.includes('VOLLEY_TOKEN'));
});

test('closing ends every shot exactly once and kills what runs', async t => {
  const rig = rigOf(t, speaking("fired(shot); writeFileSync('../pid', String(process.pid));"));
  rig.fire('x', {shot: 1});
  rig.fire('x', {shot: 2});
  rig.fire('x', {shot: 3, fireAt: addMono(clock.now().mono, 60_000)});
  while (!existsSync(join(rig.dir, 'pid'))) await new Promise(resolve => setTimeout(resolve, 5));
  await rig.runner.close();
  await rig.runner.close();
  t.deepEqual(rig.ends.map(end => end.shot).sort(), [1, 2, 3]);
  for (const end of rig.ends) t.is(end.failure, 'the node is stopping');
  t.is((await rig.shoot('x', {shot: 4})).failure, 'the node is stopping');
  t.true(isGone(Number(readFileSync(join(rig.dir, 'pid'), 'utf8'))));
});

test('pictures that a crash left in the folder are cleared, other files are not', t => {
  const dir = mkdtempSync(join(tmpdir(), 'volley-left-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  mkdirSync(join(dir, 'shots'), {mode: 0o700});
  writeFileSync(join(dir, 'shots', '7-1.jpg'), 'old');
  writeFileSync(join(dir, 'shots', 'notes.txt'), 'mine');
  new ActionRunner({
    dir: join(dir, 'shots'),
    actions: new Map(),
    clock,
    tell: () => {},
    putFile: () => Promise.reject(new Error('unused')),
  });
  t.deepEqual(readdirSync(join(dir, 'shots')), ['notes.txt']);
});
