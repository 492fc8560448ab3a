import {spawn} from 'node:child_process';
import {createSocket} from 'node:dgram';
import {once} from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {processTree} from '../../src/io/process-memory.ts';
import type {ProcessRunner, RunnerOptions} from '../../src/io/runner.ts';
import {findProgram, type Jail, NO_JAIL, possibleJails} from '../../src/io/sandbox.ts';
import {findJail} from '../../src/io/sandbox-probe.ts';
import {program} from '../rig/tools.ts';
import {compile, HOSTILE, isAlive, manifestOf, RunnerRig, until} from './runner-rig.ts';

// ava runs the titles below whatever is here; each says why when it cannot be shown.
const NODE = realpathSync(process.execPath);
const isRoot = process.getuid?.() === 0;
const bwrap = program('bwrap', 'bubblewrap');
const JAILS: readonly Jail[] = possibleJails('path' in bwrap ? bwrap.path : undefined);
const jailOf = (level: number): Jail | undefined =>
  level === 0 ? NO_JAIL : JAILS.find(jail => jail.level === level);

/** A jail of this level that works here, or undefined after saying why there is none. */
async function working(t: ExecutionContext, level: number): Promise<Jail | undefined> {
  const jail = jailOf(level);
  if (level === 0) return NO_JAIL;
  let reason = 'reason' in bwrap ? bwrap.reason : 'only a node that is root has it';
  if (jail !== undefined) {
    const {Found} = await compiled();
    const found = await Found('auto', folder(t), [jail]);
    if (found.jail.level === level) {
      t.log(`a runner starts and answers in ${found.startMs.toFixed(0)} ms (${jail.about})`);
      return jail;
    }
    reason = found.tried[0]?.reason ?? '';
  }
  t.log(`skipped: no sandbox of level ${level} here: ${reason}`);
  t.pass();
  return undefined;
}

/** As they are shipped: namespaces need a runner that reads nothing but our own code. */
async function compiled() {
  const at = (file: string) => new URL(`../../dist/io/${file}.js`, import.meta.url).href;
  const {ProcessRunner: Runner} = await import(at('runner'));
  const {findJail: Found} = await import(at('sandbox-probe'));
  return {
    Runner: Runner as new (options: RunnerOptions) => ProcessRunner,
    Found: Found as typeof findJail,
  };
}

/** Others may enter it, so that a user of its own can. */
function folder(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'volley-sandbox-'));
  chmodSync(dir, 0o755);
  t.teardown(() => rmSync(dir, {recursive: true, force: true}));
  return dir;
}

// ---- what code outside of the engine can do -----------------------------------------------------

/** Allowed at the level, beside what is allowed at the next. */
const ALLOWED: Readonly<Record<number, readonly string[]>> = {
  // A process of the same engine, in the same namespaces and under the same limits.
  3: ['start the engine again'],
  2: ['start the engine again'],
  1: [
    ...['start the engine again', 'start a shell', 'list /home'],
    ...['connect to loopback by TCP', 'send to loopback by UDP', 'multicast to the cluster'],
    'ask a name server',
    // Without root the runner is the node's own user.
    ...(isRoot
      ? []
      : [
          ...['read the node key', 'list the home folder', 'signal the node'],
          ...["read the node's environment", "open the node's memory"],
        ]),
  ],
};

async function attack(t: ExecutionContext, jail: Jail): Promise<Record<string, string>> {
  const dir = folder(t);
  const secret = join(dir, 'node.keys');
  writeFileSync(secret, 'secret', {mode: 0o600});
  const script = join(dir, 'attacks.mjs');
  copyFileSync(fileURLToPath(new URL('attacks.mjs', import.meta.url)), script);
  const work = join(dir, 'work');
  mkdirSync(work);
  chmodSync(work, 0o777);
  const server = createServer(socket => socket.destroy()).listen(0, '127.0.0.1');
  const names = createSocket('udp4').bind(0, '127.0.0.1');
  // Answers every question with the same "no such name": enough to know that it was heard.
  const heard: string[] = [];
  names.on('message', (question, from) => {
    heard.push(String(question));
    const answer = Buffer.from(question);
    if (answer.length < 12) return;
    answer.writeUInt16BE(0x8183, 2);
    names.send(answer, from.port, from.address);
  });
  await Promise.all([once(server, 'listening'), once(names, 'listening')]);
  t.teardown(() => {
    server.close();
    names.close();
  });
  const settings = {
    secret,
    nodePid: process.pid,
    tcpPort: (server.address() as {port: number}).port,
    udpPort: names.address().port,
  };
  const place = {dir: work, niceness: 0, memoryMib: 1, readable: [NODE, script]};
  const child = jail.start([NODE, script, JSON.stringify(settings)], place);
  let text = '';
  let said = '';
  child.stdout?.on('data', chunk => {
    text += chunk;
  });
  child.stderr?.on('data', chunk => {
    said += chunk;
  });
  await once(child, 'close');
  t.not(text, '', said);
  const results = JSON.parse(text) as Record<string, string>;
  // Behind all that came: a namespace has a loopback of its own, where a datagram is sent to nobody.
  names.send('end', names.address().port, '127.0.0.1');
  await until(() => heard.includes('end'));
  if (!heard.includes('stolen')) results['send to loopback by UDP'] = 'sent to nobody';
  // That the name is not known was told by the name server.
  if (results['ask a name server'] === 'ENOTFOUND') results['ask a name server'] = 'allowed';
  return results;
}

for (const level of [0, 1, 2, 3])
  test.serial(
    `level ${level}: what code outside of the engine can do is what is written`,
    async t => {
      if (process.platform !== 'linux') return t.pass('needs Linux');
      const jail = await working(t, level);
      if (jail === undefined) return;
      const results = await attack(t, jail);
      for (const [what, result] of Object.entries(results)) t.log(`${what}: ${result}`);
      // At level 0 the account of the node decides, and nothing is promised.
      if (level === 0) return t.is(results['start the engine again'], 'allowed');
      const allowed = Object.keys(results).filter(what => results[what] === 'allowed');
      const surplus = allowed.filter(what => !ALLOWED[level]?.includes(what));
      t.deepEqual(surplus, [], `level ${level} lets these through`);
      t.true(Object.keys(results).length - allowed.length >= 7);
    },
  );

// ---- what a module can do -----------------------------------------------------------------------

const CASES: readonly [string, RegExp][] = [
  ['Hello', /^done Hello$/],
  ['trap', /^trapped: unreachable$/],
  ['flood', /^outputTooLarge/],
  ['recursion', /^outOfMemory: stack overflow$/],
  ['pointer', /^trapped: a WASI call got a bad pointer$/],
  ['loop', /^timedOut: not done within 300 ms$/],
  ['Again', /^done Again$/],
];

for (const level of [0, 1, 2, 3])
  test.serial(`level ${level}: a hostile module gets the same ends`, async t => {
    if (process.platform !== 'linux') return t.pass('needs Linux');
    const jail = await working(t, level);
    if (jail === undefined) return;
    const hostile = await compile(HOSTILE);
    const {Runner} = await compiled();
    const rig = new RunnerRig({jail}, Runner).add(manifestOf('hostile'), hostile);
    t.teardown(() => rig.runner.close());
    for (const [input, expected] of CASES) {
      // Only what never ends is to run into the limit, however slow the machine is today.
      const timeLimitMs = input === 'loop' ? 300 : 60_000;
      t.regex(await rig.story(rig.run('hostile', input, {timeLimitMs})), expected);
    }
    const grown = (await rig.bytes(rig.run('hostile', 'memory'))).readUInt32LE();
    t.true(grown < 64, 'memory grows to 4 MiB and no further');
    const world = await rig.bytes(rig.run('hostile', 'world'));
    t.is(world.readUInt32LE(40), 76, 'path_open is not capable');
    await rig.runner.close();
    t.deepEqual(rig.runner.pids, []);
  });

// ---- the jail itself ----------------------------------------------------------------------------

test.serial('what is in namespaces ends when its node is killed', async t => {
  if (process.platform !== 'linux') return t.pass('needs Linux');
  const jail = await working(t, 2);
  if (jail === undefined || !('path' in bwrap)) return;
  const dist = new URL('../../dist/io/sandbox.js', import.meta.url).href;
  const place = {dir: folder(t), niceness: 0, memoryMib: 1, readable: [NODE]};
  const source = `
    import {possibleJails} from ${JSON.stringify(dist)};
    const jail = possibleJails(${JSON.stringify(bwrap.path)}).find(one => one.level === 2);
    const argv = [${JSON.stringify(NODE)}, '-e', 'console.log(1);for(;;);'];
    const child = jail.start(argv, ${JSON.stringify(place)});
    child.stdout.once('data', () => console.log(child.pid));`;
  const parent = spawn(NODE, ['--input-type=module', '-e', source]);
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const tree = processTree(Number(line));
  t.true(tree.length > 1, 'bubblewrap and what is in it');
  parent.kill('SIGKILL');
  t.true(await until(() => !tree.some(isAlive)), `${tree.filter(isAlive)} live on`);
});

test('an owner who requires namespaces where there are none is told so', async t => {
  const error = await t.throwsAsync(findJail('require', folder(t), []), {
    code: 'VOLLEY_BAD_CONFIG',
  } as never);
  t.regex(error?.message ?? '', /install bubblewrap/);
  const off = await findJail('off', folder(t), JAILS);
  t.is(off.jail, NO_JAIL);
});

test('a jail that does not work is passed over, with its reason', async t => {
  const broken: Jail = {
    level: 2,
    about: 'broken',
    start: (_argv, {dir}) =>
      spawn('/bin/sh', ['-c', 'echo no such luck >&2; exit 7'], {
        cwd: dir,
        stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      }),
  };
  const {jail, tried} = await findJail('auto', folder(t), [broken]);
  t.is(jail, NO_JAIL);
  t.deepEqual(tried, [{about: 'broken', reason: 'the runner ended (exit code 7): no such luck'}]);
});

test('a reason is one line: the error without its stack, and in plain words for another user', async t => {
  const source = `
    const error = new Error("spawn /srv/node EACCES");
    setTimeout(() => { throw error; });`;
  const failing: Jail = {
    level: 1,
    about: 'own user',
    user: 65_534,
    start: (_argv, {dir}) =>
      spawn(NODE, ['-e', source], {cwd: dir, stdio: ['pipe', 'pipe', 'pipe', 'pipe']}),
  };
  const {tried} = await findJail('auto', folder(t), [failing]);
  t.is(
    tried[0]?.reason,
    'the user of runners (65534) may not read all that a runner needs: ' +
      'the runner ended (exit code 1): Error: spawn /srv/node EACCES',
  );
});

test('programs are looked for in absolute folders only', t => {
  t.is(findProgram('sh', '.:bin:/nowhere'), undefined);
  t.regex(findProgram('sh', '/nowhere:/usr/bin:/bin') ?? '', /^\/(usr\/)?bin\/sh$/);
});

test('an app that demands more than the sandbox gives is refused', async t => {
  const rig = new RunnerRig();
  t.teardown(() => rig.runner.close());
  rig.add(manifestOf('strict', {sandboxLevel: 2}), await compile(HOSTILE));
  t.is(
    await rig.story(rig.run('strict', '')),
    'refused: the app demands a sandbox of level 2, this node has 0',
  );
});
