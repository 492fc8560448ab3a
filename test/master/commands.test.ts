import test from 'ava';
import type {MasterEffect} from '../../src/core/core.ts';
import {encodeCommand} from '../../src/wire/codec.ts';
import {COMMAND_BYTES_MAX} from '../../src/wire/limits.ts';
import {only} from './look.ts';
import {MasterRig} from './rig.ts';
import {EPOCH_WALL, type TestNode} from './test-node.ts';

type At = {readonly at: number; readonly effect: MasterEffect};

/** Multicasts and repairs with the time since now at which they leave. */
function watch(rig: MasterRig, ms: number): At[] {
  const start = rig.mono;
  const seen: At[] = [];
  for (let at = 1; at <= ms; at++)
    for (const effect of rig.pass(1))
      if (effect.type === 'multicast' || effect.type === 'repair')
        seen.push({at: rig.mono - start, effect});
  return seen;
}

const repairs = (seen: readonly At[]) => seen.filter(({effect}) => effect.type === 'repair');

const cameras = (rig: MasterRig, count: number): TestNode[] =>
  rig.nodes(count, {actions: ['camera']});

test('a command is one multicast, repeated at +20 and +60 ms with the same seq and bytes', t => {
  const rig = MasterRig.ready();
  cameras(rig, 2);
  const {effects} = rig.capture();
  const [first, ...others] = only(effects, 'multicast');
  t.is(others.length, 0);
  const repeats = watch(rig, 61).filter(({effect}) => effect.type === 'multicast');
  t.deepEqual(
    repeats.map(({at}) => at),
    [20, 60],
  );
  for (const {effect} of repeats) t.deepEqual(effect, first);
});

test('after the repeats only silent nodes are told, each by unicast', t => {
  const rig = MasterRig.ready();
  const [a, b, c] = cameras(rig, 3) as [TestNode, TestNode, TestNode];
  rig.capture();
  rig.says(a, rig.ackOf(a, {}));
  rig.says(c, rig.ackOf(c, {}));
  const repaired = repairs(watch(rig, 400));
  t.true(repaired.length >= 2);
  for (const {at, effect} of repaired) {
    t.true(at >= 60);
    t.like(effect, {type: 'repair', to: b.peer, seq: 1});
  }
});

test('repairs back off', t => {
  const rig = MasterRig.ready();
  cameras(rig, 1);
  rig.capture({leadMs: 10_000});
  const times = repairs(watch(rig, 8_000)).map(({at}) => at);
  const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
  for (let i = 1; i < gaps.length; i++) t.true((gaps[i] ?? 0) >= (gaps[i - 1] ?? 0) - 1);
  t.true(gaps.every(gap => gap <= 1_001));
  t.true(times.length < 20);
});

test('the last acknowledgement ends a command', t => {
  const rig = MasterRig.ready();
  const [a, b] = cameras(rig, 2) as [TestNode, TestNode];
  rig.capture();
  watch(rig, 100);
  rig.says(a, rig.ackOf(a, {}));
  rig.says(b, rig.ackOf(b, {}));
  t.deepEqual(watch(rig, 3_000), []);
});

test('the time to live ends a command', t => {
  const rig = MasterRig.ready();
  cameras(rig, 1);
  rig.capture({leadMs: 0});
  const seen = watch(rig, 20_000);
  t.true(repairs(seen).length > 0);
  const last = seen.at(-1)?.at ?? 0;
  t.true(last >= 4_000 && last <= 6_100, `the last one at ${last}`);
});

test('a statement about the shot is an acknowledgement too', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const {id} = rig.capture();
  rig.says(a, rig.shotOf(a, {captureId: id, seq: 1}));
  t.is(repairs(watch(rig, 3_000)).length, 0);
});

test('an acknowledgement of another seq or epoch, or a forged one, ends nothing', t => {
  const rig = MasterRig.ready();
  const [a, b] = cameras(rig, 2) as [TestNode, TestNode];
  rig.capture();
  rig.says(b, rig.ackOf(b, {}));
  rig.says(a, rig.ackOf(a, {seq: 9}));
  rig.says(a, rig.ackOf(a, {epoch: 99}));
  rig.says(a, rig.ackOf(a, {}, b.identity));
  t.true(repairs(watch(rig, 500)).length > 0);
});

test('seq starts at 1 in each epoch and never comes twice', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  const seen = new Set<string>();
  for (let life = 0; life < 3; life++) {
    for (let i = 0; i < 3; i++) {
      const [sent] = only(rig.capture().effects, 'multicast');
      t.is(sent?.seq, i + 1);
      seen.add(`${sent?.epoch}/${sent?.seq}`);
    }
    rig.kill();
    rig.join(a, {actions: ['camera']});
  }
  t.is(seen.size, 9);
});

test('nodes that are not meant, or not up, are not waited for', t => {
  const rig = MasterRig.ready();
  const asleep = rig.node('asleep', {labels: ['ring1'], actions: ['camera']});
  rig.pass(10_000);
  const meant = rig.node('meant', {labels: ['ring1'], actions: ['camera']});
  const other = rig.node('other', {labels: ['ring2'], actions: ['camera']});
  rig.capture({target: {labels: ['ring1'], nodes: []}});
  const told = new Set(
    repairs(watch(rig, 500)).map(({effect}) => effect.type === 'repair' && effect.to),
  );
  t.deepEqual(told, new Set([meant.peer]));
  t.false(told.has(other.peer) || told.has(asleep.peer));
});

test('a command carries its life: issued now, the cluster, the instance, the state', t => {
  const rig = MasterRig.ready();
  cameras(rig, 4);
  const [sent] = only(rig.capture({leadMs: 300}).effects, 'multicast');
  t.like(sent?.command, {
    clusterId: rig.config.clusterId,
    instanceId: rig.config.instanceId,
    issuedWallMs: EPOCH_WALL + rig.mono,
    ttlMs: 5_300,
  });
  t.true((sent?.command.ackWindowMs ?? 0) > 0);
});

test('a capture whose command would not fit a datagram is refused', t => {
  const rig = MasterRig.ready();
  const [a] = cameras(rig, 1) as [TestNode];
  for (const count of [1, 20, 40, 60, 70, 80, 200]) {
    const nodes = Array<TestNode['id']>(count).fill(a.id);
    const {answer, effects} = rig.asked({
      kind: 'capture',
      capture: {
        action: 'camera',
        args: ['x'.repeat(200)],
        target: {labels: [], nodes},
        leadMs: 0,
        shots: 1,
        intervalMs: 0,
      },
    });
    for (const {command} of only(effects, 'multicast'))
      t.true(encodeCommand(command).length <= COMMAND_BYTES_MAX);
    if (count >= 80) t.false(answer.ok);
  }
});
