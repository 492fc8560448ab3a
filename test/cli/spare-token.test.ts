// The token of a node that is a member: when it is shown, and what becomes of one that is no good.

import test from 'ava';
import {SpareToken} from '../../src/cli/spare-token.ts';

const TOKEN = {id: 7, psk: new Uint8Array(32)};

function rig() {
  const shown: unknown[] = [];
  const told: string[] = [];
  let due: (() => void) | undefined;
  const spare = new SpareToken({
    token: TOKEN,
    show: token => shown.push(token),
    tell: text => told.push(text),
    later: act => {
      due = act;
      return () => {
        due = undefined;
      };
    },
  });
  return {spare, shown, told, waits: () => due !== undefined, timeIsUp: () => due?.()};
}

for (const reason of ['pending', 'full'])
  test(`a master that knows the node no more ("${reason}") is shown the token, once`, t => {
    const {spare, shown, told, waits} = rig();
    t.true(spare.refused(reason));
    t.true(spare.refused(reason), 'a repeat from before');
    t.deepEqual(shown, [TOKEN]);
    t.regex(told.join(), /does not know this node any more/);
    spare.joined();
    t.false(waits());
    t.false(spare.refused('pending'));
    t.deepEqual(shown, [TOKEN]);
  });

test('while the master knows the node it is never shown', t => {
  const {spare, shown, told} = rig();
  for (const reason of ['clone', 'revoked', 'epoch', 'token-used']) t.false(spare.refused(reason));
  spare.joined();
  t.deepEqual(shown, []);
  t.deepEqual(told, []);
});

for (const [reason, why] of [
  ['token-used', /the token is used up/],
  ['token-expired', /the token has expired/],
  ['token-revoked', /the token was revoked/],
] as const)
  test(`one that lets nobody in (${reason}) is put away, and the node asks without it`, t => {
    const {spare, shown, told, waits} = rig();
    spare.refused('pending');
    t.true(spare.refused(reason));
    t.deepEqual(shown, [TOKEN, undefined]);
    t.regex(told.at(-1) ?? '', why);
    t.false(waits());
    t.false(spare.refused('pending'), 'who waits for approval is told as ever');
  });

test('one that the master does not answer is put away', t => {
  const {spare, shown, told, timeIsUp} = rig();
  spare.refused('pending');
  timeIsUp();
  t.deepEqual(shown, [TOKEN, undefined]);
  t.regex(told.at(-1) ?? '', /does not answer to the token/);
  t.false(spare.refused('pending'));
});

test('a revocation is told also while it is shown', t => {
  const {spare} = rig();
  spare.refused('pending');
  t.false(spare.refused('revoked'));
});
