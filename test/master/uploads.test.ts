import test from 'ava';
import {asMonoMs} from '../../src/base/types.ts';
import {HOUR_MS} from '../../src/base/units.ts';
import {Uploads} from '../../src/master/uploads.ts';
import {blobOf, inline} from './test-node.ts';

const at = asMonoMs;

test('an upload is there for an hour, and again from when it is told again', t => {
  const uploads = new Uploads();
  const {blobId, size} = blobOf('picture');
  const output = {kind: 'blob', blobId, size} as const;
  t.false(uploads.has(output, at(0)));
  uploads.stored(blobId, size, at(5));
  t.true(uploads.has(output, at(HOUR_MS)));
  t.false(uploads.has(output, at(HOUR_MS + 5)));
  uploads.stored(blobId, size, at(HOUR_MS + 5));
  t.true(uploads.has(output, at(2 * HOUR_MS)));
  t.false(uploads.has({...output, size: size + 1}, at(2 * HOUR_MS)));
});

test('an output that is in the report needs no upload', t => {
  t.true(new Uploads().has(inline('x'), at(0)));
});
