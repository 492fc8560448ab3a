// S14. A checker that never speaks proves nothing: here runners get what they must not get, and nodes go back.

import test, {type ExecutionContext} from 'ava';
import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {Prng} from '../../src/base/prng.ts';
import type {BlobId} from '../../src/base/types.ts';
import {signApp} from '../../src/core/app.ts';
import type {RunOrder} from '../../src/core/core.ts';
import {encodeJson, type Op, put} from '../../src/core/tables.ts';
import {AppChecker, type Truster} from '../../src/sim/app-checker.ts';
import {planOf} from '../../src/sim/draw.ts';
import {SimFailure} from '../../src/sim/fabric.ts';
import {SimCrypto} from '../../src/sim/sim-crypto.ts';
import {APP, type Bundle, idOf, SimVault} from '../../src/sim/sim-vault.ts';
import {runPlan} from '../../src/sim/swarm.ts';
import {signTrust} from '../../src/wire/trust.ts';

/** A vault, a checker, and one node that has written down the newest document. */
function rig() {
  const crypto = new SimCrypto(new Prng(1));
  const root = crypto.ed25519KeyPair();
  const facts = {
    clusterId: crypto.random(16),
    commandKey: crypto.random(32),
    masterStatic: crypto.random(32),
  };
  const vault = new SimVault(crypto, root, facts);
  const rows = new Map<string, [string, Uint8Array][]>();
  const disk = {rows: (table: string) => rows.get(table) ?? []};
  const checker = new AppChecker(crypto, {vault, store: {disk}} as never);
  const knows = (trust: Uint8Array, used = trust): Truster => ({
    no: 1,
    known: {rootFingerprint: new Uint8Array(16), trust},
    link: {trust: () => used},
  });
  const start = (
    {signed, module}: Pick<Bundle, 'signed' | 'module'>,
    node = knows(vault.newest.bytes),
    appId: BlobId = idOf(crypto, signed),
  ): void => checker.startedApp(node, {appId} as RunOrder, {signed, module});
  return {crypto, root, facts, vault, checker, rows, knows, start};
}

function breaks(t: ExecutionContext, story: RegExp, act: () => void): void {
  const failure = t.throws(act, {instanceOf: SimFailure});
  t.is(failure?.invariant, 'S14');
  t.regex(failure?.message ?? '', story);
}

test('an app of the operator may start, also an older one while its key is named', t => {
  const {vault, start, checker} = rig();
  const [first] = vault.bundles;
  vault.release();
  vault.rotateApp();
  for (const bundle of vault.bundles) t.notThrows(() => start(bundle));
  t.is(checker.started, 3);
  if (first) t.is(vault.bundleOf(first.appId), first);
});

test('an app that nobody of the cluster signed is found', t => {
  const {crypto, vault, start} = rig();
  const {manifest, module, signed} = vault.bundle;
  const stranger = crypto.ed25519KeyPair();
  const strange = signApp(crypto, stranger.secretKey, manifest);
  breaks(t, /which nobody signed/, () => start({signed: strange, module}));
  breaks(t, /which nobody signed/, () => start({signed: toUtf8('x'), module}));
  breaks(t, /with another module/, () => start({signed, module: toUtf8('other code')}));
});

test('bytes under the name of another app are found', t => {
  const {vault, start, knows} = rig();
  const older = vault.bundle;
  vault.release();
  breaks(t, /and the bytes are/, () => start(older, knows(vault.newest.bytes), vault.bundle.appId));
});

test('an app whose key was dropped is found, as soon as the node has written that down', t => {
  const {vault, start, knows} = rig();
  const older = vault.bundle;
  vault.rotateApp();
  const before = vault.newest.bytes;
  vault.dropOld();
  t.notThrows(() => start(older, knows(before)));
  t.notThrows(() => start(vault.bundle));
  breaks(t, /release 1, whose key document 3 does not name/, () => start(older));
});

test('a node that goes by another document than it has written down is found', t => {
  const {vault, start, knows} = rig();
  const before = vault.newest.bytes;
  vault.rotateApp();
  const now = vault.newest.bytes;
  breaks(t, /has not kept/, () => start(vault.bundle, knows(now, before)));
});

test('a document that the root never signed is found', t => {
  const {crypto, facts, checker, knows, vault} = rig();
  const stranger = crypto.ed25519KeyPair();
  const document = {...facts, rootKey: stranger.publicKey, version: 9, appKeys: []};
  const forged = signTrust(crypto, stranger.secretKey, document);
  breaks(t, /never signed/, () => checker.trustKept(knows(forged)));
  const changed = vault.newest.bytes.slice();
  changed[20] = (changed[20] ?? 0) ^ 1;
  breaks(t, /never signed/, () => checker.trustKept(knows(changed)));
});

test('a node that goes back to an older document is found, unless its machine did', t => {
  const {checker, knows, vault} = rig();
  const first = vault.newest.bytes;
  vault.rotateApp();
  vault.rotateRoot();
  const last = vault.newest.bytes;
  checker.trustKept(knows(first));
  checker.trustKept(knows(last));
  breaks(t, /from trust document 3 back to 1/, () => checker.trustKept(knows(first)));
  checker.wentBack(knows(first));
  t.notThrows(() => checker.trustKept(knows(last)));
  checker.wentBack({no: 1, known: {rootFingerprint: new Uint8Array(16)}, link: undefined});
  t.notThrows(() => checker.trustKept(knows(first)));
  t.is(checker.learnt, 4);
});

test('a member that has not heard of the newest document is found', t => {
  const {checker, knows, vault} = rig();
  const first = vault.newest.bytes;
  t.notThrows(() => checker.allKnow([knows(first)]));
  vault.dropOld();
  breaks(t, /has document 1, the newest is 2/, () => checker.allKnow([knows(first)]));
});

const appRow = (appId: string): Op => put('app', APP, encodeJson({appId}));
const batchRow = (no: number, appId: string): Op =>
  put('batch', String(no), encodeJson({appId, appName: APP}));

test('a batch that gets another app than the newest, or another one later, is found', t => {
  const {checker, rows} = rig();
  checker.masterDurable([appRow('a'), batchRow(1, 'a')]);
  checker.masterDurable([appRow('b'), batchRow(2, 'a'), batchRow(3, 'b')]);
  t.notThrows(() => checker.masterDurable([batchRow(1, 'a'), batchRow(4, 'b')]));
  breaks(t, /batch 5 gets a, not the newest/, () => checker.masterDurable([batchRow(5, 'a')]));
  breaks(t, /batch 1 gets b/, () => checker.masterDurable([batchRow(1, 'b')]));
  // An old backup: what the disk says counts.
  rows.set('app', [[APP, encodeJson({appId: 'a'})]]);
  checker.masterBooted();
  t.notThrows(() => checker.masterDurable([batchRow(2, 'a')]));
});

test('in runs keys change, nodes follow, and what is forged comes to nothing', t => {
  t.timeout(120_000);
  const sum = {started: 0, learnt: 0, changes: 0, blobs: 0, documents: 0, batches: 0, runs: 0};
  for (let seed = 1; sum.runs < 8; seed++) {
    const plan = planOf(seed);
    if (!plan.keys || plan.keys.forgeMs === 0 || plan.keys.tamper === 0) continue;
    const {failure, world} = runPlan(plan);
    t.is(failure, undefined, `npm run sim -- --seed ${seed}`);
    const {started, learnt} = world.checkers.appChecker;
    const {blobs = 0, documents = 0, batches = 0} = world.forger?.done ?? {};
    const changes = world.operator.desk?.changes ?? 0;
    const run = {started, learnt, changes, blobs, documents, batches, runs: 1};
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += run[name];
  }
  for (const [what, count] of Object.entries(sum)) t.true(count >= 8, `${what}: ${count}`);
  t.log(sum);
});

test('a plan without keys runs whatever is ordered, and looks at nothing', t => {
  const {keys: _, ...plan} = planOf(3, {nodes: 3, workunits: 10, quorum: 2});
  const {failure, world} = runPlan(plan);
  t.is(failure, undefined);
  t.is(world.checkers.appChecker.started, 0);
  t.is(toHex(world.nodes[0]?.known.trust ?? new Uint8Array()), '');
});
