// What strangers can make the master keep is bounded.

import test from 'ava';
import {asAddress, asPeerId} from '../../src/base/types.ts';
import {SESSIONS_MAX} from '../../src/wire/limits.ts';
import {sentTo} from './look.ts';
import {MasterRig} from './rig.ts';
import {crypto, TestNode, TOKEN_ID} from './test-node.ts';

test('of more sessions than there may be the oldest is forgotten, a newer one is welcomed', t => {
  const rig = MasterRig.ready();
  const [oldest, newest] = [new TestNode('oldest'), new TestNode('newest')];
  rig.link(oldest);
  const handshakeHash = crypto.random(32);
  const from = asAddress('10.0.0.7:4000');
  for (let i = 1; i < SESSIONS_MAX; i++) {
    const peer = asPeerId(i.toString(16).padStart(64, '0'));
    rig.core.handle({type: 'linked', peer, handshakeHash, tokenId: TOKEN_ID, from}, rig.now);
  }
  rig.link(newest);
  t.deepEqual(rig.says(oldest, oldest.hello()), []);
  t.is(sentTo(rig.says(newest, newest.hello()), newest, 'welcome').length, 1);
});
