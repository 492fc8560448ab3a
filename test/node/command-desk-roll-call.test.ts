// A node says whether it would fire, and fires at its own place of a sweep.

import test from 'ava';
import {addMono} from '../../src/base/types.ts';
import type {NodeEffect} from '../../src/core/core.ts';
import {decodeAck} from '../../src/wire/codec.ts';
import type {AckStatement} from '../../src/wire/message.ts';
import {NODE_ID, NodeRig, only, sent} from './rig.ts';

const saysOf = (effects: readonly NodeEffect[]): (AckStatement | 'malformed')[] =>
  sent(effects, 'commandAck').map(({body}) => decodeAck(body) ?? 'malformed');

function roll(rig: NodeRig, action = 'camera'): AckStatement {
  const effects = [...rig.turn(rig.command({kind: 'rollCall', action})), ...rig.pass(30)];
  const [said, ...more] = saysOf(effects);
  if (said === undefined || said === 'malformed' || more.length > 0) throw new Error('one answer');
  if (only(effects, 'fire').length > 0) throw new Error('it fired');
  return said;
}

test('a node that would fire says so, with the room on its disk', t => {
  const rig = NodeRig.joined();
  rig.turn({type: 'freeSpace', freeBytes: 5 * 2 ** 30, floorBytes: 64 * 2 ** 20});
  const said = roll(rig);
  t.like(said, {verdict: 'accepted', freeMib: 5_120});
  t.is(said.unready, undefined);
});

test('an action that the owner does not allow, a full disk and a broken camera are said', t => {
  const rig = NodeRig.joined();
  t.like(roll(rig, 'laser'), {
    verdict: 'notAllowed',
    unready: 'the owner of this node does not allow "laser"',
  });
  const report = {
    ...{phase: 'unable' as const, error: 'no camera: is it plugged in?', model: '', warmUpMs: 0},
    ...{sensorPeriodMs: 0, settings: {}},
  } as const;
  rig.turn({type: 'actionSaid', action: 'camera', report});
  t.is(roll(rig).unready, 'no camera: is it plugged in?');
  rig.turn({type: 'freeSpace', freeBytes: 1_000, floorBytes: 64 * 2 ** 20});
  t.regex(`${roll(rig).unready}`, /the disk of this node is nearly full/);
});

test('a node that does not know the time well enough says so', t => {
  const rig = new NodeRig();
  rig.link();
  rig.wallStepMs += 30_000; // its Welcome is no sample any more
  rig.pass(0);
  rig.hears(rig.welcome());
  const said = roll(rig);
  t.regex(
    `${said.unready}`,
    /the clock of the master is not known yet|its clock may be \d+\.\d ms off/,
  );
});

test('a node that knows the time less well than the operator allows is not ready', t => {
  const rig = NodeRig.joined();
  const unready = (toleranceMs: number) => {
    const what = {kind: 'rollCall', action: 'camera', toleranceMs} as const;
    const [said] = saysOf([...rig.turn(rig.command(what)), ...rig.pass(30)]);
    return said === 'malformed' ? said : said?.unready;
  };
  t.is(unready(100), undefined);
  t.regex(unready(0.001) ?? '', /^its clock may be \d+\.\d ms off$/);
});

test('a node says how long shots of an action took of late, until it is set anew', t => {
  const rig = NodeRig.joined();
  let shot = 0;
  const fired = (tookMs: number, what: object = {}, done: object = {}): void => {
    shot += 1;
    rig.turn(rig.fire(10, {}, {shot, ...what}));
    rig.pass(30); // it acknowledges within 20
    const {mono} = rig.now;
    rig.turn(rig.shotDone({shot, firedAt: mono, doneAt: addMono(mono, tookMs), ...done}));
  };
  t.is(roll(rig).shotMs, undefined);
  fired(900, {preview: true});
  fired(900, {}, {failure: 'no'});
  fired(900, {}, {firedAt: undefined, failure: 'no'});
  t.is(roll(rig).shotMs, undefined, 'neither a preview nor what failed is a measure');
  fired(84.2);
  t.is(roll(rig).shotMs, 85);
  for (const tookMs of [2_000, 90, 80]) fired(tookMs);
  t.is(roll(rig).shotMs, 90, 'the longest but one');
  t.is(roll(rig, 'laser').shotMs, undefined);
  const set = {id: 1, settings: {}, applied: {ok: true as const, settings: {}}};
  rig.turn({type: 'actionSet', action: 'camera', ...set});
  t.is(roll(rig).shotMs, undefined);
});

test('in a sweep a node fires at its place, and one that is not in it is not meant', t => {
  const rig = NodeRig.joined();
  const me = NODE_ID.slice(0, 16);
  const other = '00'.repeat(8);
  const sweep = {stepMs: 25, from: 60, nodes: [other, me, 'ff'.repeat(8)]};
  const [fire] = only(rig.turn(rig.fire(500, {}, {sweep})), 'fire');
  const at = (fire?.fireAt ?? 0) - rig.now.mono;
  t.true(Math.abs(at - (500 + 61 * 25)) < 2, `${at}`);
  const effects = rig.turn(rig.fire(500, {}, {shot: 2, sweep: {...sweep, nodes: [other]}}));
  t.is(only([...effects, ...rig.pass(100)], 'fire').length, 0);
  t.is(sent(effects, 'shotReport').length, 0);
});

test('answers wait for the slot of their node', t => {
  const slotOf = (): number => {
    const rig = NodeRig.joined();
    const began = rig.now.mono;
    rig.turn(rig.command({kind: 'rollCall', action: 'camera'}, {ackWindowMs: 800}));
    for (let ms = 0; ms <= 800; ms++)
      if (saysOf(rig.pass(1)).length > 0) return rig.now.mono - began;
    return -1;
  };
  const expected = (Number.parseInt(NODE_ID.slice(0, 8), 16) / 2 ** 32) * 800;
  t.true(Math.abs(slotOf() - expected) <= 2);
  t.is(slotOf(), slotOf(), 'the same each time');
});
