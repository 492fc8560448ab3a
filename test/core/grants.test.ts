import test from 'ava';
import {asBlobId} from '../../src/base/types.ts';
import type {AppManifest} from '../../src/core/app.ts';
import {
  actionGrant,
  fitsImage,
  grantOf,
  grantText,
  imageGrant,
  isGranted,
} from '../../src/core/grants.ts';

const limits = {timeSeconds: 1, memoryMib: 1, outputBytes: 1};
const BASE = {format: 1, name: 'a', version: '1.0.0', description: '', limits} as const;
const blob = {blobId: asBlobId('ab'.repeat(32)), size: 9};
const image = 'localhost/volley-test:1';
const APPS: Readonly<Record<string, AppManifest>> = {
  wasm: {...BASE, runtime: 'wasm', wasm: blob},
  plain: {...BASE, runtime: 'exec', action: 'python'},
  files: {...BASE, runtime: 'exec', action: 'python', bundle: blob},
  container: {...BASE, runtime: 'container', image},
};

test('an app with files and one without never fit the same line of an owner', t => {
  const owners = {
    nothing: [],
    plain: [actionGrant('python', false)],
    files: [actionGrant('python', true)],
    container: [imageGrant('localhost/volley-*')],
  };
  for (const [what, app] of Object.entries(APPS))
    for (const [owner, allowed] of Object.entries(owners))
      t.is(
        isGranted(grantOf(app), allowed),
        what === 'wasm' || what === owner,
        `${what}, ${owner}`,
      );
});

test('an image is allowed by its name, or by the beginning of it', t => {
  t.true(fitsImage(image, image));
  t.true(fitsImage('localhost/*', image));
  t.false(fitsImage('localhost/volley-test', image));
  t.false(fitsImage('localhost/other-*', image));
  // A star is one at the end alone.
  t.false(fitsImage('local*/volley-test:1', image));
  t.false(isGranted(grantOf(APPS['container'] as AppManifest), ['container:', 'local*', image]));
  t.false(isGranted('camera', ['cam*', 'container:cam*']));
});

test('what is asked for is said in words', t => {
  t.is(grantText('camera'), 'allowed the action "camera"');
  t.is(
    grantText(actionGrant('python', true)),
    'allowed programs from the app for the action "python"',
  );
  t.is(grantText(imageGrant(image)), `able and allowed to run the image "${image}"`);
});
