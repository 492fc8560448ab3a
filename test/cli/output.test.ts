import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import {PNG} from 'pngjs';
import {plan} from '../../src/cli/capture-layout.ts';
import {duration, grouped, percent, safe, safeText, sizeText} from '../../src/cli/output.ts';
import {expandPattern} from '../../src/cli/pattern.ts';
import {Picture, tileCountOf} from '../../src/cli/picture.ts';
import {ProgressLine} from '../../src/cli/progress.ts';
import {cannotWrite} from '../../src/cli/result-bytes.ts';
import {pathsOf} from '../../src/cli/result-files.ts';
import {tableLines} from '../../src/cli/table.ts';
import type {CaptureView} from '../../src/core/views.ts';
import {temporaryFolder} from './rig.ts';

test('numbers, parts and times are written for people', t => {
  t.is(grouped(5761455), '5,761,455');
  t.is(percent(999, 1_000), '99 %');
  t.is(percent(0, 0), '100 %');
  const times: [number, string][] = [
    [12, '12 ms'],
    [1_234, '1.2 s'],
    [59_600, '1 min 0 s'],
    [75_000, '1 min 15 s'],
    [3_700_000, '1 h 1 min'],
    [200_000_000, '2 d 7 h'],
  ];
  for (const [ms, text] of times) t.is(duration(ms), text);
  const sizes: [number, string][] = [
    [0, '0 bytes'],
    [1_023, '1023 bytes'],
    [1_536, '1.5 KiB'],
    [5_872_026, '5.6 MiB'],
    [3_221_225_472, '3.0 GiB'],
  ];
  for (const [bytes, text] of sizes) t.is(sizeText(bytes), text);
});

test('what a peer chose cannot steer the terminal', t => {
  t.is(safe('a\u001b[2Jb\n'), 'a\\u001b[2Jb\\u000a');
  t.is(safe('x'.repeat(99), 10), `${'x'.repeat(9)}…`);
  t.is(safeText('a\tb\n\u0007c'), 'a\tb\n\\u0007c');
});

test('a table is as wide as it must be', t => {
  const columns = [{title: 'name'}, {title: 'n', right: true}];
  t.deepEqual(
    tableLines(columns, [
      ['longer', '1'],
      ['b', '100'],
    ]),
    ['name      n', 'longer    1', 'b       100'],
  );
});

test('progress is one line on a terminal and now and then a line in a pipe', t => {
  const written: string[] = [];
  const write = (text: string) => written.push(text);
  const terminal = new ProgressLine({isTTY: true, columns: 6, write});
  terminal.show('123456789');
  terminal.end('done');
  t.deepEqual(written.splice(0), ['\r\u001b[2K12345', '\r\u001b[2K', 'done\n']);
  const pipe = new ProgressLine({write}, 1_000_000);
  pipe.show('a');
  pipe.show('b');
  pipe.say('c');
  pipe.end('d');
  t.deepEqual(written, ['a\n', 'c\n', 'd\n']);
});

test('patterns name files as a shell does', async t => {
  const dir = await temporaryFolder(t);
  for (const name of [
    'b.txt',
    'a.txt',
    '.c.txt',
    'x.md',
    'sub/d.txt',
    'sub/deep/e.txt',
    'a[1].c',
  ]) {
    await mkdir(join(dir, name, '..'), {recursive: true});
    await writeFile(join(dir, name), name);
  }
  const found = async (pattern: string) =>
    (await expandPattern(join(dir, pattern))).map(path => path.slice(dir.length + 1));
  t.deepEqual(await found('*.txt'), ['a.txt', 'b.txt']);
  t.deepEqual(await found('?.md'), ['x.md']);
  t.deepEqual(await found('s*/*.txt'), ['sub/d.txt']);
  t.deepEqual(await found('**/*.txt'), ['a.txt', 'b.txt', 'sub/d.txt', 'sub/deep/e.txt']);
  t.deepEqual(await found('sub/**'), ['sub/d.txt', 'sub/deep/e.txt']);
  t.deepEqual(await found('a[1].c'), ['a[1].c']);
  await t.throwsAsync(found('*.pdf'), {code: 'VOLLEY_INPUT_MISSING'});
});

test('tiles become a picture, those at the edges cut', t => {
  const size = {width: 5, height: 3, tileSize: 2};
  t.is(tileCountOf(size), 6);
  const picture = new Picture(size);
  const tile = (no: number, pixels: number) => new Uint8Array(pixels * 3).fill(no);
  const tiles = [tile(1, 4), tile(2, 4), tile(3, 2), tile(4, 2), tile(5, 2), tile(6, 1)];
  // Two workunits of three tiles each, the second first.
  picture.put(3, Buffer.concat(tiles.slice(3)));
  picture.put(0, Buffer.concat(tiles.slice(0, 3)));
  const {data} = PNG.sync.read(Buffer.from(picture.encode()));
  const reds = Array.from({length: 15}, (_, i) => data[i * 4]);
  t.deepEqual(reds, [1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6]);
});

test('each result has a file of its own, whatever the names of inputs are', t => {
  const names = [
    'g/a\nb',
    'g/a_b',
    'g/p\\q',
    'g/p/q',
    'g/z',
    'g/z.out/k',
    './g/z',
    '../x',
    '_/x',
    'A',
    'a',
  ];
  const paths = [...pathsOf(new Map(names.map((name, index) => [index, name]))).values()];
  t.deepEqual(paths.slice(0, 6), [
    'g/a_b.out',
    'g/a_b-1.out',
    'g/p/q.out',
    'g/p/q-3.out',
    'g/z-4.out',
    'g/z.out/k.out',
  ]);
  t.is(new Set(paths.map(path => path.toLowerCase())).size, names.length);
  // A name that is what another one is made to.
  const made = [
    ...pathsOf(new Map(['a-2', 'a', 'a'].map((name, index) => [index, name]))).values(),
  ];
  t.deepEqual(made, ['a-2.out', 'a.out', 'a-2-1.out']);
  const [long = ''] = pathsOf(new Map([[0, `d/${'é'.repeat(127)}`]])).values();
  t.true(Buffer.byteLength(long.slice(2)) < 250, long);
});

test('no node can name itself so that the picture of another is overwritten', t => {
  const row = (id: string, name: string) => ({
    nodeId: id.repeat(32),
    name,
    label: '',
    shot: 1,
    files: [{name: 'x.png', blobId: id.repeat(64), size: 1, collected: true}],
  });
  const rows = [row('a', 'cam'), row('c', 'cam-bbbbbbbb'), row('b', 'cam')];
  const paths = plan({rows} as unknown as CaptureView).map(({path}) => path);
  t.deepEqual(paths, ['1/cam.png', '1/cam-bbbbbbbb.png', '1/cam-bbbbbbbb-1.png']);
});

test('what cannot be written is told for what it is', t => {
  const fault = (code: string) =>
    cannotWrite('out', Object.assign(new Error(`${code}: no`), {code}));
  t.is(fault('ENOSPC').message, 'cannot write out: ENOSPC: no');
  t.is(fault('EISDIR').code, 'VOLLEY_CANNOT_WRITE');
  t.is(fault('EACCES').message, 'no permission for writing out: EACCES: no');
});
