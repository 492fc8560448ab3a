// `volley app init`: what is refused leaves nothing behind; what it makes builds, tests and publishes as it stands, and
// computes the same in every language. All of it in one cluster, on which all templates are tried.

import {execFile} from 'node:child_process';
import {mkdir, readdir, readFile, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import test, {type ExecutionContext} from 'ava';
import {VolleyError} from '../../src/base/errors.ts';
import {appInitCommand} from '../../src/cli/app-init.ts';
import {missingOf, TEMPLATES, type Template} from '../../src/cli/app-templates.ts';
import {Given} from '../../src/cli/command.ts';
import {copyTemplate} from '../../src/cli/template-copy.ts';
import {signApp} from '../../src/core/app.ts';
import {OperatorClient} from '../../src/http/client.ts';
import {readAppFolder} from '../../src/io/app-folder.ts';
import {readOperatorToken, vaultPath} from '../../src/io/cluster-files.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {openVault} from '../../src/io/vault.ts';
import {readMasterPlace} from '../../src/library/master-place.ts';
import {
  type Cluster,
  masterFlags,
  newCluster,
  nodeFlags,
  PASSPHRASE,
  shownJoin,
  start,
  temporaryFolder,
  volley,
} from './rig.ts';

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));
const NAMES = TEMPLATES.map(({name}) => name);

/** Inputs, and what every language makes of them: 837799 passes 32 bits on its way; '' = the run fails. */
const ANSWERS: ReadonlyMap<string, string> = new Map([
  ['27', '{"start":27,"steps":111,"highest":9232}\n'],
  ['1000000', '{"start":1000000,"steps":152,"highest":1000000}\n'],
  ['837799', '{"start":837799,"steps":524,"highest":2974984576}\n'],
  ['1000001', ''],
  ['"27"', ''],
]);

test('without a template the templates are listed, one on a line', async t => {
  const {code, stdout} = await volley(['app', 'init']);
  t.is(code, 0);
  const words = stdout
    .trimEnd()
    .split('\n')
    .map(line => line.split(' ')[0]);
  t.deepEqual(words, NAMES);
  const unnamed = await volley(['app', 'init', 'hello']);
  t.is(unnamed.code, 2);
  t.is(unnamed.stdout, stdout);
  t.is(unnamed.stderr, 'volley: which of them? give --template\n');
});

test('what this machine lacks for a template is said, with what to install', async t => {
  const dir = await temporaryFolder(t);
  const bare = {PATH: '/nowhere'};
  const listed = await volley(['app', 'init', '--json'], bare);
  const rows = JSON.parse(listed.stdout) as {
    name: string;
    missing: {what: string; get: string}[];
  }[];
  t.deepEqual(
    rows.map(({name}) => name),
    NAMES,
  );
  const c = rows.find(({name}) => name === 'c');
  t.deepEqual(c?.missing[1], {what: 'clang', get: 'apt install clang'});
  const folder = join(dir, 'a b');
  const made = await volley(['app', 'init', 'hello', '--template', 'c', '--out', folder], bare);
  t.is(made.code, 0, made.stderr);
  t.true(made.stdout.includes('\n  clang: apt install clang\n'), made.stdout);
  const lines = [
    `  (cd '${folder}' && make)`,
    `  volley app test '${folder}' --input '${folder}/input.json'`,
    `  volley app publish '${folder}'`,
  ];
  t.deepEqual(made.stdout.trimEnd().split('\n').slice(-3), lines);
});

test('what cannot be made is refused, and nothing is left behind', async t => {
  const dir = await temporaryFolder(t);
  const at = (...path: string[]): string => join(dir, ...path);
  await mkdir(at('full'));
  await writeFile(at('full', 'mine.txt'), 'mine');
  await mkdir(at('empty'));
  await symlink(at('nowhere'), at('dangling'));
  const refused = async (
    name: string | undefined,
    template: string,
    words: RegExp,
    out = at('new'),
  ): Promise<void> => {
    const flags = new Map([
      ['template', [template]],
      ['out', [out]],
    ]);
    const given = new Given(name === undefined ? [] : [name], flags);
    const error = await t.throwsAsync(appInitCommand.run(given), {instanceOf: VolleyError});
    t.regex(error?.message ?? '', words);
  };
  await refused(undefined, 'c', /needs a name/);
  await refused('Hello', 'c', /^"Hello" is no name for an app: name must be 1 to 32 of a-z/);
  await refused('../hello', 'c', /is no name for an app/);
  await refused('', 'c', /is no name for an app/);
  await refused('h'.repeat(33), 'c', /is no name for an app/);
  await refused('hello', 'rusty', /no template "rusty"; did you mean "rust"/);
  await refused('hello', '../c', /no template/);
  await refused('hello', 'fortran', /no template "fortran"; there are .*assemblyscript/);
  await refused('hello', 'c', /full: it is there already; give another name/, at('full'));
  await refused('hello', 'c', /it is there already/, at('empty'));
  await refused('hello', 'c', /it is there already/, at('dangling'));
  await refused('hello', 'c', /it is a file/, at('full', 'mine.txt', 'x'));
  await refused('hello', 'c', /cannot write/, '/proc/new/hello');
  t.deepEqual((await readdir(dir, {recursive: true})).sort(), [
    'dangling',
    'empty',
    'full',
    'full/mine.txt',
  ]);
});

test('the folders above are made, and of a copy that fails nothing stays', async t => {
  const dir = await temporaryFolder(t);
  const files = await copyTemplate('rust', 'hello', join(dir, 'a/b'));
  t.true(files.includes('.gitignore') && files.includes('src/main.rs'), files.join());
  const texts = await Promise.all(files.map(file => readFile(join(dir, 'a/b', file), 'utf8')));
  t.false(texts.some(text => /my-app/.test(text)));
  t.is((JSON.parse(texts[files.indexOf('app.json')] ?? '') as {name: string}).name, 'hello');
  await t.throwsAsync(copyTemplate('none', 'hello', join(dir, 'c/d')));
  const long = join(dir, 'e', 'f'.repeat(300), 'g');
  await t.throwsAsync(copyTemplate('c', 'hello', long), {instanceOf: VolleyError});
  t.deepEqual(await readdir(dir), ['a']);
});

type Tried = {readonly cluster: Cluster; readonly client: OperatorClient; readonly apps: string};

/** As its README says; the compiler of AssemblyScript is ours, which npm would fetch. */
async function build(folder: string, {name, build: line}: Template): Promise<void> {
  if (line === undefined) return;
  if (name === 'assemblyscript') await symlink(MODULES, join(folder, 'node_modules'));
  const typed = line.replace('npm install && npm run', 'npm run -s');
  await new Promise<void>((done, failed) =>
    execFile('/bin/sh', ['-c', typed], {cwd: folder}, (error, out, stderr) =>
      error === null ? done() : failed(new Error(`${typed}\n${out}\n${stderr}`)),
    ),
  );
}

async function tryTemplate(
  t: ExecutionContext,
  {cluster, client, apps}: Tried,
  template: Template,
): Promise<void> {
  const [name, folder] = [`try-${template.name}`, join(apps, template.name)];
  await build(folder, template);
  const input = join(folder, 'input.json');
  const line = ['app', 'test', folder, '--input', input, '--times', 1, '--node-data', folder];
  const tested = await volley(line);
  t.is(tested.stdout, ANSWERS.get('27') ?? '', `${name}: ${tested.stderr}`);
  await publish(cluster, client, folder);
  const lines = join(apps, 'inputs.ndjson');
  const policy = ['--quorum', 1, '--max-errors', 1, '--wait'];
  await volley(['batch', 'submit', name, '--lines', lines, ...policy, '--data', cluster.data]);
  const batch = (await client.batches()).find(each => each.appName === name);
  const outputs: string[] = [];
  if (batch) for await (const {text} of client.results(batch.id)) outputs.push(text ?? '');
  t.deepEqual(outputs, [...ANSWERS.values()], name);
}

/** As `volley app publish` does; the passphrase of the vault costs half a second each time. */
async function publish(cluster: Cluster, client: OperatorClient, folder: string): Promise<void> {
  const {manifest, module} = await readAppFolder(folder);
  opened ??= openVault(vaultPath(cluster.data), PASSPHRASE);
  const signed = signApp(new NodeCrypto(), (await opened).appKey.secretKey, manifest);
  if (module !== undefined) await client.putBlob(once(module));
  await client.publish((await client.putBlob(once(signed))).blobId);
}

let opened: ReturnType<typeof openVault> | undefined;

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

test('every template builds, tests and publishes, and all give the same answers', async t => {
  t.timeout(170_000);
  const here = TEMPLATES.filter(template => {
    const missing = missingOf(template).map(({what}) => what);
    if (missing.length > 0) t.log(`skipped: ${template.name}, without ${missing.join(', ')}`);
    return missing.length === 0;
  });
  const cluster = await newCluster(t);
  const apps = join(cluster.dir, 'apps');
  for (const {name} of here) await copyTemplate(name, `try-${name}`, join(apps, name));
  await writeFile(join(apps, 'inputs.ndjson'), [...ANSWERS.keys(), ''].join('\n'));
  await mkdir(join(cluster.dir, 'n1'), {mode: 0o700});
  // What an owner writes who allows the program.
  const allowed = await readFile(join(apps, 'exec', 'node.json'));
  await writeFile(join(cluster.dir, 'n1', 'node.json'), allowed, {mode: 0o600});
  const master = start(t, ['master', ...masterFlags(cluster)]);
  await master.says('volley node --join');
  const join_ = ['--join', shownJoin(master), '--slots', 2];
  await start(t, ['node', ...nodeFlags(cluster, 'n1'), ...join_]).says('joined');
  const url = readMasterPlace(cluster.data)?.httpUrl ?? '';
  const client = new OperatorClient({url, token: readOperatorToken(cluster.data)});
  t.teardown(() => client.close());
  await Promise.all(here.map(template => tryTemplate(t, {cluster, client, apps}, template)));
  t.true(here.length >= 2, 'AssemblyScript comes with us, and a program needs no compiler');
});
