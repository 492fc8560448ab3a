// `volley map` and the library against one small cluster of real processes.

import {execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import test, {type ExecutionContext} from 'ava';
import type {BatchView} from '../../src/core/views.ts';
import {type Cluster, openCluster, PROGRAM, until} from '../rig/cluster.ts';
import {MAIN} from './rig.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FENCE = /^```(\w+)\n([\s\S]*?)^```$/gm;

let cluster: Cluster;
let env: Record<string, string>;
let folder: string;

test.before(async t => {
  t.timeout(170_000);
  cluster = await openCluster(2);
  folder = join(cluster.dir, 'work');
  // `volley` as installed, and a program that imports it.
  mkdirSync(join(folder, 'node_modules'), {recursive: true});
  mkdirSync(join(folder, 'bin'));
  symlinkSync(ROOT, join(folder, 'node_modules/volley'));
  const script = `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`;
  writeFileSync(join(folder, 'bin/volley'), script, {mode: 0o755});
  const PATH = `${join(folder, 'bin')}:${dirname(process.execPath)}:${process.env['PATH']}`;
  env = {...(process.env as Record<string, string>), PATH, VOLLEY_HOME: '/nonexistent/volley'};
  const master = join(cluster.dir, 'master');
  env['VOLLEY_URL'] = JSON.parse(readFileSync(join(master, 'master.json'), 'utf8')).httpUrl;
  env['VOLLEY_TOKEN'] = readFileSync(join(master, 'operator.token'), 'utf8').trim();
});

test.after.always(() => cluster?.close());

type Ran = {readonly code: number; readonly stdout: string; readonly stderr: string};

/** A line as it would be typed. */
async function sh(line: string, timeout = 60_000): Promise<Ran> {
  const options = {cwd: folder, env, timeout, maxBuffer: 64 * 1_048_576};
  try {
    return {code: 0, ...(await promisify(execFile)('bash', ['-c', line], options))};
  } catch (error) {
    const {code, stdout, stderr} = error as Ran;
    return {code, stdout, stderr};
  }
}

const batches = (): Promise<readonly BatchView[]> => cluster.client.batches();
const running = async () => (await batches()).filter(({state}) => state === 'running');
const gone = () =>
  until(async () => (await batches()).length === 0 || undefined, 'an empty list', 30_000);

async function empty(): Promise<void> {
  for (const {id} of await batches()) await cluster.client.deleteBatch(id, true);
}

/** Fenced blocks of one language in a section of README.md. */
function blocksIn(title: string, language: string): string[] {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, section = ''] = readme.split(`\n## ${title}\n`);
  const own = section.split('\n## ')[0] ?? '';
  return [...own.matchAll(FENCE)]
    .filter(([, word]) => word === language)
    .map(([, , text]) => text ?? '');
}

test.serial('the pipes of README.md print what it says', async t => {
  t.timeout(170_000);
  const blocks = blocksIn('As a pipe', 'console');
  t.is(blocks.length, 2);
  for (const block of blocks)
    for (const shown of block.split(/^\$ /m).slice(1)) {
      const [command = '', ...lines] = shown.split('\n');
      const {stdout} = await sh(`{ ${command}; } 2>&1`);
      t.is(stdout, lines.join('\n'), command);
    }
  await gone();
});

test.serial(
  'the program of README.md compiles as a consumer of the package, and prints what it says',
  async t => {
    t.timeout(170_000);
    const [program = '', extra] = blocksIn('As a library', 'ts');
    t.is(extra, undefined);
    writeFileSync(join(folder, 'example.mjs'), program);
    const {stdout, stderr, code} = await sh('node example.mjs');
    t.is(code, 0, stderr);
    t.is(stdout, blocksIn('As a library', 'text')[0] ?? '');
    // Were the types of the package not found, nothing of it would be an error.
    const wrong = '// @ts-expect-error\nawait cluster.map(1).nothing;\n';
    writeFileSync(
      join(folder, 'example.mts'),
      program.replace('await cluster.close', `${wrong}$&`),
    );
    symlinkSync(join(ROOT, 'node_modules/@types'), join(folder, 'node_modules/@types'));
    const flags = '--noEmit --strict --module nodenext --target es2022 --types node --skipLibCheck';
    const compiled = await sh(
      `node '${ROOT}/node_modules/typescript/bin/tsc' ${flags} example.mts`,
    );
    t.is(compiled.stdout, '');
    await empty();
  },
);

test.serial(
  'bad lines stop or are skipped; failed ones are told; the exit code says so',
  async t => {
    t.timeout(170_000);
    const stopped = await sh(`printf '1\\n2\\nx\\n4\\n' | volley map echo`);
    t.is(stopped.code, 2);
    t.is(stopped.stdout, '1\n2\n');
    t.regex(stopped.stderr, /^volley: input refused: line 3 is not JSON/);
    const skipped = await sh(`printf '1\\nx\\n3\\n' | volley map echo --bad-lines skip`);
    t.is(skipped.code, 0);
    t.is(skipped.stdout, '1\n3\n');
    t.regex(skipped.stderr, /line 2 is not JSON.*: skipped\nvolley: 1 line skipped\n$/);
    const failing = `printf '0 10\\n\\nnone\\n10 20\\n' | volley map --text primes --max-errors 1`;
    const failed = await sh(failing);
    t.is(failed.code, 1);
    t.is(failed.stdout, '4\n4\n');
    t.regex(failed.stderr, /^volley: line 3 failed: .+\nvolley: 1 line failed\n$/);
    const {stdout} = await sh(`${failing} --json`);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map(row => JSON.parse(row));
    t.like(rows[0], {line: 1, state: 'done', text: '4\n'});
    t.like(rows[1], {line: 3, state: 'failed', input: 'none'});
    t.regex(rows[1].reason, /./);
    const large = await sh(`head -c 3000 /dev/zero | tr '\\0' x | volley map --text echo | wc -c`);
    t.is(large.stdout.trim(), '3001');
    for (const [line, reason] of [
      ['map nothing', /there is no app "nothing"/],
      ['map echo --bad-lines maybe', /--bad-lines must be stop or skip/],
      ['map echo --first-wins', /has no flag "--first-wins"/],
      ['map echo --resume .', /cannot write|is a folder|EISDIR/],
      ['map echo < .', /^volley: standard input is a folder; give lines$/m],
    ] as const) {
      const refused = await sh(`echo 1 | volley ${line}`);
      t.true(refused.code > 0, line);
      t.regex(refused.stderr, reason);
    }
    await gone();
  },
);

test.serial('a slow producer sees each result before it writes the next line', async t => {
  t.timeout(170_000);
  const child = spawn(process.execPath, [MAIN, 'map', 'echo'], {env});
  const heard: string[] = [];
  child.stdout.on('data', bytes => heard.push(...String(bytes).trimEnd().split('\n')));
  for (let i = 1; i <= 3; i++) {
    child.stdin.write(`${i}\n`);
    await until(() => heard.includes(String(i)) || undefined, `result ${i}`);
  }
  child.stdin.end();
  t.deepEqual(await once(child, 'close'), [0, null]);
  t.deepEqual(heard, ['1', '2', '3']);
});

test.serial('a reader that goes and Ctrl-C cancel what runs', async t => {
  t.timeout(170_000);
  const quiet = await sh(
    `(echo '0 10'; yes '0 100') | volley map --text primes | head -n 1; echo "\${PIPESTATUS[1]}"`,
  );
  t.is(quiet.stdout, '4\n0\n');
  t.is(quiet.stderr, '');
  await gone();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const child = spawn(process.execPath, [MAIN, 'map', '--text', 'primes'], {env});
    child.stdin.write('0 900000000\n'.repeat(40)); // each takes seconds
    let stderr = '';
    child.stderr.on('data', bytes => {
      stderr += String(bytes);
    });
    await until(async () => (await running()).length > 0 || undefined, 'a batch');
    child.kill(signal);
    const [code] = await once(child, 'close');
    t.is(code, 130, stderr);
    t.regex(stderr, /interrupted after 0 lines; the rest is cancelled/);
    await gone();
  }
});

/** What others wrote since is not cut off. Leaves `out` as it was, and returns its length. */
async function refusesTheirs(t: ExecutionContext, out: string): Promise<number> {
  const {length} = readFileSync(out);
  appendFileSync(out, 'theirs\n');
  const {code, stderr} = await sh('volley map echo --resume go.state --keep < numbers >> go.txt');
  t.is(code, 2);
  t.regex(stderr, /behind byte \d+ of standard output.* is not known to be its own/);
  t.is(readFileSync(out).length, length + 7);
  truncateSync(out, length);
  return length;
}

test.serial(
  'a run goes on after kill -9 of itself and of the master, and nothing is doubled',
  async t => {
    t.timeout(170_000);
    const count = 2_000;
    const wanted = Array.from({length: count}, (_, i) => `${i + 1}\n`).join('');
    const line = `seq ${count} | volley map echo --resume go.state --keep >> go.txt`;
    const out = join(folder, 'go.txt');
    const written = () => readFileSync(out, 'utf8').length;
    writeFileSync(out, '');
    const begin = () =>
      spawn('bash', ['-c', `exec ${line.split('| ')[1]} < numbers`], {env, cwd: folder});
    writeFileSync(join(folder, 'numbers'), wanted);
    const first = begin();
    await until(() => written() > 100 || undefined, 'the first results');
    first.kill('SIGKILL');
    await once(first, 'close');
    const before = await refusesTheirs(t, out);
    const second = begin();
    let stderr = '';
    second.stderr.on('data', bytes => {
      stderr += String(bytes);
    });
    await until(() => written() > before + 100 || second.exitCode !== null || undefined, 'more');
    await cluster.killMaster();
    const [code] = second.exitCode === null ? await once(second, 'close') : [second.exitCode];
    if (code !== 0) {
      t.is(code, 1, stderr);
      t.regex(stderr, /no master answers/);
      t.regex(stderr, /the same command goes on from here/);
    }
    await cluster.startMaster();
    await cluster.nodesUp(2);
    const changed = await sh(
      `(echo 0; seq 2 ${count}) | volley map echo --resume go.state --keep >> go.txt`,
    );
    if (code !== 0) {
      t.is(changed.code, 2);
      t.regex(changed.stderr, /the input has changed at line 1;/);
      const other = await sh(
        `seq ${count} | volley map echo --resume go.state --quorum 1 >> go.txt`,
      );
      t.regex(other.stderr, /its policy was \{\}, and is \{"minQuorum":1\}/);
      const lost = await sh(
        `cp go.txt kept; seq 9 | volley map echo --resume go.state --keep > go.txt; cat kept > go.txt`,
      );
      t.regex(lost.stderr, /go on with >> in place of >/);
    }
    const last = await sh(line);
    t.is(last.code, 0, last.stderr);
    t.is(readFileSync(out, 'utf8'), wanted);
    const all = await batches();
    t.is(new Set(all.map(({name}) => name)).size, all.length);
    t.is(
      all.reduce((sum, batch) => sum + batch.count, 0),
      count,
      'no line was computed twice',
    );
    t.false(existsSync(join(folder, 'go.state.lock')));
    await empty();
    rmSync(join(folder, 'go.state'));
  },
);

test.serial('a file of results that others append to loses nothing of theirs', async t => {
  t.timeout(170_000);
  const out = join(folder, 'shared.txt');
  writeFileSync(out, '');
  const text = () => readFileSync(out, 'utf8');
  const command = 'map echo --resume shared.state >> shared.txt';
  const line = `exec volley ${command} 2> shared.err`;
  const child = spawn('bash', ['-c', line], {env, cwd: folder});
  for (const n of [1, 2, 3]) {
    child.stdin.write(`${n}\n`);
    await until(() => text().includes(`${n}\n`) || undefined, `result ${n}`);
    if (n < 3) appendFileSync(out, `theirs, after ${n}\n`);
  }
  t.is(text(), '1\ntheirs, after 1\n2\ntheirs, after 2\n3\n');
  const stderr = readFileSync(join(folder, 'shared.err'), 'utf8');
  t.regex(stderr, /^volley: others write to standard output too: [^\n]*\n$/, 'it is said once');
  child.kill('SIGKILL');
  await once(child, 'close');
  const before = text();
  const last = await sh(`seq 5 | volley ${command}`);
  t.is(last.code, 0, last.stderr);
  t.true(text().startsWith(before));
  t.true(text().endsWith('4\n5\n'));
  await gone();
});

async function library() {
  const {connect} = await import('../../src/library/volley.ts');
  return connect({url: env['VOLLEY_URL'], token: env['VOLLEY_TOKEN']});
}

async function codeOf(act: Promise<unknown>): Promise<unknown> {
  return act.then(
    () => undefined,
    (error: {code?: string}) => error.code,
  );
}

test.serial('a program maps texts, bytes and JSON, and gets each back with its output', async t => {
  t.timeout(170_000);
  const volleys = await library();
  const inputs = ['', 'a\nb', new Uint8Array([0, 255, 10]), {a: 1}, 7, 'x'.repeat(2_000)];
  const outputs: unknown[] = [];
  for await (const {index, input, output} of volleys.map('echo', inputs)) {
    t.is(input, inputs[index] as never);
    outputs.push(Buffer.from(output).toString('latin1'));
  }
  t.deepEqual(outputs, ['', 'a\nb', '\0\xff\n', '{"a":1}', '7', 'x'.repeat(2_000)]);
  async function* slow() {
    yield {n: 1};
    yield {n: 2};
  }
  const some = volleys.map('echo', slow(), {minQuorum: 1}, {ordered: false});
  const seen: unknown[] = [];
  for await (const result of some) seen.push(result.json());
  t.deepEqual(seen.map(value => JSON.stringify(value)).sort(), ['{"n":1}', '{"n":2}']);
  await volleys.close();
});

test.serial(
  'a program that aborts, breaks off or meets a failure leaves nothing running',
  async t => {
    t.timeout(170_000);
    const volleys = await library();
    function* endless() {
      for (;;) {
        taken += 1;
        yield '0 10';
      }
    }
    let taken = 0;
    for await (const result of volleys.map('primes', endless(), {}, {ahead: 50})) {
      t.is(result.text().trim(), '4');
      if (result.index === 20) break;
    }
    t.true(taken <= 80, `${taken} were read`);
    await gone();
    const stop = new AbortController();
    const heavy = volleys.map('primes', ['0 900000000'], {}, {signal: stop.signal});
    const next = heavy.next();
    await until(async () => (await running()).length > 0 || undefined, 'a batch');
    stop.abort(new Error('enough'));
    await t.throwsAsync(next, {message: 'enough'});
    await gone();
    const bad = ['0 10', 'none', '10 20'];
    const policy = {maxErrorReplicas: 1};
    const read = async () => {
      for await (const result of volleys.map('primes', bad, policy)) t.is(result.index, 0);
    };
    await t.throwsAsync(read(), {code: 'VOLLEY_BATCH_FAILED', message: /input 1: /});
    const states: string[] = [];
    for await (const result of volleys.map('primes', bad, policy, {onFailure: 'yield'}))
      states.push(result.state);
    t.deepEqual(states, ['done', 'failed', 'done']);
    await gone();
    t.is(await codeOf(volleys.map('echo', [1], {}, {ahead: 0}).next()), 'VOLLEY_USAGE');
    t.is(await codeOf(volleys.map('echo', [undefined as never]).next()), 'VOLLEY_BAD_INPUT');
    await volleys.close();
  },
);

test.serial('a program submits a batch, waits for it, and fires the nodes', async t => {
  t.timeout(170_000);
  const volleys = await library();
  const batch = await volleys.submit('primes', ['0 10', 'none'], {policy: {maxErrorReplicas: 1}});
  const results: string[] = [];
  for await (const result of batch.results())
    results.push(result.state === 'done' ? result.text().trim() : result.state);
  t.deepEqual(results, ['4', 'failed']);
  t.is(await codeOf(batch.done()), 'VOLLEY_BATCH_FAILED');
  t.is((await batch.view()).failed, 1);
  const long = await volleys.submit('primes', {start: 0, end: 900_000_000, chunk: 900_000_000});
  t.is((await long.cancel()).state, 'cancelled');
  await empty();
  const report = await volleys.capture({action: 'testcard', leadMs: 100});
  t.deepEqual(
    report.rows.map(({verdict}) => verdict),
    ['fired', 'fired'],
  );
  t.deepEqual((await volleys.nodes()).map(({name}) => name).sort(), ['node0', 'node1']);
  await volleys[Symbol.asyncDispose]();
  const {connect} = await import('../../src/library/volley.ts');
  const wrong = connect({url: env['VOLLEY_URL'], token: '0'.repeat(64)});
  t.is(await codeOf(wrong), 'VOLLEY_UNAUTHORIZED');
});
