// Folders of js apps: one script of all their modules, the same bytes each time; what will not do is refused by name.

import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import test from 'ava';
import {readAppFolder} from '../../src/io/app-folder.ts';
import {JS_BYTES_MAX} from '../../src/wire/limits.ts';
import {temporaryFolder} from '../rig/folders.ts';
import {ROOT, RunnerRig} from './runner-rig.ts';

const APP = {
  name: 'hello',
  version: '1.0.0',
  runtime: 'js',
  module: 'main.ts',
  limits: {timeSeconds: 10, memoryMib: 16, outputBytes: 1_000},
};
const RUN = 'export const run = (input: {text(): string}): string => input.text();\n';

function folderOf(files: Readonly<Record<string, string>>, change: object = {}): string {
  const folder = temporaryFolder('js');
  const all = {'app.json': JSON.stringify({...APP, ...change}), ...files};
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), {recursive: true});
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** A package of this repository, for a folder that is elsewhere: a link, as workspaces have them. */
function link(folder: string, name: string, place = join(ROOT, 'node_modules', name)): string {
  const path = join(folder, 'node_modules', name);
  mkdirSync(dirname(path), {recursive: true});
  symlinkSync(place, path);
  return folder;
}

test('TypeScript and what it imports from npm become one script, always the same', async t => {
  t.timeout(170_000);
  const files = {
    'main.ts': `import {bytesToHex} from '@noble/curves/utils.js';
      import {upper, type Text} from './lib/upper.ts';
      import table from './table.json';
      import own from 'own';
      /*! a licence that speaks of <!-- and import('x') */
      export function run(input: {text(): Text}): string {
        return upper(input.text()) + bytesToHex(new Uint8Array([171])) + table.length + own;
      }`,
    'lib/upper.ts':
      'export type Text = string; export const upper = (t: Text): Text => t.toUpperCase();',
    'table.json': '[1, 2, 3]',
    'node_modules/own/package.json': '{"name": "own", "main": "x.js"}',
    'node_modules/own/x.js': 'module.exports = "own" + process.env.NODE_ENV;',
  };
  const first = await readAppFolder(link(folderOf(files), '@noble/curves'));
  const again = await readAppFolder(link(folderOf(files), '@noble/curves'));
  t.deepEqual(first, again);
  const {manifest, module = new Uint8Array(0)} = first;
  t.is(manifest.js?.size, module.length);
  t.deepEqual(Object.keys(manifest), [
    ...['format', 'name', 'version', 'description', 'runtime', 'js', 'limits'],
  ]);
  const rig = new RunnerRig().add(manifest, module);
  t.teardown(() => rig.runner.close());
  t.is(await rig.story(rig.run('hello', 'abc')), 'done ABCab3ownproduction');
});

const FAULTS: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
  [
    "a module of Node's",
    {'main.ts': `import './a.ts';\n${RUN}`, 'a.ts': "\nimport 'node:fs';"},
    /a\.ts:2: an app cannot import "node:fs"/,
  ],
  [
    'one without node:',
    {'main.ts': `import 'fs/promises';\n${RUN}`},
    /main\.ts:1: an app cannot import "fs\/promises"/,
  ],
  [
    'a package that is not there',
    {'main.ts': `import 'no-such-thing';\n${RUN}`},
    /main\.ts:1: Could not resolve "no-such-thing"/,
  ],
  ['a syntax error', {'main.ts': 'export const run = 1;\nlet = ;'}, /main\.ts:2: /],
  ['no function run', {'main.ts': 'export const walk = 1;'}, /exports no function run/],
  [
    'import() of what is not known',
    {'main.ts': 'export const run = (m: any) => import(m.text());'},
    /main\.ts: SyntaxError: Possible import expression rejected/,
  ],
  [
    'a promise that is rejected when it is loaded',
    {'main.ts': `${RUN} Promise.reject(new Error('too early'));`},
    /main\.ts: a promise was rejected while it was loaded, .*too early/,
  ],
  [
    'a mistake that shows when it is loaded',
    {'main.ts': `${RUN} throw new Error('too early');`},
    /main\.ts: Error: too early/,
  ],
];

test('nothing of the machine gets into the script but the app and its packages', async t => {
  const secret = join(
    folderOf({'secret.txt': 'token', 'secret.js': 'export default 1;'}),
    'secret',
  );
  const away = (text: string) => ({
    'main.ts': `import it from 'own'; export const run = () => it;`,
    'node_modules/own/package.json': '{"name": "own", "main": "x.js", "imports": {"#b": "b"}}',
    'node_modules/own/x.js': text,
    'node_modules/b/package.json': '{"name": "b", "main": "./b.js"}',
    'node_modules/b/b.js': 'export {default} from "./c.js";',
    'node_modules/b/c.js': 'export default "aliased";',
  });
  const refused = async (folder: string, reason: RegExp): Promise<void> => {
    const error = await t.throwsAsync(readAppFolder(folder), {code: 'VOLLEY_BAD_APP'});
    t.regex(String(error), reason);
  };
  const texts = [
    `\nimport t from '${secret}.txt' with {type: 'text'}; export default t;`,
    `\nimport t from '${secret}.js'; export default t;`,
    `\nimport t from '${'../'.repeat(3)}${basename(dirname(secret))}/secret.txt'; export default t;`,
    `\nexport default require('${secret}.txt');`,
  ];
  for (const text of texts)
    await refused(folderOf(away(text)), /own\/x\.js:2: an app cannot import ".*secret.*neither/);
  const linked = folderOf(away(`export {default} from './y.js';`));
  symlinkSync(`${secret}.js`, join(linked, 'node_modules/own/y.js'));
  await refused(linked, /own\/x\.js:1: an app cannot import "\.\/y\.js"/);
  const main = folderOf({'main.ts': `import t from 'p/secret.txt'; export const run = () => t;`});
  await refused(link(main, 'p', dirname(secret)), /main\.ts:1: an app cannot import "p\/secret/);
  const many = folderOf({});
  symlinkSync(dirname(secret), join(many, 'x'));
  writeFileSync(join(many, 'main.ts'), `export const run = i => import('./x/' + i + '.js');`);
  await refused(many, /main\.ts:1: .*secret\.js is no file of the app/);
  for (const url of ['https://example.org/x.js', 'file:///x.js'])
    await refused(
      folderOf({'main.ts': `\nimport t from '${url}'; export const run = () => t;`}),
      /main\.ts:2: an app cannot import "(https|file):.*install it with npm/,
    );
  const aliased = await readAppFolder(folderOf(away(`export {default} from '#b';`)));
  t.true(new TextDecoder().decode(aliased.module).includes('aliased'));
});

test('a js app that no node would run is refused, with file and line', async t => {
  t.timeout(170_000);
  await Promise.all(
    FAULTS.map(async ([title, files, reason]) => {
      const error = await t.throwsAsync(readAppFolder(folderOf(files)), {code: 'VOLLEY_BAD_APP'});
      t.regex(String(error), reason, title);
    }),
  );
  const refused = async (folder: string, code: string, reason: RegExp): Promise<void> => {
    const error = await t.throwsAsync(readAppFolder(folder), {code});
    t.regex(String(error), reason);
  };
  await refused(folderOf({}), 'VOLLEY_INPUT_MISSING', /main\.ts/);
  await refused(folderOf({}, {module: '../main.ts'}), 'VOLLEY_BAD_APP', /"module" must name/);
  await refused(folderOf({'main.ts': RUN}, {action: 'x'}), 'VOLLEY_BAD_APP', /"action"/);
  const large = `${RUN}export const text = '${'x'.repeat(JS_BYTES_MAX)}';`;
  await refused(
    folderOf({'main.ts': large}),
    'VOLLEY_TOO_LARGE',
    /main\.ts with all that it imports is \d+ bytes; at most 4194304/,
  );
});

test('a module of npm may have the name of one of Node', async t => {
  const files = {
    'main.ts': "import events from 'events'; export const run = () => events;",
    'node_modules/events/package.json': '{"name": "events", "main": "x.js"}',
    'node_modules/events/x.js': 'module.exports = "from npm";',
  };
  const {manifest, module} = await readAppFolder(folderOf(files));
  t.true(new TextDecoder().decode(module).includes('from npm'));
  t.is(manifest.runtime, 'js');
});
