// Which versions of an app were tried on two processors, and what came out.

import test from 'ava';
import {asBlobId} from '../../src/base/types.ts';
import {triedText} from '../../src/cli/app-versions.ts';
import {PROBE_PREFIX, type ProbeRow} from '../../src/core/operator-rows.ts';
import {type AppRow, encodeJson} from '../../src/core/tables.ts';
import {openRig} from '../http/rig.ts';
import {APP} from '../master/test-node.ts';

test('each version says whether it was tried, and how it came out', async t => {
  const {handle, client} = await openRig(t);
  const ids = ['a1', 'b2', 'c3', 'd4'].map(each => asBlobId(each.repeat(32)));
  const results = [undefined, 'alike', 'differs', 'itself'] as const;
  for (const [i, appId] of ids.entries()) {
    const row: AppRow = {...APP, appId, version: `${i}.0.0`, publishedAt: i + 1};
    handle.rows.set(`release/${appId}`, encodeJson(row));
    const result = results[i];
    if (result === undefined) continue;
    const archs = ['arm64', 'x64'];
    const probe: ProbeRow = {appId, result, archs, batchId: 1, index: 0, at: 1};
    handle.rows.set(`meta/${PROBE_PREFIX}${appId}`, encodeJson(probe));
  }
  handle.rows.set('meta/head', new Uint8Array(4));
  const versions = await client.versions(APP.name);
  t.deepEqual(
    versions.map(({tried}) => tried?.result),
    [...results],
  );
  t.deepEqual(
    versions.map(({tried}) => triedText(tried)),
    ['never', 'arm64 and x64 agree', 'arm64 and x64 differ', 'no two results agree'],
  );
});
