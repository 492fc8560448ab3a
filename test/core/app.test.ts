import test from 'ava';
import fc from 'fast-check';
import {concat, toUtf8} from '../../src/base/bytes.ts';
import {asBlobId} from '../../src/base/types.ts';
import {
  type AppManifest,
  decodeManifest,
  encodeManifest,
  isOlderVersion,
  openSignedApp,
  signApp,
} from '../../src/core/app.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';

const crypto = new NodeCrypto();
const keys = crypto.ed25519KeyPair();
const others = crypto.ed25519KeyPair();

const MANIFEST: AppManifest = {
  format: 1,
  name: 'primes',
  version: '1.0.0',
  description: 'counts primes',
  runtime: 'wasm',
  wasm: {blobId: asBlobId('ab'.repeat(32)), size: 3_000},
  limits: {timeSeconds: 60, memoryMib: 4, outputBytes: 64},
};
const EXEC: AppManifest = {
  format: 1,
  name: 'convert',
  version: '2.0.1-beta.3',
  description: '',
  runtime: 'exec',
  action: 'convert',
  limits: {timeSeconds: 0.5, memoryMib: 1_024, outputBytes: 64 * 2 ** 20},
};
const JS: AppManifest = {
  format: 1,
  name: 'sums',
  version: '1.0.0',
  description: '',
  runtime: 'js',
  js: {blobId: asBlobId('cd'.repeat(32)), size: 4 * 2 ** 20},
  limits: {timeSeconds: 1, memoryMib: 64, outputBytes: 64},
};

test('a manifest comes back as it went', t => {
  t.deepEqual(decodeManifest(encodeManifest(MANIFEST)), MANIFEST);
  t.deepEqual(decodeManifest(encodeManifest(EXEC)), EXEC);
  t.deepEqual(decodeManifest(encodeManifest({...JS, sandboxLevel: 1})), {...JS, sandboxLevel: 1});
  const caged = {...MANIFEST, sandboxLevel: 2};
  t.deepEqual(decodeManifest(encodeManifest(caged)), caged);
});

const limits = MANIFEST.limits;
const FAULTS: readonly [string, object, RegExp][] = [
  ['another format', {format: 2}, /format/],
  ['a name with a capital', {name: 'Primes'}, /name/],
  ['a name begun with a dash', {name: '-a'}, /name/],
  ['a name of 33 characters', {name: 'a'.repeat(33)}, /name/],
  ['a name with a line break after it', {name: 'primes\n'}, /name/],
  ['a version of two parts', {version: '1.0'}, /version/],
  ['a long description', {description: 'x'.repeat(513)}, /description/],
  ['an unknown runtime', {runtime: 'docker'}, /runtime must be .*container/],
  ['a js app without its script', {runtime: 'js', wasm: undefined}, /js must name a script/],
  ['a js app with a module', {runtime: 'js', js: JS.js}, /unknown field "wasm" for runtime js/],
  [
    'a script above 4 MiB',
    {runtime: 'js', wasm: undefined, js: {blobId: 'ab'.repeat(32), size: 2 ** 22 + 1}},
    /js\.size/,
  ],
  ['no module', {wasm: undefined}, /module/],
  ['a module of 17 MiB', {wasm: {blobId: 'ab'.repeat(32), size: 17 * 2 ** 20}}, /wasm\.size/],
  ['a module without a hash', {wasm: {blobId: 'ab', size: 9}}, /wasm\.blobId/],
  ['a stray field of its module', {wasm: {...MANIFEST.wasm, url: 'x'}}, /"wasm\.url"/],
  ['no limits', {limits: undefined}, /limits must be given/],
  ['a level of the sandbox that is not there', {sandboxLevel: 9}, /sandboxLevel must be a whole/],
  ['an action beside the module', {action: 'camera'}, /unknown field "action"/],
  ['files beside the module', {bundle: MANIFEST.wasm}, /unknown field "bundle"/],
  ['an image beside the module', {image: 'a:1'}, /unknown field "image"/],
  ['a misspelt limit', {limits: {...limits, memoryMiB: 4}}, /limits\.memoryMiB/],
  ['no time', {limits: {...limits, timeSeconds: 0}}, /timeSeconds/],
  ['a time that is a text', {limits: {...limits, timeSeconds: '9'}}, /timeSeconds/],
  ['half a MiB', {limits: {...limits, memoryMib: 0.5}}, /memoryMib/],
  ['2 GiB of memory', {limits: {...limits, memoryMib: 2_048}}, /memoryMib/],
  ['65 MiB of output', {limits: {...limits, outputBytes: 65 * 2 ** 20}}, /outputBytes/],
];

for (const [what, change, reason] of FAULTS) {
  test(`a manifest with ${what} is refused`, t => {
    const decoded = decodeManifest(toUtf8(JSON.stringify({...MANIFEST, ...change})));
    t.regex('reason' in decoded ? decoded.reason : 'accepted', reason);
  });
}

test('an exec app must name an action as node owners write it', t => {
  for (const action of [undefined, '', 'Camera', '../camera', 7]) {
    const decoded = decodeManifest(toUtf8(JSON.stringify({...EXEC, action})));
    t.regex('reason' in decoded ? decoded.reason : 'accepted', /action/, String(action));
  }
});

test('an exec app may have files, at most 8 MiB', t => {
  const reasonOf = (bundle: unknown): string => {
    const decoded = decodeManifest(toUtf8(JSON.stringify({...EXEC, bundle})));
    return 'reason' in decoded ? decoded.reason : 'accepted';
  };
  const blobId = 'ab'.repeat(32);
  t.is(reasonOf({blobId, size: 8 * 2 ** 20}), 'accepted');
  t.regex(reasonOf({blobId, size: 8 * 2 ** 20 + 1}), /bundle\.size must be/);
  t.regex(reasonOf({blobId: 'AB', size: 9}), /bundle\.blobId/);
  t.regex(reasonOf({blobId, size: 9, path: '/'}), /unknown field "bundle\.path"/);
  for (const bundle of [null, 'x', [blobId]]) t.regex(reasonOf(bundle), /bundle must name/);
});

test('a container app names an image with its tag or digest, and perhaps a command', t => {
  const reasonOf = (change: object): string => {
    const {action: _, ...rest} = EXEC;
    const app = {...rest, runtime: 'container', image: 'localhost/volley-test:1', ...change};
    const decoded = decodeManifest(toUtf8(JSON.stringify(app)));
    return 'reason' in decoded ? decoded.reason : 'accepted';
  };
  const digest = `@sha256:${'0f'.repeat(32)}`;
  for (const image of [
    ...['a:1', 'python:3.12-slim', `docker.io/library/python${digest}`, 'ghcr.io/a/b_c/d.e:V1'],
    'localhost:5000/x:1',
  ])
    t.is(reasonOf({image}), 'accepted', image);
  for (const image of [
    ...[
      undefined,
      7,
      '',
      'python',
      'localhost:5000/x',
      'a:',
      'a:1:2',
      'a@sha256:12',
      '-v:1',
      '--rm',
    ],
    ...[
      'a/-b:1',
      'a//b:1',
      '/a:1',
      'a b:1',
      'a:1 --privileged',
      'a:-1',
      'Python:1',
      'a:1\n',
      '../a:1',
    ],
    `${'a'.repeat(150)}:1`,
  ])
    t.regex(reasonOf({image}), /image must be name:tag or/, String(image));
  t.is(reasonOf({command: ['/prog', '']}), 'accepted');
  for (const command of ['/prog', [], [''], [7], ['a\0'], Array(65).fill('a'), null])
    t.regex(reasonOf({command}), /command must be a list/, JSON.stringify(command));
  t.regex(reasonOf({action: 'x'}), /unknown field "action" for runtime container/);
  t.regex(reasonOf({sandboxLevel: 1}), /unknown field "sandboxLevel"/);
});

test('a blob that is too long, or signed with too few bytes, is no app', t => {
  const reasonOf = (blob: Uint8Array): string => {
    const opened = openSignedApp(crypto, [keys.publicKey], blob);
    return opened.kind === 'refused' ? opened.reason : 'accepted';
  };
  t.is(reasonOf(new Uint8Array(2 ** 20)), 'the app is too long');
  const short = btoa(String.fromCharCode(...new Uint8Array(63)));
  const manifest = encodeManifest(MANIFEST);
  for (const signature of [short, '!'.repeat(88), ''])
    t.regex(reasonOf(concat(toUtf8(`${signature}\n`), manifest)), /signature/, signature);
});

test('what is no JSON object is refused', t => {
  for (const text of ['', '[]', 'null', '7', '{', '{"format":1', '\xff'])
    t.true('reason' in decodeManifest(toUtf8(text)), text);
  t.true('reason' in decodeManifest(new Uint8Array([0xff, 0xfe])));
  t.true('reason' in decodeManifest(new Uint8Array(70_000)));
});

test('a signed app opens with the key that signed it, one of several', t => {
  const blob = signApp(crypto, keys.secretKey, MANIFEST);
  const opened = openSignedApp(crypto, [others.publicKey, keys.publicKey], blob);
  t.deepEqual(opened, {kind: 'app', manifest: MANIFEST, signedBy: keys.publicKey});
});

test('an app that another key signed, or none, is refused', t => {
  const blob = signApp(crypto, keys.secretKey, MANIFEST);
  for (const appKeys of [[], [others.publicKey]]) {
    const opened = openSignedApp(crypto, appKeys, blob);
    t.regex(opened.kind === 'refused' ? opened.reason : '', /not signed by a key/);
  }
  t.is(openSignedApp(crypto, [keys.publicKey], encodeManifest(MANIFEST)).kind, 'refused');
});

test('a signature for another purpose does not sign an app', t => {
  const bytes = encodeManifest(MANIFEST);
  const signature = crypto.sign(keys.secretKey, 'trust', bytes);
  const blob = concat(toUtf8(`${btoa(String.fromCharCode(...signature))}\n`), bytes);
  t.is(openSignedApp(crypto, [keys.publicKey], blob).kind, 'refused');
});

test('one changed bit anywhere is refused, and nothing throws', t => {
  const blob = signApp(crypto, keys.secretKey, MANIFEST);
  fc.assert(
    fc.property(fc.nat(blob.length - 1), fc.nat(7), (at, bit) => {
      const bad = blob.slice();
      bad[at] = (bad[at] ?? 0) ^ (1 << bit);
      // The last character of base64 before the padding has four bits that nobody reads.
      return at === 85 || openSignedApp(crypto, [keys.publicKey], bad).kind === 'refused';
    }),
    {numRuns: 300},
  );
  t.pass();
});

test('a badly made manifest is refused even when it is signed', t => {
  const blob = signApp(crypto, keys.secretKey, {...MANIFEST, name: 'No Name'});
  const opened = openSignedApp(crypto, [keys.publicKey], blob);
  t.regex(opened.kind === 'refused' ? opened.reason : '', /name/);
});

test('versions are in order', t => {
  const order = [
    '0.9.9',
    '1.0.0-alpha',
    '1.0.0-beta-2',
    '1.0.0',
    '1.0.1',
    '1.2.0',
    '1.10.0',
    '2.0.0',
  ];
  for (const [i, first] of order.entries())
    for (const [k, second] of order.entries())
      t.is(isOlderVersion(first, second), i < k, `${first} and ${second}`);
});
