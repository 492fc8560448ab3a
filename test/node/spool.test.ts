import test from 'ava';
import {ByteWriter} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import {asMonoMs, type ReplicaId} from '../../src/base/types.ts';
import type {NodeEffect} from '../../src/core/core.ts';
import {Spool} from '../../src/node/spool.ts';
import type {OutputRef} from '../../src/wire/message.ts';
import {NodeRig, sent} from './rig.ts';

const OUTPUT: OutputRef = {kind: 'inline', bytes: new Uint8Array(3)};

test('a report that is lost on the way is said again soon, again and again', t => {
  const rig = NodeRig.working(1);
  const [report] = sent(rig.turn(rig.computed('1/0/0' as ReplicaId, OUTPUT)), 'report');
  if (!report) return t.fail();
  let last = 0;
  let said = 0;
  for (let ms = 0; ms < 3_500; ms += 10) {
    if (sent(rig.pass(10), 'report').length === 0) continue;
    if (said < 3) t.true(ms - last <= 600, `${ms - last} ms`);
    last = ms;
    said += 1;
  }
  t.true(said >= 4, `${said} times in 3.5 s`);
});

test('a new life starts its nonces apart from those of the life before', t => {
  const body = new Uint8Array(4);
  const lives = [1, 2, 3].map(seed => {
    const spool = new Spool(new Prng(seed)); // each on the same old disk
    spool.restore('00000007', row(body), asMonoMs(0));
    return [
      spool.add('shot', body, body, asMonoMs(0)),
      spool.add('shot', body, body, asMonoMs(0)),
    ].map(({key}) => Number.parseInt(key, 16));
  });
  t.is(new Set(lives.flat()).size, 6);
  for (const [first = 0, second] of lives) {
    t.true(first > 7);
    t.is(second, first + 1);
  }
});

test('after the last nonce come free ones from the first on', t => {
  const body = new Uint8Array(4);
  const spool = new Spool(new Prng(1));
  spool.restore('fffffffe', row(body), asMonoMs(0));
  spool.restore('ffffffff', row(body), asMonoMs(0));
  const keys = Array.from({length: 3}, () => spool.add('shot', body, body, asMonoMs(0)).key);
  t.is(new Set(keys).size, 3);
  for (const key of keys) {
    t.is(key.length, 8);
    t.true(Number.parseInt(key, 16) < 2 ** 21);
  }
  t.is(spool.size, 5);
});

const row = (body: Uint8Array): Uint8Array =>
  new ByteWriter().varint(1).sized(new Uint8Array(64)).sized(body).bytes();

/** One result is not told when a session begins: when it is, and when work is asked for. */
function rejoin(answers: boolean): {readonly toldAt: number; readonly askedAt: number} {
  const rig = NodeRig.working(1);
  rig.turn(rig.computed('1/0/0' as ReplicaId, OUTPUT));
  rig.kill();
  let heard = rig.join();
  let toldAt = Number.POSITIVE_INFINITY;
  for (let at = 0; at < 15_000; at += 50) {
    const pulls = sent(heard, 'pull');
    if (pulls.some(({wanted}) => wanted > 0)) return {toldAt, askedAt: at};
    const [report] = answers ? sent(heard, 'report') : [];
    if (report) toldAt = at;
    const said: NodeEffect[] = pulls.flatMap(pull => rig.hears(rig.assignOf(pull, 0)));
    if (report) said.push(...rig.hears(rig.receiptOf(report)));
    heard = [...said, ...rig.pass(50)];
  }
  return {toldAt, askedAt: Number.POSITIVE_INFINITY};
}

test('after a session begins the spool is told before work is asked for', t => {
  const {toldAt, askedAt} = rejoin(true);
  t.true(toldAt < askedAt && askedAt < 2_000, `${toldAt} ${askedAt}`);
});

test('a master that gives no receipts stops the asking for work for some seconds only', t => {
  const {askedAt} = rejoin(false);
  t.true(askedAt >= 10_000 && askedAt < 15_000, `${askedAt}`);
});
