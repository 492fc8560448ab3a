import test from 'ava';
import {only} from './look.ts';
import {
  blobNo,
  fetching,
  kindsOf,
  type Push,
  push,
  pushOf,
  roomOf,
  rowsOf,
  sending,
  viewOf,
} from './pushing.ts';
import {MasterRig} from './rig.ts';

const refused = (rig: MasterRig, changes: Partial<Push>) => {
  const {answer, effects} = rig.asked(pushOf(changes));
  return {answer, changes: [...only(effects, 'save'), ...kindsOf(effects)]};
};

test('a push that makes no sense is refused with what to do, and changes nothing', t => {
  const {rig} = roomOf(1);
  const odd: readonly [Partial<Push>, RegExp][] = [
    [{fileName: '../x'}, /"\.\.\/x" is no name for a file at nodes: .* no folders/],
    [{fileName: ''}, /is no name for a file/],
    [{fileName: '.hidden'}, /is no name for a file/],
    [{fileName: 'x'.repeat(64)}, /up to 63/],
    [{size: -1}, /a file of -1 bytes is not sent; at most \d+/],
    [{size: 1.5}, /a file of 1\.5 bytes/],
    [{size: 2 ** 53}, /at most \d+/],
    [{rate: 99_999}, /a rate is from 100kbit to 10gbit/],
    [{rate: 10_000_000_001}, /a rate is from/],
    [{rate: Number.NaN}, /a rate is from/],
  ];
  for (const [changes, reason] of odd) {
    const {answer, changes: made} = refused(rig, changes);
    if (answer.ok) return t.fail(String(reason));
    t.is(answer.code, 'VOLLEY_USAGE');
    t.regex(String(answer.fields['reason']), reason);
    t.deepEqual(made, []);
  }
  t.deepEqual(rowsOf(rig), []);
});

test('what is at the edge is taken', t => {
  const {rig} = roomOf(1);
  const edges: Partial<Push>[] = [{size: 0}, {fileName: 'x'.repeat(63)}, {rate: 100_000}];
  for (const changes of [...edges, {rate: 10_000_000_000}]) t.true(rig.ask(pushOf(changes)).ok);
});

test('a push that means nobody is refused', t => {
  const rig = MasterRig.ready();
  t.like(rig.ask(pushOf()), {ok: false, code: 'VOLLEY_NO_NODES'});
  rig.node('a', {labels: ['ring1']});
  const target = {labels: ['ring9'], nodes: []};
  t.like(rig.ask(pushOf({target})), {ok: false, code: 'VOLLEY_NO_NODES'});
  t.deepEqual(rowsOf(rig), []);
});

test('sixty-four are open at most; one that is over makes room', t => {
  const {rig} = roomOf(1);
  for (let i = 0; i < 64; i++) push(rig, {blobId: blobNo(i)});
  const {answer, changes} = refused(rig, {});
  t.like(answer, {ok: false, code: 'VOLLEY_USAGE'});
  t.regex(answer.ok ? '' : String(answer.fields['reason']), /64 transfers are open; cancel some/);
  t.deepEqual(changes, []);
  t.true(rig.ask({kind: 'cancelTransfer', transferId: 64}).ok);
  t.is(push(rig).id, 65);
});

test('what is unknown is not cancelled; what is over may be once more', t => {
  const {rig} = roomOf(1);
  t.like(rig.ask({kind: 'cancelTransfer', transferId: 5}), {
    ok: false,
    code: 'VOLLEY_UNKNOWN_TRANSFER',
    fields: {transfer: 5},
  });
  for (const go of [sending, fetching]) {
    const transferId = go(rig);
    t.true(rig.ask({kind: 'cancelTransfer', transferId}).ok);
    const {answer, effects} = rig.asked({kind: 'cancelTransfer', transferId});
    t.true(answer.ok);
    t.deepEqual(only(effects, 'save'), []);
    t.is(viewOf(rig, transferId).state, 'cancelled');
  }
});
