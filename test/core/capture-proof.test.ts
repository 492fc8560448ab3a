import test from 'ava';
import {toHex} from '../../src/base/bytes.ts';
import {asBlobId, asCaptureId, type NodeId, type WallMs} from '../../src/base/types.ts';
import {type Claimed, type Proof, prove} from '../../src/core/capture-proof.ts';
import type {CaptureRecord} from '../../src/core/capture-record.ts';
import {encodeJson} from '../../src/core/tables.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {encodeShot} from '../../src/wire/codec.ts';
import {nodeIdOf} from '../../src/wire/identity.ts';
import {fingerprintOf, signTrust} from '../../src/wire/trust.ts';

const crypto = new NodeCrypto();
const [root, command, stranger] = [0, 1, 2].map(() => crypto.ed25519KeyPair()) as [K, K, K];
type K = ReturnType<NodeCrypto['ed25519KeyPair']>;
const clusterId = crypto.random(16);
const PIN = fingerprintOf(crypto, root.publicKey);
const SALT = 7;
const hashOf = (name: string): string =>
  toHex(crypto.sha256(new TextEncoder().encode(`bytes of ${name}`)));

const trust = signTrust(crypto, root.secretKey, {
  rootKey: root.publicKey,
  clusterId,
  version: 1,
  commandKey: command.publicKey,
  masterStatic: crypto.x25519KeyPair().publicKey,
  appKeys: [],
});

const people = ['cam-1', 'cam-2', 'cam-3'].map(name => {
  const key = crypto.ed25519KeyPair();
  return {name, key, nodeId: nodeIdOf(crypto, key.publicKey)};
});

type Statement = Claimed['statements'][number];

function statementOf(no: number, change: {salt?: number; key?: K; shot?: number} = {}): Statement {
  const {name, key, nodeId} = people[no] as (typeof people)[number];
  const body = encodeShot({
    captureId: asCaptureId(42),
    shot: change.shot ?? 1,
    epoch: 1,
    seq: 1,
    heardWallMs: 900 as WallMs,
    firedWallMs: 1_001 as WallMs,
    doneWallMs: 1_050 as WallMs,
    clockBoundMs: 0.5,
    verdict: 'fired',
    reason: '',
    files: [{name: '42-1.png', blobId: asBlobId(hashOf(name)), size: 10}],
    salt: change.salt ?? SALT,
  });
  const {secretKey} = change.key ?? key;
  return {nodeId, shot: 1, body, signature: crypto.sign(secretKey, 'shot', clusterId, body)};
}

/** cam-1 and cam-2 fired, cam-3 said nothing. */
const STATEMENTS = [statementOf(0), statementOf(1)];

const recordOf = (statements: readonly Statement[], change: Partial<CaptureRecord> = {}) => {
  const said = people.map(({nodeId}) => {
    const found = statements.find(each => each.nodeId === nodeId);
    return {nodeId, shot: 1, sha256: found ? toHex(crypto.sha256(found.body)) : ''};
  });
  const body = encodeJson({
    format: 1,
    clusterId: toHex(clusterId),
    captureId: 42,
    salt: SALT,
    atWallMs: [1_000],
    nodes: people.map(({nodeId, name, key}) => ({
      ...{nodeId, name, labels: []},
      identityKey: toHex(key.publicKey),
    })),
    statements: said,
    ...change,
  });
  return {body, signature: crypto.sign(command.secretKey, 'capture', clusterId, body), trust};
};

const CLAIMED: Claimed = {
  clusterId,
  captureId: 42,
  nodes: people.map(({nodeId, name, key}) => ({nodeId, name, identityKey: key.publicKey})),
  statements: STATEMENTS,
  files: [0, 1].map(no => {
    const {nodeId, name} = people[no] as (typeof people)[number];
    return {nodeId, shot: 1, path: `1/${name}.png`, sha256: hashOf(name), size: 10};
  }),
  derived: [{path: 'report.html', sha256: hashOf('report')}],
  told: people.map(({nodeId, name}, no) => ({
    ...{name, lateMs: no < 2 ? 1 : 0},
    ...{nodeId, shot: 1, clockBoundMs: no < 2 ? 0.5 : -1},
    ...(no < 2 ? {verdict: 'fired', firedAt: 1_001} : {verdict: 'silent', firedAt: 0}),
    ...(no < 2 ? {heardAt: 900, doneAt: 1_050} : {heardAt: 0, doneAt: 0}),
    reason: '',
  })),
  figures: {atWallMs: [1_000], spreadMs: [0], sweepMs: 0},
  record: recordOf(STATEMENTS),
};

const FOUND: ReadonlyMap<string, string> = new Map([
  ['1/cam-1.png', hashOf('cam-1')],
  ['1/cam-2.png', hashOf('cam-2')],
  ['report.html', hashOf('report')],
  ['manifest.json', 'whatever'],
]);

const faultsOf = (proof: Proof): string[] => proof.faults.map(({kind, what}) => `${kind} ${what}`);

test('a folder as it was brought is proven, from the root to the last file', t => {
  const proof = prove(crypto, CLAIMED, FOUND, PIN);
  t.deepEqual(proof, {
    faults: [],
    statements: 2,
    files: 2,
    fired: 2,
    silent: 1,
    root: toHex(PIN),
    pinned: true,
  });
});

test('without a fingerprint it is said that the root is not the known one', t => {
  t.like(prove(crypto, CLAIMED, FOUND), {faults: [], root: toHex(PIN), pinned: false});
});

test('another root than the one asked for is a fault', t => {
  const proof = prove(crypto, CLAIMED, FOUND, crypto.random(16));
  t.deepEqual(faultsOf(proof), ['untrusted manifest.json']);
});

test('a manifest without a record proves what nodes say, and no more', t => {
  const bare = {...CLAIMED, record: undefined};
  t.like(prove(crypto, bare, FOUND), {faults: [], root: '', pinned: false, statements: 2});
  t.deepEqual(faultsOf(prove(crypto, bare, FOUND, PIN)), ['untrusted manifest.json']);
});

test('missing, altered, unreadable and surplus files are told apart', t => {
  const found = new Map(FOUND);
  found.delete('1/cam-1.png');
  found.set('1/cam-2.png', hashOf('other'));
  found.set('1/notes.txt', hashOf('notes'));
  found.set('report.html', '');
  t.deepEqual(faultsOf(prove(crypto, CLAIMED, found)), [
    'missing 1/cam-1.png',
    'altered 1/cam-2.png',
    'altered report.html',
    'surplus 1/notes.txt',
  ]);
});

test('a file that the node signed and nobody brought is missing', t => {
  const claimed = {...CLAIMED, files: CLAIMED.files.slice(1)};
  const found = new Map(FOUND);
  found.delete('1/cam-1.png');
  t.deepEqual(faultsOf(prove(crypto, claimed, found)), ['missing cam-1, shot 1: 42-1.png']);
});

test('a file that no node has signed is forged, also when the manifest names it', t => {
  const [file] = CLAIMED.files;
  if (!file) return t.fail();
  const fake = {...file, path: '1/fake.png', sha256: hashOf('fake')};
  const claimed = {...CLAIMED, files: [...CLAIMED.files, fake]};
  const found = new Map([...FOUND, ['1/fake.png', hashOf('fake')]]);
  t.deepEqual(faultsOf(prove(crypto, claimed, found)), ['forged 1/fake.png']);
});

test('statements by another key, of another shot or capture are forged', t => {
  const cases = [
    statementOf(1, {key: stranger}),
    statementOf(1, {shot: 2}),
    statementOf(1, {salt: 8}),
    {...statementOf(1), signature: new Uint8Array(64)},
    {...statementOf(1), nodeId: 'f'.repeat(32) as NodeId},
  ];
  for (const bad of cases) {
    const claimed = {...CLAIMED, statements: [STATEMENTS[0] as Statement, bad]};
    const proof = prove(crypto, claimed, FOUND, PIN);
    t.is(proof.statements, 1);
    t.true(
      faultsOf(proof).some(fault => fault.startsWith('forged cam-2') || fault.includes('ffff')),
    );
  }
});

test('a statement that is left out is missed, because the master signed that it was there', t => {
  const claimed = {
    ...CLAIMED,
    statements: STATEMENTS.slice(0, 1),
    files: CLAIMED.files.slice(0, 1),
    told: CLAIMED.told.filter(({nodeId}) => nodeId !== people[1]?.nodeId),
  };
  const found = new Map(FOUND);
  found.delete('1/cam-2.png');
  t.deepEqual(faultsOf(prove(crypto, claimed, found)), ['missing cam-2, shot 1']);
});

test('a second statement of a node, and one that the master never had, are surplus', t => {
  const twice = {...CLAIMED, statements: [...STATEMENTS, STATEMENTS[0] as Statement]};
  t.deepEqual(faultsOf(prove(crypto, twice, FOUND)), ['surplus cam-1, shot 1']);
  const unknown = {...CLAIMED, record: recordOf(STATEMENTS.slice(0, 1))};
  t.true(faultsOf(prove(crypto, unknown, FOUND)).includes('surplus cam-2, shot 1'));
});

test('a node that the master does not know has no voice', t => {
  const other = people.slice(0, 1).map(({nodeId, name, key}) => ({
    ...{nodeId, name, labels: []},
    identityKey: toHex(key.publicKey),
  }));
  const claimed = {...CLAIMED, record: recordOf(STATEMENTS, {nodes: other})};
  t.true(faultsOf(prove(crypto, claimed, FOUND)).includes('forged cam-2, shot 1'));
});

test('what people read must be what was signed', t => {
  const times = [{heardAt: 899}, {firedAt: 1_000}, {doneAt: 1_049}, {clockBoundMs: 0.1}];
  for (const change of [{verdict: 'missed'}, {reason: 'dark'}, ...times]) {
    const told = CLAIMED.told.map((each, i) => (i === 0 ? {...each, ...change} : each));
    const proof = prove(crypto, {...CLAIMED, told}, FOUND);
    t.deepEqual(faultsOf(proof), ['altered manifest.json']);
  }
  const told = CLAIMED.told.map((each, i) => (i === 2 ? {...each, verdict: 'fired'} : each));
  t.is(prove(crypto, {...CLAIMED, told}, FOUND).faults.length, 1);
});

test('another size than was signed is an altered manifest', t => {
  const files = CLAIMED.files.map(file => ({...file, size: 11}));
  const proof = prove(crypto, {...CLAIMED, files}, FOUND);
  t.deepEqual(faultsOf(proof), ['altered manifest.json', 'altered manifest.json']);
});

test('a record that no master of this cluster signed counts for nothing', t => {
  const good = recordOf(STATEMENTS);
  const cases = [
    {...good, signature: crypto.sign(stranger.secretKey, 'capture', clusterId, good.body)},
    {...good, trust: good.body},
    recordOf(STATEMENTS, {captureId: asCaptureId(43)}),
    recordOf(STATEMENTS, {clusterId: 'ab'}),
    recordOf(STATEMENTS, {format: 2 as 1}),
  ];
  for (const record of cases) {
    const proof = prove(crypto, {...CLAIMED, record}, FOUND, PIN);
    t.true(faultsOf(proof).includes('forged manifest.json'));
    t.is(proof.root, '');
  }
});

const detailsOf = (claimed: Claimed): string[] =>
  prove(crypto, claimed, FOUND, PIN).faults.map(
    ({kind, what, detail}) => `${kind} ${what}: ${detail}`,
  );

test('lateness, spread, instants and names are worked out again of what was signed', t => {
  const [first, ...others] = CLAIMED.told;
  const [node, ...nodes] = CLAIMED.nodes;
  if (!first || !node) return t.fail();
  const figures = (change: Partial<Claimed['figures']>) => ({
    ...CLAIMED,
    figures: {...CLAIMED.figures, ...change},
  });
  t.deepEqual(detailsOf({...CLAIMED, told: [{...first, lateMs: 0.2}, ...others]}), [
    'altered manifest.json: cam-1, shot 1: lateMs is 1.000 as signed',
  ]);
  t.deepEqual(detailsOf(figures({spreadMs: [0.1]})), [
    'altered manifest.json: shot 1: spreadMs is 0.000 as signed',
  ]);
  t.deepEqual(detailsOf(figures({spreadMs: []})), [
    'altered manifest.json: shot 1: spreadMs is 0.000 as signed',
  ]);
  t.deepEqual(detailsOf(figures({atWallMs: [999]})), [
    'altered manifest.json: atWallMs: not the instants that the master signed',
  ]);
  const renamed = {...CLAIMED, nodes: [{...node, name: 'cam-9'}, ...nodes]};
  t.deepEqual(detailsOf(renamed), ['altered manifest.json: cam-9: the master calls it cam-1']);
  t.deepEqual(detailsOf({...CLAIMED, told: [{...first, name: 'cam-8'}, ...others]}), [
    'altered manifest.json: cam-8: the master calls it cam-1',
  ]);
});

test('on hearing the first is the instant, and in a sweep each has its own', t => {
  const told = CLAIMED.told.map(row => ({...row, lateMs: 0}));
  const onHearing = {...CLAIMED, told, figures: {...CLAIMED.figures, atWallMs: [0]}};
  t.deepEqual(detailsOf({...onHearing, record: recordOf(STATEMENTS, {atWallMs: [0]})}), []);
  const [one, two, three] = CLAIMED.told;
  if (!one || !two || !three) return t.fail();
  const sweep = {...CLAIMED, told: [one, {...two, lateMs: -4}, three]};
  const figures = {...CLAIMED.figures, sweepMs: 5, spreadMs: [5]};
  t.deepEqual(detailsOf({...sweep, figures}), []);
});
