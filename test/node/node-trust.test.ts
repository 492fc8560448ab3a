import test from 'ava';
import {NodeRig, newerTrust, notesOf, only, sent} from './rig.ts';

test('a trust document with other keys of the master ends the membership until the next Welcome', t => {
  const rig = NodeRig.joined();
  const signedTrust = newerTrust(2);
  rig.turn({type: 'trust', signedTrust, rekeyed: true});
  t.false(rig.core.welcomed);
  t.deepEqual(sent(rig.pass(60_000), 'pull'), []);
  // The Welcome of before is of keys that are no longer believed.
  rig.link();
  const effects = rig.hears(rig.welcome());
  t.false(rig.core.welcomed);
  t.true(notesOf(effects).includes('welcome without the trust of our root'));
  rig.hears(rig.welcome({trust: signedTrust}));
  t.true(rig.core.welcomed);
});

test('a newer trust document with the same keys of the master changes nothing else', t => {
  const rig = NodeRig.joined();
  rig.turn({type: 'trust', signedTrust: newerTrust(2), rekeyed: false});
  t.true(rig.core.welcomed);
});

test('a document that was stored keeps older ones out after a restart', t => {
  const rig = new NodeRig({trust: newerTrust(3)});
  rig.link();
  const effects = rig.hears(rig.welcome({trust: newerTrust(2)}));
  t.false(rig.core.welcomed);
  t.is(only(effects, 'joinGroup').length, 0);
});
