import test from 'ava';
import fc from 'fast-check';
import {concat, toUtf8} from '../../src/base/bytes.ts';
import {decodeBundle, encodeBundle, faultOfPaths} from '../../src/core/app-bundle.ts';
import {BUNDLE_BYTES_MAX, BUNDLE_FILES_MAX} from '../../src/wire/limits.ts';

const FILES = [
  {path: 'lib/__init__.py', bytes: new Uint8Array()},
  {path: 'lib/x.py', bytes: toUtf8('def up(s):\n  return s.upper()\n')},
  {path: 'main.py', bytes: new Uint8Array([0, 10, 255])},
];

/** As an attacker with an app key would write it. */
const crafted = (index: unknown, body = ''): Uint8Array =>
  toUtf8(`volley-files 1\n${JSON.stringify(index)}\n${body}`);

const reasonOf = (blob: Uint8Array): string => {
  const opened = decodeBundle(blob);
  return opened.kind === 'refused' ? opened.reason : 'accepted';
};

test('files come back as they went, and the same files are the same bytes', t => {
  const blob = encodeBundle(FILES);
  t.deepEqual(decodeBundle(blob), {kind: 'files', files: FILES});
  t.deepEqual(encodeBundle(FILES), blob);
  t.is(
    Buffer.from(encodeBundle([{path: 'a', bytes: toUtf8('hi')}])).toString(),
    'volley-files 1\n[["a",2]]\nhi',
  );
});

test('a path that leads out of the folder is refused, and what a program could take for more', t => {
  for (const path of [
    ...['../x', 'a/../x', '..', '.', './a', 'a/..', '/etc/passwd', 'a//b', 'a/', '', '/'],
    ...['.hidden', 'a/.hidden', '-rf', 'a/-x', 'a b', 'a\\b', 'a\0b', 'ä', 'a\n', 'C:x', '~', '$x'],
    ...['a'.repeat(129), 'a/b/c/d/e/f/g/h/i'],
  ])
    t.regex(reasonOf(crafted([[path, 0]])), /must be a path inside|folders deep/, path);
  t.is(reasonOf(crafted([['a.b/c-d/_e+f/..g'.replace('/..g', '/g..'), 0]])), 'accepted');
});

test('a file is there once, in order, and is not a folder too', t => {
  const index = (...paths: string[]) => crafted(paths.map(path => [path, 0]));
  t.regex(reasonOf(index('a', 'a')), /named twice/);
  t.regex(reasonOf(index('b', 'a')), /not in order/);
  t.regex(reasonOf(index('a', 'a/b')), /a is named as a file and as a folder/);
  t.regex(reasonOf(index('a/b', 'a/b/c/d')), /a\/b is named as a file and as a folder/);
  t.is(reasonOf(index('a', 'a-b', 'b')), 'accepted');
});

test('there are bounds: files, bytes', t => {
  const many = (count: number) =>
    crafted(Array.from({length: count}, (_, no) => [`f${String(no).padStart(3, '0')}`, 0]));
  t.is(reasonOf(many(BUNDLE_FILES_MAX)), 'accepted');
  t.regex(reasonOf(many(BUNDLE_FILES_MAX + 1)), /must be 1 to 256, not 257/);
  t.regex(reasonOf(many(0)), /must be 1 to 256, not 0/);
  t.regex(reasonOf(new Uint8Array(BUNDLE_BYTES_MAX + 1)), /more than 8388608 bytes/);
});

test('sizes and bytes have to fit each other', t => {
  for (const [index, body] of [
    [[['a', 3]], 'hi'],
    [[['a', 1]], 'hi'],
    [[['a', -1]], ''],
    [[['a', 0.5]], ''],
    [[['a', 1e12]], ''],
    [[['a', '2']], 'hi'],
    [[['a']], ''],
    [[['a', 0, 0]], ''],
    [['a'], ''],
    [{a: 0}, ''],
    [[[7, 0]], ''],
  ] as const)
    t.is(reasonOf(crafted(index, body)), 'the files of the app are malformed');
  for (const text of [
    '',
    'volley-files 1\n',
    'volley-files 2\n[["a",0]]\n',
    'volley-files 1\n\xff\n',
  ])
    t.is(reasonOf(Buffer.from(text, 'latin1')), 'the files of the app are malformed', text);
});

test('whatever bytes there are: refused or whole, and nothing throws', t => {
  const blob = encodeBundle(FILES);
  fc.assert(
    fc.property(fc.nat(blob.length - 1), fc.nat(255), fc.nat(3), (at, byte, cut) => {
      const bad = concat(blob.subarray(0, blob.length - cut));
      bad[Math.min(at, bad.length - 1)] = byte;
      const opened = decodeBundle(bad);
      if (opened.kind === 'refused') return true;
      return faultOfPaths(opened.files.map(({path}) => path)) === undefined;
    }),
    {numRuns: 1_000},
  );
  t.pass();
});
