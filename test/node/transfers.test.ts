import test from 'ava';
import {EMPTY} from '../../src/base/bytes.ts';
import {asBlobId} from '../../src/base/types.ts';
import type {NodeEffect} from '../../src/core/core.ts';
import type {TransferEvent} from '../../src/core/transfer-events.ts';
import type {TransferOffer, TransferReport} from '../../src/wire/bulk-message.ts';
import {NodeRig, only, savedKeys, sent} from './rig.ts';

const MIB = 1_048_576;
const offerOf = (changes: Partial<TransferOffer> = {}): TransferOffer => ({
  transferId: 1,
  salt: 7,
  blobId: asBlobId('b1'.repeat(32)),
  size: 1_000,
  symbolBytes: 1_400,
  symbolsPerBlock: 64,
  listHash: new Uint8Array(32).fill(1),
  key: new Uint8Array(32).fill(2),
  group: '239.86.79.77',
  port: 6_274,
  fileName: 'a.txt',
  ...changes,
});
const KEY = new Uint8Array(32).fill(9);
const says = (rig: NodeRig, changes: Partial<TransferOffer> = {}) =>
  rig.hears({type: 'transferOffer', ...offerOf(changes)});
const orders = (rig: NodeRig, step: 'heard' | 'fetch' | 'cancel', transferId = 1) =>
  rig.hears({type: 'transferOrder', transferId, salt: 7, step});
const reportOf = (changes: Partial<TransferReport> = {}): TransferReport => ({
  type: 'transferReport',
  transferId: 1,
  salt: 7,
  state: 'whole',
  ...{poll: 0, sequence: 0, heard: 0, blocks: 2, room: 0, from: 0},
  deficits: EMPTY,
  reason: '',
  ...changes,
});
const over = (
  state: TransferReport['state'] = 'whole',
  {transferId, salt, blobId, size, fileName}: TransferOffer = offerOf(),
): TransferEvent => ({
  type: 'transferOver',
  report: reportOf({state, transferId, salt, reason: state === 'whole' ? '' : 'why'}),
  ...{blobId, size},
  ...(fileName === undefined ? {} : {fileName}),
});
const wordsOf = (effects: Parameters<typeof sent>[0]): string[] =>
  sent(effects, 'transferReport').map(({transferId, state}) => `${transferId} ${state}`);
/** Time goes by in a session that is alive: each second the master is heard. */
function passHearing(rig: NodeRig, ms: number): NodeEffect[] {
  const effects: NodeEffect[] = [];
  for (let at = 0; at < ms; at += 1_000)
    effects.push(...rig.pass(1_000), ...orders(rig, 'heard', 999));
  return effects;
}
const filesOf = (rig: NodeRig): string[] =>
  [...rig.rows.keys()].filter(key => key.startsWith('meta/pushed/'));

test('what is offered is received, by a command or in the session; once more it is said again', t => {
  const rig = NodeRig.joined();
  const first = rig.turn(rig.command({kind: 'transferOffer', ...offerOf()}));
  t.deepEqual(only(first, 'receive'), [
    {type: 'receive', offer: {kind: 'transferOffer', ...offerOf()} as never},
  ]);
  t.deepEqual(sent(rig.pass(100), 'commandAck'), [], 'what it says of it is its answer');
  t.is(only(says(rig), 'receive').length, 1);
  const told = rig.turn({type: 'transferTold', report: reportOf({state: 'listening'})});
  t.deepEqual(wordsOf(told), ['1 listening']);
  t.deepEqual(wordsOf(rig.pass(5_000)), [], 'where it is promises nothing');
});

test('a master that has started anew offers another key: received anew', t => {
  const rig = NodeRig.joined();
  says(rig);
  t.deepEqual(only(says(rig, {key: KEY}), 'receive')[0]?.offer.key, KEY);
  rig.turn(over());
  t.is(only(says(rig, {key: KEY}), 'receive').length, 0, 'it is over');
  orders(rig, 'heard');
  t.is(only(says(rig), 'receive').length, 1, 'over for another key only');
});

test('the last word is said until it is heard, rarer and rarer, and again to who offers it again', t => {
  const rig = NodeRig.joined();
  says(rig);
  t.deepEqual(wordsOf(rig.turn(over())), ['1 whole']);
  const repeats = wordsOf(passHearing(rig, 60_000));
  t.true(repeats.length >= 8 && repeats.length <= 12, `${repeats.length}`);
  orders(rig, 'heard');
  t.deepEqual(wordsOf(passHearing(rig, 60_000)), []);
  t.deepEqual(wordsOf(says(rig)), ['1 whole']);
});

test('what nobody has heard yet is said at once in a new session', t => {
  const rig = NodeRig.joined();
  says(rig);
  rig.turn(over());
  says(rig, {transferId: 2});
  rig.turn(over('gaveUp', offerOf({transferId: 2})));
  orders(rig, 'heard', 2);
  passHearing(rig, 30_000); // rare by now
  const again = rig.join();
  t.deepEqual(wordsOf(again), ['1 whole']);
  t.is(wordsOf(rig.pass(1_000)).length, 2, 'and as lively as at first');
});

test('what ends while there is no session is said in the next one', t => {
  const rig = NodeRig.joined();
  says(rig);
  rig.link();
  const effects = rig.turn(over());
  t.deepEqual(savedKeys(effects), ['put meta/pushed/a.txt']);
  t.deepEqual(wordsOf([...effects, ...rig.pass(5_000)]), []);
  t.deepEqual(wordsOf(rig.hears(rig.welcome())), ['1 whole']);
});

test('a pushed file is named by a row before that is told, and the row outlives the node', t => {
  const rig = NodeRig.joined();
  says(rig);
  const effects = rig.turn(over());
  t.deepEqual(savedKeys(effects), ['put meta/pushed/a.txt']);
  const early = only(effects, 'send').filter(({message}) => message.type === 'transferReport');
  t.true(
    early.every(send => send.early !== true),
    'not before the row is durable',
  );
  says(rig, {transferId: 2, fileName: undefined as never});
  t.deepEqual(
    savedKeys(rig.turn(over('whole', offerOf({transferId: 2, fileName: undefined as never})))),
    [],
  );
  rig.kill();
  rig.join({epoch: 6, seqFloor: 0});
  t.deepEqual(filesOf(rig), ['meta/pushed/a.txt']);
  t.is(only(says(rig), 'receive').length, 1, 'a new life asks what is there');
});

test('what is not whole names no file, and what nobody has offered is nothing', t => {
  const rig = NodeRig.joined();
  for (const state of ['gaveUp', 'declined'] as const) {
    says(rig, {key: KEY.map(() => state.length)});
    t.deepEqual(wordsOf(rig.turn(over(state))), [`1 ${state}`]);
  }
  t.false(wordsOf(rig.turn(over('whole'))).includes('1 whole'), 'after its last word');
  t.deepEqual(wordsOf(rig.turn({type: 'transferTold', report: reportOf({transferId: 7})})), []);
  t.deepEqual(filesOf(rig), []);
});

test('the end of one of a lost past is not the end of another under its number', t => {
  const rig = NodeRig.joined();
  says(rig);
  const other = {salt: 8, key: KEY, fileName: 'b.txt'};
  says(rig, other);
  t.deepEqual(wordsOf(rig.turn(over())), [], 'told before it knew of the other');
  t.deepEqual(filesOf(rig), []);
  const early = rig.turn({type: 'transferTold', report: reportOf({state: 'listening'})});
  t.deepEqual(wordsOf(early), [], 'nor is how far it was');
  t.deepEqual(wordsOf(rig.turn(over('whole', offerOf(other)))), ['1 whole']);
});

test('an order about one of a lost past does nothing to another under its number', t => {
  const rig = NodeRig.joined();
  says(rig, {salt: 8, key: KEY});
  for (const step of ['fetch', 'cancel'] as const) {
    const effects = orders(rig, step);
    t.deepEqual([only(effects, 'dropTransfer'), only(effects, 'fetchRest')], [[], []], step);
  }
  rig.turn(over('whole', offerOf({salt: 8, key: KEY})));
  orders(rig, 'heard');
  t.true(wordsOf(passHearing(rig, 30_000)).length > 2, 'its word was not heard');
  t.deepEqual(only(says(rig, {salt: 9, key: KEY.map(() => 3)}), 'receive').length, 1);
  t.is(only(orders(rig, 'cancel'), 'dropTransfer').length, 0);
});

test('who left it and waits to fetch says so until it is heard, fetches on order, and is whole then', t => {
  const rig = NodeRig.joined();
  says(rig);
  t.deepEqual(wordsOf(rig.turn(over('aside'))), ['1 aside']);
  t.true(wordsOf(rig.pass(3_000)).length > 1);
  orders(rig, 'heard');
  t.deepEqual(wordsOf(passHearing(rig, 30_000)), []);
  const effects = [...says(rig), ...orders(rig, 'fetch')];
  t.deepEqual(only(effects, 'fetchRest'), [{type: 'fetchRest', transferId: 1}]);
  t.deepEqual(
    wordsOf([...effects, ...passHearing(rig, 30_000)]),
    [],
    'the master knows where it is',
  );
  t.deepEqual(wordsOf(rig.turn(over())), ['1 whole']);
  t.deepEqual(filesOf(rig), ['meta/pushed/a.txt']);
});

test('to be told to fetch is to be heard', t => {
  const rig = NodeRig.joined();
  says(rig);
  rig.turn(over('aside'));
  orders(rig, 'fetch');
  t.deepEqual(wordsOf(passHearing(rig, 30_000)), []);
});

test('what is under way is told in a new session: it may be over there', t => {
  const rig = NodeRig.joined();
  says(rig);
  t.is(only(rig.join(), 'receive').length, 1, 'the ear tells what it lacks');
  rig.turn(over('aside'));
  orders(rig, 'heard');
  t.is(only(rig.join(), 'receive').length, 1);
  t.deepEqual(wordsOf(rig.turn(over('aside'))), ['1 aside']);
  const effects = orders(rig, 'cancel');
  t.deepEqual(only(effects, 'dropTransfer'), [{type: 'dropTransfer', transferId: 1}]);
  t.deepEqual(wordsOf([...passHearing(rig, 30_000), ...rig.join()]), []);
});

test('cancelled is dropped, once; an order for what is unknown is nothing', t => {
  const rig = NodeRig.joined();
  says(rig);
  t.deepEqual(only(orders(rig, 'cancel'), 'dropTransfer').length, 1);
  t.deepEqual(only(orders(rig, 'cancel'), 'dropTransfer').length, 0);
  for (const step of ['heard', 'fetch', 'cancel'] as const) {
    const effects = orders(rig, step, 9);
    t.deepEqual([only(effects, 'dropTransfer'), only(effects, 'fetchRest')], [[], []]);
  }
  t.deepEqual(wordsOf(rig.turn(over())), [], 'it is wanted no more');
});

const refusals = (rig: NodeRig, changes: Partial<TransferOffer>): string => {
  const effects = says(rig, changes);
  if (only(effects, 'receive').length > 0) return 'received';
  return sent(effects, 'transferReport')[0]?.reason ?? 'silent';
};

test('a refusal is said until it is heard, and tells nothing about the next one', t => {
  const rig = NodeRig.joined({filesMib: 1});
  t.regex(refusals(rig, {size: MIB + 1}), /more than 1 MiB/);
  t.true(wordsOf(rig.pass(5_000)).length > 2);
  orders(rig, 'heard');
  t.deepEqual(wordsOf(passHearing(rig, 30_000)), []);
  t.is(refusals(rig, {transferId: 2, size: MIB}), 'received');
});

test('a refusal of what a former life of the master began ends that, too', t => {
  const rig = NodeRig.joined({filesMib: 1});
  says(rig);
  const effects = says(rig, {key: KEY, size: MIB + 1});
  t.is(only(effects, 'dropTransfer').length, 1);
  t.deepEqual(wordsOf(effects), ['1 declined']);
  t.deepEqual(wordsOf(rig.turn(over())), []);
});

const other = (transferId: number) => ({transferId, blobId: asBlobId('c2'.repeat(32))});

test('two names of one blob take its room once', t => {
  const rig = NodeRig.joined({filesMib: 1});
  t.is(refusals(rig, {size: MIB}), 'received');
  rig.turn(over('whole', offerOf({size: MIB})));
  t.is(refusals(rig, {transferId: 2, fileName: 'b', size: MIB}), 'received');
  rig.turn(over('whole', offerOf({transferId: 2, fileName: 'b', size: MIB})));
  t.regex(refusals(rig, {...other(3), fileName: 'c', size: 1}), /more than 1 MiB/);
  t.regex(refusals(rig, {...other(3), fileName: 'a.txt', key: KEY, size: 1}), /more than 1 MiB/);
});

test('pushed files take no more than the owner allows; a new one of a name takes the place of the old', t => {
  const rig = NodeRig.joined({filesMib: 1});
  t.is(refusals(rig, {size: MIB - 10}), 'received');
  rig.turn(over('whole', offerOf({size: MIB - 10})));
  t.regex(refusals(rig, {...other(2), fileName: 'b', size: 11}), /more than 1 MiB \(filesMib/);
  t.is(refusals(rig, {...other(3), fileName: 'c', size: 10}), 'received');
  t.is(refusals(rig, {transferId: 4, size: MIB}), 'received', 'in the place of the old one');
  rig.kill();
  rig.join({epoch: 6, seqFloor: 0});
  t.regex(refusals(rig, {...other(5), fileName: 'b', size: 11}), /more than 1 MiB/);
  t.is(
    refusals(rig, {transferId: 6, fileName: undefined as never, size: 2 * MIB}),
    'received',
    'what is no file of its owner is no matter of filesMib',
  );
});

test('an owner that takes no files says so', t => {
  const rig = NodeRig.joined({filesMib: 0});
  t.regex(refusals(rig, {}), /its owner takes no files \(filesMib in node\.json is 0\)/);
});

test('a name that leads out of the folder or hides is refused', t => {
  const rig = NodeRig.joined();
  const bad = [
    '../a',
    'a/b',
    '.profile',
    '',
    'a\\b',
    'a\0',
    '-rf',
    'a\n',
    'ä',
    'x'.repeat(64),
    '..',
  ];
  for (const [i, fileName] of bad.entries())
    t.regex(refusals(rig, {transferId: 10 + i, fileName}), /no name of a file/, fileName);
  t.is(refusals(rig, {transferId: 2, fileName: 'x'.repeat(63)}), 'received');
  t.is(refusals(rig, {transferId: 3, fileName: 'My file-1_@+.tar.gz'}), 'received');
});

test('eight at once: a ninth is declined, what is known is not', t => {
  const rig = NodeRig.joined();
  for (let transferId = 1; transferId <= 8; transferId++)
    t.is(refusals(rig, {transferId, fileName: `f${transferId}`}), 'received');
  t.regex(refusals(rig, {transferId: 9}), /8 transfers are under way here/);
  t.is(refusals(rig, {transferId: 3, key: KEY}), 'received', 'of a master that started anew');
  orders(rig, 'cancel', 5);
  t.is(refusals(rig, {transferId: 10}), 'received');
});

test('no more than 64 last words are kept, the newest', t => {
  const rig = NodeRig.joined({filesMib: 0});
  for (let transferId = 1; transferId <= 70; transferId++) refusals(rig, {transferId});
  const again = new Set(wordsOf(rig.join()));
  t.is(again.size, 64);
  t.false(again.has('6 declined'));
  t.true(again.has('70 declined'));
});
