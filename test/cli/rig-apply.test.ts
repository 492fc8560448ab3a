// Rig files by the commands that a user types, and the programs of deploy/examples, on real processes. In
// place of arecord, aplay and gpioset there are programs that write down what they were told.

import {chmod, readdir, readFile, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import test from 'ava';
import {parseRig} from '../../src/cli/rig-file.ts';
import type {Difference} from '../../src/core/rig-plan.ts';
import {parseNodeConfig} from '../../src/io/config.ts';
import {followCapture} from '../../src/library/capture-states.ts';
import {openOperatorClient} from '../../src/library/open-client.ts';
import {ROOT} from '../house/source.ts';
import {program} from '../rig/tools.ts';
import {type Cluster, runningCluster, temporaryFolder, volley} from './rig.ts';

const EXAMPLES = join(ROOT, 'deploy/examples');
const python = program('python3', 'python3-minimal');

/** Writes down its arguments when it starts; a file that it is given last and its end when it is interrupted. */
const STAND_IN = `#!/bin/sh
name=$(basename "$0")
log=$(dirname "$0")/$name.log
for last; do :; done
trap 'case "$name" in arecord) echo "sound of $last" > "$last" ;; esac; echo end >> "$log"; exit 1' INT
echo "$*" >> "$log"
while :; do sleep 0.02; done
`;

let cluster: Cluster;
let tools: string;
const cleanups: (() => unknown)[] = [];

async function exampleNode(): Promise<string> {
  const text = await readFile(join(EXAMPLES, 'node.json'), 'utf8');
  return text.replace(/"\/[^"]*\/switch\.py"/g, JSON.stringify(join(EXAMPLES, 'switch.py')));
}

test.before(async t => {
  t.timeout(170_000);
  const teardown = {teardown: (act: () => unknown) => cleanups.unshift(act)};
  tools = await temporaryFolder(teardown);
  for (const name of ['arecord', 'aplay', 'gpioset']) {
    await writeFile(join(tools, name), STAND_IN);
    await chmod(join(tools, name), 0o755);
  }
  // nodes look for programs where this process does
  const places = 'reason' in python ? [tools] : [tools, dirname(python.path)];
  process.env['PATH'] = [...places, process.env['PATH']].join(':');
  const settings = JSON.parse(await exampleNode());
  cluster = await runningCluster(teardown, ['n1', 'n2'], {...settings, labels: []});
});

test.after.always(async () => {
  for (const clean of cleanups) await clean();
});

const ask = (words: readonly (string | number)[]) => volley([...words, '--data', cluster.data]);

async function rigFile(name: string, text: string): Promise<string> {
  const path = join(cluster.dir, name);
  await writeFile(path, text);
  return path;
}

async function differences(path: string): Promise<string[]> {
  const {code, stdout, stderr} = await ask(['rig', 'diff', path, '--json']);
  const {differences: all} = JSON.parse(stdout || stderr) as {differences: Difference[]};
  if (code !== (all.length === 0 ? 0 : 1)) throw new Error(`exit ${code}: ${stdout}`);
  return all.map(({kind, name, key, wanted, found}) =>
    [kind, name, key, wanted, found].filter(text => text !== '').join(' '),
  );
}

const RIG = `rig: studio
nodes:
  - name: n[1-2]
    labels: [ring1, studio]
    action: testcard
actions:
  testcard: {format: jpeg, remark: hello}
`;

test.serial('a rig file is applied, once; an export of it changes nothing', async t => {
  t.timeout(170_000);
  const path = await rigFile('rig.yml', RIG);
  const settings = ['format jpeg', 'remark hello'].map(text => `testcard ${text}`);
  const before = await differences(path);
  t.deepEqual(
    before.map(text => text.replace(/ not told yet$/, '')),
    ['n1', 'n2'].flatMap(name => [
      ...[`label ${name} ring1`, `label ${name} studio`],
      ...settings.map(text => `setting ${name} ${text}`),
    ]),
  );
  const dry = await ask(['rig', 'apply', path, '--dry-run']);
  t.is(dry.code, 0, dry.stderr);
  t.is(
    dry.stdout,
    'would set n[1-2]: labels +ring1 +studio\n' +
      'would set n[1-2]: testcard format=jpeg remark=hello\n',
  );
  const applied = await ask(['rig', 'apply', path]);
  t.is(applied.code, 0, applied.stdout + applied.stderr);
  t.regex(
    applied.stdout,
    /^set n\[1-2\]: labels .*\nset n\[1-2\]: .*\n"studio" is as .*2 nodes\.$/m,
  );
  const again = await ask(['rig', 'apply', path]);
  t.is(again.code, 0);
  t.regex(again.stdout, /^Nothing to change\.\n"studio" is as /);
  t.regex((await ask(['rig', 'diff', path])).stdout, /^No difference: "studio" is as /);

  const copy = join(cluster.dir, 'copy.yml');
  const exported = await ask(['rig', 'export', '--name', 'studio', '--out', copy]);
  t.is(exported.code, 0, exported.stderr);
  const text = await readFile(copy, 'utf8');
  t.regex(text, /^ {2}testcard: \{ format: jpeg, remark: hello \}$/m);
  t.regex(text, /^ {2}- name: n1\n {4}labels: \[ of-n1, ring1, studio \]$/m);
  t.regex((await ask(['rig', 'apply', copy])).stdout, /^Nothing to change\.\n"studio" is as /);
  t.is((await ask(['rig', 'export', '--out', copy])).code, 2, 'no file is written over');
});

test.serial(
  'what differs is told, what cannot be mended stays; a bad file changes nothing',
  async t => {
    t.timeout(170_000);
    const path = await rigFile(
      'other.yml',
      RIG.replace('n[1-2]', 'n[2-3]').replace(', studio', '').replace('hello', 'ho'),
    );
    const wanted = ['label n2 studio', 'setting n2 testcard remark ho hello', 'missing n3 a node'];
    t.deepEqual(await differences(path), [...wanted, 'surplus n1 a node']);
    const bad = await rigFile('bad.yml', `${RIG}  camera: {gian: 1}\n`);
    const unread = await rigFile('unread.yml', RIG.replace('format', '[format'));
    for (const [file, message] of [
      [bad, /bad\.yml:8: "gian" is no setting of camera; did you mean "gain"\?/],
      [unread, /unread\.yml:7: not YAML/],
    ] as const) {
      const refused = await ask(['rig', 'apply', file]);
      t.is(refused.code, 2);
      t.regex(refused.stderr, message);
    }
    const {code, stdout} = await ask(['rig', 'apply', path]);
    t.is(code, 1);
    t.regex(stdout, /^set n2: labels -studio\nset n2: testcard format=jpeg remark=ho\n\nnodes /);
    t.regex(stdout, /^n3 +missing +a node +-\nn1 +surplus +- +a node\n\n2 differences\.$/m);
    const odd = await rigFile('odd.yml', RIG.replace('format: jpeg', 'format: bmp'));
    const failed = await ask(['rig', 'apply', odd]);
    t.is(failed.code, 1);
    t.regex(failed.stdout, /^failed on n2: no format "bmp"/m);
    t.regex(failed.stdout, /^n\[1-2\] +testcard format +bmp +jpeg$/m);
  },
);

test.serial(
  'a capture takes what it is not told from the rig, and says where nodes stand',
  async t => {
    t.timeout(170_000);
    const {nodes} = JSON.parse((await ask(['nodes', '--json'])).stdout) as {
      nodes: {name: string; nodeId: string}[];
    };
    const n2 = nodes.find(({name}) => name === 'n2')?.nodeId ?? '';
    const path = await rigFile(
      'places.yml',
      `rig: places
nodes:
  - {name: n1, position: {x: 1.2, z: 1, angle: 30}}
  - {name: n2, id: ${n2.slice(0, 8)}, position: {x: -1}}
capture: {action: testcard, require: all, now: true, shots: 2, every: 100ms, layout: "{node}-{shot}.{ext}"}
`,
    );
    const out = join(cluster.dir, 'places');
    const shot = await ask(['capture', '--rig', path, '--shots', 1, '--at', '400ms', '--out', out]);
    t.is(shot.code, 0, shot.stdout + shot.stderr);
    t.deepEqual((await readdir(out)).filter(name => /^n\d-\d\.\w+$/.test(name)).length, 2);
    const sidecar = JSON.parse(await readFile(join(out, 'n1-1.jpg.json'), 'utf8'));
    t.like(sidecar, {rig: 'places', position: {x: 1.2, z: 1, angle: 30}});
    const manifest = JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8'));
    t.is(manifest.rig.name, 'places');
    t.deepEqual(
      manifest.rig.positions.find(({nodeId}: {nodeId: string}) => nodeId === n2)?.position,
      {x: -1},
    );
    t.is((await volley(['capture', 'verify', out])).code, 0);
    const copy = join(cluster.dir, 'places-2');
    const fetched = await ask([
      'capture',
      'fetch',
      manifest.captureId,
      '--rig',
      path,
      '--out',
      copy,
    ]);
    t.is(fetched.code, 0, fetched.stderr);
    t.like(JSON.parse(await readFile(join(copy, 'n2-1.jpg.json'), 'utf8')), {position: {x: -1}});
    const bad = await rigFile('late.yml', 'rig: x\nnodes: [{name: n1}]\ncapture: {at: soon}\n');
    t.regex((await ask(['capture', '--rig', bad])).stderr, /late\.yml:3: at must be a time/);
  },
);

const log = async (name: string): Promise<string[]> => {
  const text = await readFile(join(tools, `${name}.log`), 'utf8').catch(() => '');
  return text.split('\n').filter(line => line !== '');
};

/** Without a process for each: [verdict, reason] of every node. */
async function fire(action: string, word: string): Promise<string[][]> {
  const client = await openOperatorClient({data: cluster.data});
  try {
    const order = {action, args: [word], target: {labels: [], nodes: []}, leadMs: 50};
    const {captureId} = await client.capture({...order, shots: 1, intervalMs: 0});
    const {rows} = await followCapture(client, captureId, () => {});
    return rows.map(({verdict, reason}) => [verdict, reason]);
  } finally {
    client.close();
  }
}
const both = (...row: string[]): string[][] => [row, row];

test.serial('the examples start and stop a recorder, a player and a light', async t => {
  t.timeout(170_000);
  if ('reason' in python) return t.pass(`skipped: ${python.reason}`);
  const path = await rigFile(
    'sound.yml',
    'rig: sound\nnodes: [{name: "n[1-2]"}]\nactions:\n  player: {sound: /srv/ding.wav}\n',
  );
  const applied = await ask(['rig', 'apply', path]);
  t.is(applied.code, 0, applied.stdout + applied.stderr);
  for (const [action, tool, told] of [
    ['player', 'aplay', /^-q \/srv\/ding\.wav$/],
    ['light', 'gpioset', /^-c gpiochip0 17=1$/],
    ['recorder', 'arecord', /^-q -D default -f cd -t wav switch-\d+$/],
  ] as const) {
    t.deepEqual(await fire(action, 'start'), both('fired', ''), action);
    const lines = await log(tool);
    t.is(lines.length, 2, 'one for each node');
    for (const line of lines) t.regex(line, told);
    const twice = 'it runs already; --arg stop ends it';
    t.deepEqual(await fire(action, 'start'), both('failed', twice));
    if (action === 'recorder') continue;
    t.deepEqual(await fire(action, 'stop'), both('fired', ''), action);
    t.deepEqual((await log(tool)).slice(2), ['end', 'end']);
    const off = 'it does not run; --arg start starts it';
    t.deepEqual(await fire(action, 'stop'), both('failed', off));
  }
  const out = join(cluster.dir, 'sound');
  const stop = ['capture', '--action', 'recorder', '--arg', 'stop', '--out', out];
  const stopped = await ask(stop);
  t.is(stopped.code, 0, stopped.stdout);
  const sound = await readFile(join(out, '1/of-n1.wav'), 'utf8');
  t.regex(sound, /^sound of switch-\d+\n$/);
  t.deepEqual((await log('arecord')).slice(2), ['end', 'end']);
});

test('the examples are what Volley reads', async t => {
  const {actions} = parseNodeConfig(await exampleNode(), 'node.json');
  const rig = parseRig(await readFile(join(EXAMPLES, 'rig.yml'), 'utf8'), 'rig.yml');
  t.is(rig.nodes.length, 10);
  for (const action of rig.actions.keys()) t.true(actions.has(action), action);
  t.true(actions.get('recorder')?.armed);
});
