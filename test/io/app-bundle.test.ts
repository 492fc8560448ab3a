// Apps with files of their own: packed from their folder, unpacked for a program that the owner allowed, run.

import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {asBlobId, type BlobId} from '../../src/base/types.ts';
import {signApp} from '../../src/core/app.ts';
import {decodeBundle, encodeBundle} from '../../src/core/app-bundle.ts';
import {BundleFolders} from '../../src/io/app-bundle.ts';
import {readAppFolder} from '../../src/io/app-folder.ts';
import {AppSource} from '../../src/io/app-source.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import type {RunnerOptions} from '../../src/io/runner.ts';
import {fillArgv} from '../../src/io/runner-exec.ts';
import {BUNDLE_BYTES_MAX} from '../../src/wire/limits.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {program} from '../rig/tools.ts';
import {manifestOf, RunnerRig} from './runner-rig.ts';

const LIMITS = {timeSeconds: 20, memoryMib: 256, outputBytes: 10_000};
const APP = {name: 'py', version: '1.0.0', runtime: 'exec', action: 'python', limits: LIMITS};
const idOf = (bytes: Uint8Array): BlobId =>
  asBlobId(createHash('sha256').update(bytes).digest('hex'));

/** The folder of an author. */
function folderOf(files: Readonly<Record<string, string>>, change: object = {}): string {
  const folder = temporaryFolder('app');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), {recursive: true});
    writeFileSync(join(folder, path), text);
  }
  const app = {...APP, files: Object.keys(files), ...change};
  writeFileSync(join(folder, 'app.json'), JSON.stringify(app));
  return folder;
}

const bundleOf = (files: Readonly<Record<string, string>>): Uint8Array =>
  encodeBundle(Object.entries(files).map(([path, text]) => ({path, bytes: toUtf8(text)})));

// ---- the author's end ---------------------------------------------------------------------------

test('the same files make the same app, in whatever order they are named', async t => {
  const files = {'main.py': 'print(1)', 'lib/x.py': 'X = 1', 'data.bin': '\0'};
  const first = await readAppFolder(folderOf(files));
  const folder = folderOf(files, {files: ['lib/x.py', 'main.py', 'data.bin']});
  chmodSync(join(folder, 'main.py'), 0o700);
  t.deepEqual(await readAppFolder(folder), first);
  const {manifest, module = new Uint8Array()} = first;
  t.deepEqual(manifest.bundle, {blobId: idOf(module), size: module.length});
  const opened = decodeBundle(module);
  t.is(opened.kind, 'files');
  const paths = opened.kind === 'files' ? opened.files.map(({path}) => path) : [];
  t.deepEqual(paths, ['data.bin', 'lib/x.py', 'main.py']);
});

test('what may not be signed is refused by name', async t => {
  const refused = async (folder: string, code: string, reason: RegExp): Promise<void> => {
    const error = await t.throwsAsync(readAppFolder(folder), {code});
    t.regex(String(error), reason);
  };
  const BAD = 'VOLLEY_BAD_APP';
  const one = {'main.py': ''};
  await refused(folderOf(one, {files: ['gone.py']}), 'VOLLEY_INPUT_MISSING', /gone\.py/);
  await refused(folderOf(one, {files: ['../main.py']}), BAD, /path inside the folder/);
  await refused(folderOf(one, {files: ['main.py', 'main.py']}), BAD, /named twice/);
  await refused(folderOf(one, {files: []}), BAD, /must be 1 to 256/);
  await refused(folderOf(one, {files: 'main.py'}), BAD, /"files" must be a list/);
  await refused(folderOf(one, {files: [7]}), BAD, /"files" must be a list/);
  await refused(folderOf(one, {runtime: 'wasm'}), BAD, /"files" goes with the runtime "exec"/);
  await refused(folderOf({'lib/x.py': ''}, {files: ['lib']}), BAD, /lib is not a file/);
  const linked = folderOf(one, {files: ['main.py', 'l.py', 'dir/passwd']});
  symlinkSync('main.py', join(linked, 'l.py'));
  symlinkSync('/etc', join(linked, 'dir'));
  await refused(linked, BAD, /dir\/passwd is a link, or lies behind one/);
  execFileSync('mkfifo', [join(linked, 'pipe')]);
  writeFileSync(join(linked, 'app.json'), JSON.stringify({...APP, files: ['pipe']}));
  await refused(linked, BAD, /pipe is not a file/);
  const large = folderOf({a: '', b: 'b'});
  truncateSync(join(large, 'a'), BUNDLE_BYTES_MAX);
  await refused(large, 'VOLLEY_TOO_LARGE', /8388609/);
});

// ---- the node's end -----------------------------------------------------------------------------

const foldersIn = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir).sort() : []);

test('files are unpacked once, for reading alone, and are gone with the process', async t => {
  const dir = join(temporaryFolder('bundles'), 'bundles');
  const folders = new BundleFolders(dir, () => false);
  const blob = bundleOf({'lib/x.py': 'X = 1', 'main.py': 'print(1)'});
  const [folder, again] = await Promise.all([
    folders.folderOf(idOf(blob), blob),
    folders.folderOf(idOf(blob), blob),
  ]);
  t.is(folder, again);
  t.is(readFileSync(join(folder, 'lib/x.py'), 'utf8'), 'X = 1');
  for (const path of ['', 'lib', 'lib/x.py', 'main.py'])
    t.is(statSync(join(folder, path)).mode & 0o777, 0o555, path);
  t.is(foldersIn(dir).length, 1);
  folders.close();
  t.false(existsSync(dir));
});

test('files that somebody changed are unpacked anew, beside what may still run', async t => {
  const dir = join(temporaryFolder('bundles'), 'bundles');
  const used = new Set<string>();
  const folders = new BundleFolders(dir, folder => used.has(folder));
  t.teardown(() => folders.close());
  const blob = bundleOf({'lib/x.py': 'X = 1', 'main.py': 'print(1)'});
  const get = () => folders.folderOf(idOf(blob), blob);
  let folder = await get();
  for (const spoil of [
    () => writeFileSync(join(folder, 'main.py'), 'print(2)'),
    () => writeFileSync(join(folder, 'lib', 'more.py'), ''),
    () => truncateSync(join(folder, 'lib/x.py'), 0),
  ]) {
    for (const path of ['', 'lib', 'lib/x.py', 'main.py']) chmodSync(join(folder, path), 0o755);
    spoil();
    used.add(folder);
    const next = await get();
    t.not(next, folder);
    t.is(readFileSync(join(next, 'main.py'), 'utf8'), 'print(1)');
    folder = next;
  }
  t.is(foldersIn(dir).length, 4);
  used.clear();
  t.is(await get(), folder);
  t.is(foldersIn(dir).length, 1);
});

test('folders are bounded: those used longest ago go, unless something runs there', async t => {
  const dir = join(temporaryFolder('bundles'), 'bundles');
  let running = '';
  const folders = new BundleFolders(dir, folder => folder === running);
  t.teardown(() => folders.close());
  for (let no = 0; no < 20; no++) {
    const blob = bundleOf({main: String(no)});
    const folder = await folders.folderOf(idOf(blob), blob);
    if (no === 1) running = folder;
  }
  t.is(foldersIn(dir).length, 17);
  t.true(existsSync(running));
});

test('nothing of an earlier life is believed', async t => {
  const dir = join(temporaryFolder('bundles'), 'bundles');
  mkdirSync(join(dir, 'old', 'sub'), {recursive: true});
  chmodSync(join(dir, 'old'), 0o555);
  new BundleFolders(dir, () => false);
  t.false(existsSync(dir));
});

test('files that are not those of the manifest, or lead out of the folder, are no app', async t => {
  const crypto = new NodeCrypto();
  const keys = crypto.ed25519KeyPair();
  const good = bundleOf({'main.py': 'print(1)'});
  const escaping = toUtf8('volley-files 1\n[["../main.py",1]]\nx');
  const fetched = async (named: Uint8Array, served: Uint8Array) => {
    const bundle = {blobId: idOf(named), size: named.length};
    const manifest = manifestOf('py', {runtime: 'exec', action: 'python', bundle, limits: LIMITS});
    const signed = signApp(crypto, keys.secretKey, manifest);
    const fetchBlob = async (id: BlobId) => (id === bundle.blobId ? served : signed);
    const source = new AppSource({crypto, appKeys: () => [keys.publicKey], fetchBlob});
    return source.fetchApp(idOf(signed));
  };
  t.like(await fetched(good, good), {kind: 'app', module: good});
  const changed = good.slice();
  changed[changed.length - 1] = 0x32;
  t.like(await fetched(good, changed), {kind: 'missing'});
  t.like(await fetched(escaping, escaping), {kind: 'refused'});
});

// ---- runs ---------------------------------------------------------------------------------------

const SCRIPT = {
  'lib/words.py': 'def up(text):\n    return text.upper()\n',
  'main.py':
    'import sys\nfrom lib.words import up\n' +
    'sys.stdout.write(up(sys.stdin.read()) + " ".join(["", *sys.argv[1:]]))\n',
};
const LINES = new Map<string, readonly string[]>([
  ['python', ['python3', '-B', '{bundle}/main.py', '{args}']],
  ['plain', ['touch', 'ran']],
  ['where', ['sh', '-c', 'echo "$1"; ls "$1"', 'sh', '{bundle}']],
  ['own', ['{bundle}/run', '{1}']],
]);

function openRig(t: {teardown(act: () => unknown): void}, options: Partial<RunnerOptions> = {}) {
  const rig = new RunnerRig({actions: LINES, ...options});
  t.teardown(() => rig.runner.close());
  return rig;
}

const execApp = (name: string, action: string, blob?: Uint8Array) =>
  manifestOf(name, {
    ...{runtime: 'exec', action, limits: LIMITS},
    ...(blob ? {bundle: {blobId: idOf(blob), size: blob.length}} : {}),
  });

test.serial('a script of the app runs with the program that the owner allowed', async t => {
  const python = program('python3', 'python3-minimal');
  if ('reason' in python) return t.pass(`skipped: ${python.reason}`);
  const blob = bundleOf(SCRIPT);
  const rig = openRig(t).add(execApp('py', 'python', blob), blob);
  for (let run = 0; run < 2; run++)
    t.is(
      await rig.story(rig.run('py', 'hello', {args: ['a', '{bundle}']})),
      'done HELLO a {bundle}',
    );
  const [folder = ''] = foldersIn(join(rig.dir, 'bundles'));
  t.deepEqual(foldersIn(join(rig.dir, 'bundles', folder)), ['lib', 'main.py']);
  await rig.runner.close();
  t.false(existsSync(join(rig.dir, 'bundles')));
});

test.serial('a program among the files may be the one that runs', async t => {
  const blob = bundleOf({run: '#!/bin/sh\necho "got $1"; cat'});
  const rig = openRig(t).add(execApp('own', 'own', blob), blob);
  t.is(await rig.story(rig.run('own', 'in', {args: ['$(id)']})), 'done got $(id)\nin');
});

test.serial(
  'an owner who takes no files runs none, and one who does runs no app without',
  async t => {
    const blob = bundleOf({'main.py': 'print("never")'});
    const rig = openRig(t);
    rig.add(execApp('files', 'plain', blob), blob).add(execApp('none', 'where'));
    rig.add(execApp('unknown', 'other', blob), blob);
    t.is(
      await rig.story(rig.run('files', '')),
      'refused: the owner of this node does not allow programs from the app for the action "plain"',
    );
    t.false(existsSync(join(rig.dir, 'slot-0', 'ran')), 'nothing ran');
    t.regex(await rig.story(rig.run('none', '')), /^refused: .* runs a program from the app, and/);
    t.regex(
      await rig.story(rig.run('unknown', '')),
      /^refused: .* does not allow the action "other"/,
    );
    t.deepEqual(foldersIn(join(rig.dir, 'bundles')), [], 'nothing was unpacked');
  },
);

test('the folder is filled in once: what args hold is no place', t => {
  const line = ['{bundle}/{1}', '{args}', 'x{bundle}y{2}'];
  t.deepEqual(fillArgv(line, ['{bundle}', '{2}'], '/f{1}'), [
    '/f{1}/{bundle}',
    ...['{bundle}', '{2}'],
    'x/f{1}y{2}',
  ]);
});
