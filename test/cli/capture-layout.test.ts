import test from 'ava';
import {parseLayout, plan} from '../../src/cli/capture-layout.ts';
import type {CaptureView} from '../../src/core/views.ts';

const row = (id: string, name: string, label = '', files = ['x.png'], shot = 1) => ({
  ...{nodeId: id.repeat(32), name, label, shot},
  files: files.map(file => ({name: file, blobId: id.repeat(64), size: 1, collected: true})),
});
const pathsOf = (template: string, ...rows: ReturnType<typeof row>[]): string[] =>
  plan({id: 42, rows} as unknown as CaptureView, parseLayout(template)).map(({path}) => path);

test('each word of a template stands for what it says', t => {
  t.deepEqual(
    pathsOf(
      '{capture}/{shot}/{label}-{node}-{id}.{n}.{ext}',
      row('a', 'cam-1', 'left', ['x.PNG', 'y.raw']),
      row('b', 'cam-2', '', ['noend'], 2),
    ),
    [
      '42/1/left-cam-1-aaaaaaaa.1.png',
      '42/1/left-cam-1-aaaaaaaa.2.raw',
      '42/2/cam-2-cam-2-bbbbbbbb.1.bin',
    ],
  );
});

test('names that collide are made unique, with room for what lies beside them', t => {
  const twins = [row('a', 'cam'), row('b', 'CAM'), row('c', 'cam')];
  t.deepEqual(pathsOf('{node}.{ext}', ...twins), [
    'cam.png',
    'CAM-bbbbbbbb.png',
    'cam-cccccccc.png',
  ]);
  const sidecar = [row('a', 'cam', '', ['x.png']), row('b', 'cam.png', '', ['x.json'])];
  t.deepEqual(pathsOf('{node}.{ext}', ...sidecar), ['cam.png', 'cam.png-bbbbbbbb.json']);
});

test('no node takes the place of the manifest or the report, nor leads out of the folder', t => {
  t.deepEqual(pathsOf('{node}.{ext}', row('a', 'manifest', '', ['x.json'])), [
    'manifest-aaaaaaaa.json',
  ]);
  t.deepEqual(pathsOf('{label}/{n}', row('a', 'n', 'Report.html')), ['Report.html-/1']);
  const bad = pathsOf('{label}/{node}.{ext}', row('a', '../../etc/passwd', '..'));
  t.deepEqual(
    bad,
    ['..-etc-passwd/..-etc-passwd.png'].map(path => path.replaceAll('..-', '')),
  );
});

test('a long name leaves room for its ending', t => {
  const [path = ''] = pathsOf(
    '{node}-{label}-{node}.{ext}',
    row('a', 'é'.repeat(64), '本'.repeat(64)),
  );
  t.true(Buffer.byteLength(path) <= 200, path);
  t.true(path.endsWith('.png'));
  t.false(path.includes('\ufffd'));
});

for (const [template, reason] of [
  ['{shot}/{camera}.{ext}', /there is no \{camera\}; there are \{capture\} \{shot\}/],
  ['../{node}.{ext}', /begins with a dot/],
  ['{shot}/../../{node}', /begins with a dot/],
  ['/tmp/{node}', /must lead into the folder/],
  ['{shot}//{node}', /has no name/],
  ['{shot}/', /has no name/],
  ['', /has no name/],
  ['a\\{node}', /not for names/],
  ['{node', /not for names/],
  ['picture.png', /all files would have one name/],
  ['{n}/'.repeat(9), /at most 8 levels/],
] as const)
  test(`the template "${template}" is refused before anything is fired`, t => {
    t.throws(() => parseLayout(template), {code: 'VOLLEY_USAGE', message: reason});
  });
