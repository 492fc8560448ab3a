// The rules of the house that neither the compiler nor the linter can hold. Each test shows first, on a
// bad sample, that its rule can fail; then it holds the rule against the repository.

import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {ERRORS} from '../src/base/errors.ts';
import {TABLES} from '../src/core/tables.ts';
import {BLOB_PORT} from '../src/http/blob-server.ts';
import {OPERATOR_PORT} from '../src/http/server.ts';
import {GROUP, GROUP_PORT, MASTER_PORT} from '../src/io/udp.ts';
import * as limits from '../src/wire/limits.ts';
import {CLOCK_EXCEPTIONS, TIMER_EXCEPTIONS} from './house/exceptions.ts';
import {breachesOfFloors, floorOf, importCycles, isCore, leaksOfGenerated} from './house/floors.ts';
import {
  commandsIn,
  commentsOf,
  differences,
  documentsIn,
  homelessTests,
  markedTests,
  membersOfUnion,
  pathsIn,
  pathsOutside,
  repeatedTitles,
  sectionOf,
  silentFields,
  tableRows,
  wideIntegers,
} from './house/papers.ts';
import {longFiles, longFunctions} from './house/sizes.ts';
import {type Finding, filesUnder, ROOT, readText, sourceOf, sourcesUnder} from './house/source.ts';
import {isBinary, strangersAtTop, trackedFiles} from './house/top-level.ts';
import {
  clockReaders,
  enums,
  looseDice,
  pendingReads,
  timerSetters,
  unnamedExports,
  withExceptions,
  wordsBannedInCore,
} from './house/words.ts';

const src = sourcesUnder('src');
const ours = src.filter(({path}) => !/^src\/(apps|templates)\//.test(path));
const tests = sourcesUnder('test');
const proto = readText('proto/volley.proto');
const PAPERS = ['README.md', 'src/README.md', 'test/README.md', 'deploy/README.md'];

/** Whole sources of a sample, `path` and text. */
const sample = (path: string, text: string) => [sourceOf(path, text)];

/** A list of findings as one text that a person can read. */
const told = (findings: readonly Finding[]): string => findings.join('\n');

test('a file imports its own floor or a lower one', t => {
  const bad = [
    sourceOf('src/core/a.ts', "import {x} from '../master/b.ts';"),
    sourceOf('src/master/b.ts', "import type {x} from '../node/c.ts';"),
    sourceOf('src/node/c.ts', "import {x} from 'node:fs'; export {y} from 'level';"),
    sourceOf('src/http/d.ts', "const x = await import('../io/e.ts');"),
    sourceOf('src/sim/f.ts', "import {x} from '../io/e.ts';"),
    sourceOf('src/apps/p/main.ts', "import {x} from '../../base/b.ts';"),
    sourceOf('src/templates/ts/main.ts', "import {x} from '../../apps/lib/wasi.ts';"),
    sourceOf('src/shed/g.ts', ''),
    sourceOf('src/cli/h.ts', "import {x} from '../shed/g.ts';"),
    sourceOf('src/library/j.ts', "import {x} from '../cli/k.ts';"),
  ];
  t.deepEqual(breachesOfFloors(bad), [
    'src/core/a.ts:1: imports the higher floor master',
    'src/master/b.ts:1: master imports node, its neighbour',
    'src/node/c.ts:1: the core imports node:fs from outside',
    'src/node/c.ts:1: the core imports level from outside',
    'src/http/d.ts:1: http imports io, its neighbour',
    'src/sim/f.ts:1: sim imports io, its neighbour',
    'src/apps/p/main.ts:1: an app imports src/base/b.ts',
    'src/templates/ts/main.ts:1: an app imports src/apps/lib/wasi.ts',
    'src/shed/g.ts:1: this room is on no floor',
    'src/cli/h.ts:1: src/shed/g.ts is on no floor',
    'src/library/j.ts:1: library imports cli, its neighbour',
  ]);
  const good = [
    sourceOf('src/sim/main.ts', "import {x} from '../io/crypto.ts';"),
    sourceOf('src/io/i.ts', "import {x} from 'node:fs'; import {y} from '../wire/limits.ts';"),
    sourceOf('src/cli/k.ts', "import {x} from '../library/j.ts';"),
  ];
  t.deepEqual(breachesOfFloors(good), []);
  t.is(told(breachesOfFloors(src)), '');
});

test('imports go round in no circle', t => {
  const bad = [
    sourceOf('src/core/a.ts', "import {b} from './b.ts';"),
    sourceOf('src/core/b.ts', "import {c} from './c.ts';"),
    sourceOf('src/core/c.ts', "import {b} from './b.ts';"),
  ];
  t.deepEqual(importCycles(bad), [
    'src/core/b.ts:1: cycle src/core/b.ts > src/core/c.ts > src/core/b.ts',
  ]);
  const types = [
    sourceOf('src/core/a.ts', "import {type B} from './b.ts';"),
    sourceOf('src/core/b.ts', "import type {A} from './a.ts';"),
  ];
  t.deepEqual(importCycles(types), [], 'types are gone when the program runs');
  t.is(told(importCycles(src)), '');
});

test('only the codec imports generated code', t => {
  const text = "import {volley} from './generated/volley.js';";
  t.is(leaksOfGenerated(sample('src/wire/session.ts', text)).length, 1);
  t.deepEqual(leaksOfGenerated(sample('src/wire/codec-work.ts', text)), []);
  t.is(told(leaksOfGenerated(src)), '');
});

test('the core has no clock, no dice, no timers, no waiting and no outside', t => {
  const words = [
    'Date.now()',
    'new Date()',
    'performance.now()',
    'Math.random()',
    'crypto.randomUUID()',
    'setTimeout(f, 1)',
    'clearInterval(x)',
    'setImmediate(f)',
    'process.exit()',
    'Buffer.from(x)',
    'console.log(x)',
    'async () => x',
    'fetch(x)',
  ];
  for (const word of words)
    t.true(wordsBannedInCore(sample('src/core/a.ts', `const x = ${word};`)).length > 0, word);
  t.is(wordsBannedInCore(sample('src/wire/a.ts', 'for await (const x of y) f(x);')).length, 1);
  t.is(wordsBannedInCore(sample('src/wire/a.ts', 'const x = await y;')).length, 1);
  const good =
    "// Date, await\nconst x = {process: 1, Date: 'await'}; f(x.process, x.performance);";
  t.deepEqual(wordsBannedInCore(sample('src/node/a.ts', good)), []);
  t.deepEqual(wordsBannedInCore(sample('src/io/a.ts', 'await process.exit()')), []);
  t.true(ours.filter(({path}) => isCore(path)).length > 30, 'the core was found');
  t.is(told(wordsBannedInCore(src)), '');
});

test('dice come from a seed everywhere', t => {
  t.is(looseDice(sample('src/io/a.ts', 'const x = Math.random();')).length, 1);
  t.is(told(looseDice(src)), '');
});

test('the clock is read in one place, and where an exception says why', t => {
  const bad = sample('src/http/a.ts', 'f(Date.now(), performance.now(), new Date(), Date.now);');
  t.is(clockReaders(bad).length, 4);
  t.is(withExceptions(clockReaders(bad), {'src/http/a.ts': 'why'}).length, 0);
  t.deepEqual(withExceptions([], {'src/http/a.ts': 'why'}), [
    'src/http/a.ts:1: needs its exception no longer',
  ]);
  t.deepEqual(clockReaders(sample('src/http/a.ts', 'new Date(wall).toISOString()')), []);
  const faces = ours.filter(({path}) => floorOf(path) === 5);
  t.is(told(withExceptions(clockReaders(faces), CLOCK_EXCEPTIONS)), '');
});

test('timers are set in one place, and where an exception says why', t => {
  const text = "import {setTimeout as sleep} from 'node:timers/promises'; clearTimeout(timer);";
  t.is(timerSetters(sample('src/http/a.ts', text)).length, 2);
  t.deepEqual(timerSetters(sample('src/http/a.ts', 'socket.setTimeout(0);')), []);
  const faces = ours.filter(({path}) => floorOf(path) === 5);
  t.is(told(withExceptions(timerSetters(faces), TIMER_EXCEPTIONS)), '');
});

test('nobody waits for one datagram', t => {
  t.is(pendingReads(sample('src/io/udp.ts', 'const x = await socket.recv();')).length, 1);
  t.is(pendingReads(sample('src/io/udp.ts', 'for await (const x of socket) f(x);')).length, 1);
  t.is(told(pendingReads(src)), '');
});

test('exports have names', t => {
  const bad = "export default 1; export * from './b.ts'; export {x as default};";
  t.is(unnamedExports(sample('src/io/a.ts', bad)).length, 3);
  t.is(unnamedExports(sample('src/io/a.ts', 'export default function f() {}')).length, 1);
  const good = 'switch (x) { default: f(); } export const y = 1;';
  t.deepEqual(unnamedExports(sample('src/io/a.ts', good)), []);
  t.is(told(unnamedExports([...src, ...tests])), '');
});

test('unions of texts take the place of enums', t => {
  t.is(enums(sample('src/io/a.ts', 'export enum Colour {Red}')).length, 1);
  t.is(enums(sample('src/io/a.ts', "const x = {enum: ['a']};")).length, 0);
  t.is(told(enums([...ours, ...tests])), '');
});

test('a file has at most 400 lines', t => {
  t.is(longFiles(sample('src/io/a.ts', 'x;\n'.repeat(401))).length, 1);
  t.deepEqual(longFiles(sample('src/io/a.ts', 'x;\n'.repeat(400))), []);
  t.is(told(longFiles([...src, ...tests])), '');
});

test('a function has at most 60 lines', t => {
  const body = (lines: number): string => '\n'.repeat(lines - 1);
  t.is(longFunctions(sample('src/io/a.ts', `function f() {${body(61)}}`)).length, 1);
  t.is(longFunctions(sample('src/io/a.ts', `class A { #f() {${body(61)}} }`)).length, 1);
  t.is(longFunctions(sample('src/io/a.ts', `const f = x => {${body(61)}};`)).length, 1);
  t.deepEqual(longFunctions(sample('src/io/a.ts', `function f() {${body(60)}}`)), []);
  t.is(told(longFunctions([...src, ...tests])), '');
});

test('no field of the protocol is a 64-bit integer', t => {
  for (const type of ['uint64', 'int64', 'sint64', 'fixed64', 'sfixed64'])
    t.is(wideIntegers('a.proto', `message A {\n  ${type} x = 1;\n}`).length, 1, type);
  t.deepEqual(wideIntegers('a.proto', '  double x = 1; // never int64'), []);
  t.is(told(wideIntegers('proto/volley.proto', proto)), '');
});

test('every field of the protocol is explained', t => {
  t.deepEqual(silentFields('a.proto', 'message A {\n  uint32 x = 1;\n}'), [
    'a.proto:2: nothing is said about uint32 x = 1;',
  ]);
  const lost = '// About A.\nmessage A {\n}\n\nmessage B {\n  repeated bytes x = 1;\n}';
  t.is(silentFields('a.proto', lost).length, 1, 'a blank line ends what a comment covers');
  const good = '// About A and B.\nmessage A {\n}\nmessage B {\n  bytes x = 1;\n}';
  t.deepEqual(silentFields('a.proto', good), []);
  t.deepEqual(silentFields('a.proto', 'message A {\n  bytes x = 1; // why\n}'), []);
  t.is(told(silentFields('proto/volley.proto', proto)), '');
});

test('the table of errors is the list of errors', t => {
  t.deepEqual(differences(['A', 'B'], ['B', 'C', 'C'], 'x.md'), [
    'x.md:1: A is in the code and not here',
    'x.md:1: C is here and not in the code',
    'x.md:1: C is here and not in the code',
    'x.md:1: C is here twice',
  ]);
  const table = '# One\n## Errors\n| `A` | when | 2 |\n### More\n| `B` | x | `1` |\n# Two\n| `C` |';
  t.deepEqual(tableRows(sectionOf(table, 'Errors')), [
    ['A', 'when', '2'],
    ['B', 'x', '1'],
  ]);
  const rows = tableRows(sectionOf(readText('src/README.md'), 'Errors'));
  const codes = rows.map(([code]) => code ?? '');
  t.is(told(differences(Object.keys(ERRORS), codes, 'src/README.md')), '');
  for (const [code, , exit] of rows)
    t.is(exit, String(ERRORS[code as keyof typeof ERRORS].exit), `exit code of ${code}`);
});

test('the table of drop reasons is the list of drop reasons', t => {
  const union = sourceOf('src/wire/a.ts', "export type DropReason =\n  | 'a'\n  | 'b';");
  t.deepEqual(membersOfUnion(union, 'DropReason'), ['a', 'b']);
  const link = sourceOf('src/wire/link.ts', readText('src/wire/link.ts'));
  const reasons = membersOfUnion(link, 'DropReason');
  t.true(reasons.length > 10, 'the reasons were found');
  const rows = tableRows(sectionOf(readText('src/README.md'), 'Drop reasons'));
  const written = rows.map(([reason]) => reason ?? '');
  t.is(told(differences(reasons, written, 'src/README.md')), '');
});

test('the tables of the store are those that are written down', t => {
  const rows = tableRows(sectionOf(readText('src/README.md'), 'Tables of the store'));
  const names = rows.map(([name]) => name ?? '');
  t.is(told(differences(Object.keys(TABLES), names, 'src/README.md')), '');
});

test('the map names every file of src and no other', t => {
  const map = tableRows(sectionOf(readText('src/README.md'), 'The map'));
  const named = map.map(([path]) => `src/${path}`);
  t.true(named.length > 50, 'the map was found');
  // A template is named as a whole: its files are those of any app in its language.
  const parts = filesUnder('src').map(path => path.replace(/^(src\/templates\/[^/]+)\/.*/, '$1'));
  const files = [...new Set(parts)].filter(path => path !== 'src/README.md');
  t.is(told(differences(files, named, 'src/README.md')), '');
});

test('every command is in README.md with an example', t => {
  const bad = "export const x: CommandSpec = {name: 'batch ls', run: f}; const y = {name: 'z'};";
  t.deepEqual(commandsIn(sample('src/cli/batch-ls.ts', bad)), ['batch ls']);
  const commands = commandsIn(src.filter(({path}) => path.startsWith('src/cli/')));
  t.true(commands.length >= 5, 'the commands were found in src/cli');
  const section = sectionOf(readText('README.md'), 'Commands');
  const missing = commands.filter(command => !section.includes(`\`volley ${command}`));
  t.deepEqual(missing, []);
});

test('README.md begins with the two commands that everybody needs', t => {
  const readme = readText('README.md');
  for (const command of ['npm ci && npm run demo', 'npm ci && npm test'])
    t.true(readme.includes(command), command);
});

test('the numbers of README.md are those of the code', t => {
  const section = sectionOf(readText('README.md'), 'Limits and numbers');
  const ports = [OPERATOR_PORT, GROUP_PORT, MASTER_PORT, BLOB_PORT].map(port => `port ${port}`);
  const counts = [limits.DATAGRAM_BYTES_MAX, limits.NODES_MAX, limits.WORKUNITS_PER_BATCH_MAX];
  const grouped = counts.map(count => count.toLocaleString('en'));
  for (const number of [GROUP, ...ports, ...grouped]) t.true(section.includes(number), number);
  t.false(section.includes('port 6275'), 'a number that is not there is missed');
});

test('every path and document that a README names is there', t => {
  const sampled = 'see `src/base/heap.ts`, test/house/ and [that](../src/README.md); not a/src/x';
  t.deepEqual(pathsIn(sampled), ['src/base/heap.ts', 'test/house']);
  t.deepEqual(documentsIn(sampled), ['../src/README.md']);
  const dead: Finding[] = [];
  for (const paper of PAPERS) {
    const text = readText(paper);
    for (const path of pathsIn(text))
      if (!existsSync(join(ROOT, path))) dead.push(`${paper}:1: names ${path}`);
    for (const document of documentsIn(text))
      if (!existsSync(join(ROOT, paper, '..', document)) && !existsSync(join(ROOT, document)))
        dead.push(`${paper}:1: names ${document}`);
  }
  t.is(told(dead), '');
});

test('no file names a place or a document that is not in the repository', t => {
  t.is(pathsOutside('src/io/a.ts', "const x = '../../../tools/x';").length, 1);
  t.is(pathsOutside('README.md', 'see ../elsewhere').length, 1);
  t.is(pathsOutside('README.md', 'in /root/volley').length, 1);
  t.deepEqual(pathsOutside('test/house/a.ts', "import x from '../../src/x.ts';"), []);
  t.deepEqual(
    commentsOf("f('a.md'); // see b.md\n/** and c.md */"),
    '// see b.md\n/** and c.md */',
  );
  const files = ['src', 'test', 'proto', 'deploy'].flatMap(filesUnder);
  const findings: Finding[] = [];
  for (const path of [...files, 'README.md', 'package.json']) {
    if (path.startsWith('test/house')) continue; // its samples are meant to be bad
    const text = readText(path);
    findings.push(...pathsOutside(path, text));
    const said = path.endsWith('.ts') ? commentsOf(text) : text;
    for (const document of documentsIn(said))
      if (!existsSync(join(ROOT, document)) && !existsSync(join(ROOT, path, '..', document)))
        findings.push(`${path}:1: names ${document}`);
  }
  t.is(told(findings), '');
});

test('a test file is named after its unit', t => {
  const units = ['src/wire/codec.ts', 'src/apps/primes/main.ts'];
  const files = [
    'test/house.test.ts',
    'test/wire/codec.test.ts',
    'test/wire/codec-golden.test.ts',
    'test/apps/primes.test.ts',
    'test/wire/rig.ts',
    'test/system/crash.test.ts',
    'test/wire/stuff.test.ts',
    'test/wire/codecs.test.ts',
  ];
  t.deepEqual(homelessTests(files, units), [
    'test/wire/stuff.test.ts:1: is named after no unit',
    'test/wire/codecs.test.ts:1: is named after no unit',
  ]);
  t.is(told(homelessTests(filesUnder('test'), filesUnder('src'))), '');
});

test('titles of tests are unique in their file, and no test is left out', t => {
  const bad = "test('a', f); test.serial('a', f); test('b', f); test.only('c', f);";
  t.deepEqual(repeatedTitles(sample('test/a.test.ts', bad)), [
    'test/a.test.ts:1: two tests are called "a"',
  ]);
  t.is(markedTests(sample('test/a.test.ts', bad)).length, 1);
  t.deepEqual(markedTests(sample('test/a.test.ts', 'const f = x ? test : test.skip;')), []);
  const real = tests.filter(({path}) => path.endsWith('.test.ts'));
  t.is(told(repeatedTitles(real)), '');
  t.is(told(markedTests(real)), '');
});

test('the top level and binaries are as they should be', t => {
  t.deepEqual(strangersAtTop(['docs/a.md', 'src/b.ts', '.ci/run', 'notes.txt']), [
    'docs',
    'notes.txt',
  ]);
  t.true(isBinary('a.wasm', new Uint8Array(1)) && isBinary('a', Uint8Array.of(1, 0)));
  t.false(isBinary('a.ts', Uint8Array.of(97, 10)));
  const tracked = trackedFiles();
  if (tracked === undefined) {
    t.log('skipped: this copy has no git history');
    return;
  }
  t.deepEqual(strangersAtTop(tracked), []);
  t.deepEqual(
    tracked.filter(path => isBinary(path, readFileSync(join(ROOT, path)))),
    [],
  );
});
