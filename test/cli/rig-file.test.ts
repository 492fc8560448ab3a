import {mkdtemp, rm, truncate, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {asNodeId} from '../../src/base/types.ts';
import {checkSettingNames, parseRig, readRig} from '../../src/cli/rig-file.ts';
import {nodeView} from '../http/rig.ts';

const RIG = `# a rig
rig: studio
nodes:
  - name: cam-[01-03]
    labels: &ring [ring1, 007]
    action: camera
  - name: cam-13
    id: 3218 AD1D
    labels: *ring
    position: {x: 1.2, y: 0, z: -1.5e0, angle: 30}
  - name: spare
actions:
  camera: {shutter: "2000", gain: 1.50, awb: off}
  testcard:
capture:
  action: camera
  at: +500ms
  shots: 2
  select: [label=ring1, spare]
`;

test('a rig file says which nodes, labels, places and settings there are', t => {
  const rig = parseRig(RIG, 'rig.yml');
  t.is(rig.name, 'studio');
  const ring = {labels: ['ring1', '007'], action: 'camera'};
  t.deepEqual(rig.nodes, [
    ...['cam-01', 'cam-02', 'cam-03'].map(name => ({name, ...ring})),
    {
      ...{name: 'cam-13', id: '3218ad1d', labels: ring.labels},
      position: {x: 1.2, y: 0, z: -1.5, angle: 30},
    },
    {name: 'spare'},
  ]);
  t.deepEqual(
    [...rig.actions],
    [
      ['camera', {shutter: '2000', gain: '1.50', awb: 'off'}],
      ['testcard', {}],
    ],
  );
  t.deepEqual(
    [...rig.capture],
    [
      ['action', ['camera']],
      ['at', ['+500ms']],
      ['shots', ['2']],
      ['select', ['label=ring1', 'spare']],
    ],
  );
});

test('a rig file may give steps in place of an action', t => {
  const steps = ['lights on @label=lamps', '+200ms camera'];
  const text = `rig: x\nnodes:\n  - name: a\ncapture:\n  step: ${JSON.stringify(steps)}\n`;
  t.deepEqual([...parseRig(text, 'rig.yml').capture], [['step', steps]]);
});

const with_ = (nodes: string, more = ''): string => `rig: x\nnodes:\n${nodes}${more}`;
const ONE = '  - name: a\n';
const bomb = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...[...'bcdefg'].map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdef'[i]}`)}]`),
].join('\n');

const FAULTS: readonly (readonly [string, string, RegExp])[] = [
  ['nothing', '', /^rig\.yml:1: the file must be a map with `rig:`/],
  ['a plain text', 'hello', /^rig\.yml:1: the file must be a map/],
  ['no YAML', 'rig: x\nnodes: [a\nb: {', /^rig\.yml:\d: not YAML: Flow/],
  ['tabs', 'rig: x\nnodes:\n\t- name: a', /^rig\.yml:3: not YAML: Tabs/],
  ['two documents', 'rig: x\n---\nrig: y', /^rig\.yml:2: there must be one document/],
  ['a tag', 'rig: !!js/function x', /^rig\.yml:1: not YAML: Unresolved tag/],
  ['a key that is there twice', 'rig: x\nrig: y', /^rig\.yml:2: not YAML: Map keys must be unique/],
  ['a bomb of aliases', bomb, /^rig\.yml:1: its aliases are refused: Excessive alias count/],
  [
    'half a megabyte of brackets',
    `rig: x\nnodes: ${'['.repeat(500_000)}`,
    /^rig\.yml:2: more than 8 levels/,
  ],
  [
    'half a megabyte of marks',
    `rig: x\nnodes:\n${'- '.repeat(250_000)}`,
    /^rig\.yml:3: more than 8 levels/,
  ],
  ['an alias in itself', 'rig: &x [*x]', /^rig\.yml:1: more than 8 levels are nested/],
  ['deep brackets', '['.repeat(5_000), /^rig\.yml:1: more than 8 levels/],
  ['no name of the rig', `nodes:\n${ONE}`, /^rig\.yml:1: the name of the rig is missing/],
  ['no nodes', 'rig: x', /^rig\.yml:1: `nodes` is missing/],
  ['an empty list of nodes', 'rig: x\nnodes: []', /^rig\.yml:2: "nodes" is empty/],
  [
    'an unknown key',
    with_(ONE, 'action: {}'),
    /:4: the file has an unknown key "action"; did you mean "actions"\?$/,
  ],
  [
    'an unknown key of a node',
    with_(`${ONE}    lables: [x]\n`),
    /:4: a node has an unknown key "lables"; did you mean "labels"\?$/,
  ],
  [
    'an unknown key of a position',
    with_(`${ONE}    position: {w: 1}\n`),
    /:4: "position" has an unknown key "w"/,
  ],
  ['a node without a name', with_('  - labels: [x]\n'), /:3: a node needs a `name`$/],
  ['a node that is a text', with_('  - cam-01\n'), /:3: a node must be a map/],
  ['labels that are no list', with_(`${ONE}    labels: x\n`), /:4: "labels" must be a list$/],
  ['a label that is nothing', with_(`${ONE}    labels: [~]\n`), /:4: a label must be a text$/],
  ['an empty label', with_(`${ONE}    labels: [""]\n`), /:4: a label must not be empty$/],
  [
    'a label that steers terminals',
    with_(`${ONE}    labels: ["\\e[1m"]\n`),
    /:4: a label must not hold control/,
  ],
  [
    'a node that is named twice',
    with_('  - name: cam-[1-3]\n  - name: cam-2\n'),
    /:4: "cam-2" is named twice: line 3 has it too$/,
  ],
  [
    'one id for two nodes',
    with_('  - {name: a, id: 1234abcd}\n  - {name: b, id: 1234ab}\n'),
    /:3: the id "1234abcd" is also that of line 4/,
  ],
  [
    'an id that is none',
    with_('  - {name: a, id: cam}\n'),
    /:3: "id" must be the first 4 to 32 hex digits/,
  ],
  [
    'a bad node set',
    with_('  - name: cam-[1-\n'),
    /:3: "cam-\[1-": the bracket at letter 5 is not closed$/,
  ],
  [
    'a set that is too large',
    with_('  - name: n[1-10001]\n'),
    /:3: .* means 10001 names, and at most 10000/,
  ],
  [
    'sets that are too large together',
    with_('  - name: a[1-6000]\n  - name: b[1-6000]\n'),
    /:4: a rig has at most 10000 nodes/,
  ],
  [
    'many nodes at one position',
    with_('  - {name: "a[1-2]", position: {x: 1}}\n'),
    /:3: 2 nodes cannot stand/,
  ],
  [
    'a position in words',
    with_(`${ONE}    position: {x: left}\n`),
    /:4: "x" must be a number of metres$/,
  ],
  [
    'an empty position',
    with_(`${ONE}    position: {}\n`),
    /:4: "position" needs x, y, z or angle$/,
  ],
  [
    'an action that is none',
    with_(`${ONE}    action: "Two Words"\n`),
    /:4: "Two Words" is no name of an action/,
  ],
  [
    'a setting that is no text',
    with_(ONE, 'actions:\n  camera:\n    gain: [1]\n'),
    /:6: "gain" of camera must be a text$/,
  ],
  [
    'a setting without a value',
    with_(ONE, 'actions:\n  camera:\n    gain: ""\n'),
    /:6: "gain" has no value/,
  ],
  [
    'a setting that is an option',
    with_(ONE, 'actions:\n  camera:\n    --gain: 1\n'),
    /:6: camera: "--gain" is no name of a setting$/,
  ],
  [
    'an unknown flag of captures',
    with_(ONE, 'capture: {shot: 1}'),
    /:4: "capture" has an unknown key "shot"; did you mean "shots"/,
  ],
  [
    'a time that is none',
    with_(ONE, 'capture:\n  at: soon\n'),
    /:5: at must be a time such as 300ms/,
  ],
  [
    'shots in words',
    with_(ONE, 'capture:\n  shots: many\n'),
    /:5: shots must be a number from 1 to 1000/,
  ],
  [
    'two ways to fire',
    with_(ONE, 'capture: {at: 1s, now: true}'),
    /:4: give only one of "at" and "now"$/,
  ],
  [
    'a number of nodes that is none',
    with_(ONE, 'capture: {require: most}'),
    /:4: require must be all, 95% or 12$/,
  ],
  [
    'a step that is none',
    with_(ONE, 'capture:\n  step:\n    - lights on\n    - +soon camera\n'),
    /:5: step must be such as "\+200ms camera" or .*, not "\+soon camera"$/,
  ],
  [
    'two actions at once',
    with_(ONE, 'capture: {action: [a, b]}'),
    /:4: "action" must be one text$/,
  ],
];
for (const [what, text, message] of FAULTS)
  test(`${what}: refused with the line`, t => {
    t.throws(() => parseRig(text, 'rig.yml'), {code: 'VOLLEY_BAD_CONFIG', message});
  });

test('a setting that looks like a typo is refused with its line, unless a node has it', t => {
  const rig = parseRig(with_(ONE, 'actions:\n  camera:\n    gian: 1\n    iso: 2\n'), 'rig.yml');
  const names = new Map([['camera', ['gain', 'shutter']]]);
  t.throws(() => checkSettingNames(rig, names, []), {
    code: 'VOLLEY_BAD_CONFIG',
    message: 'rig.yml:6: "gian" is no setting of camera; did you mean "gain"?',
  });
  const told = {serial: 1, phase: 'ready', error: '', model: '', warmUpMs: 0, sensorPeriodMs: 0};
  const state = {...told, action: 'camera', settings: {gian: '1'}, settingsId: 1, refusal: ''};
  const node = {...nodeView(asNodeId('ab'.repeat(16))), actionStates: [state]};
  t.notThrows(() => checkSettingNames(rig, names, [node as never]));
  t.notThrows(() => checkSettingNames(rig, new Map(), []));
});

test('a file that is not there, or too large, is refused', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'volley-rig-'));
  t.teardown(() => rm(dir, {recursive: true}));
  const path = join(dir, 'rig.yml');
  await t.throwsAsync(readRig(path), {code: 'VOLLEY_INPUT_MISSING', message: /ENOENT/});
  await t.throwsAsync(readRig(dir), {code: 'VOLLEY_INPUT_MISSING', message: /EISDIR/});
  await writeFile(path, RIG);
  t.is((await readRig(path)).name, 'studio');
  await truncate(path, 2 ** 20 + 1);
  await t.throwsAsync(readRig(path), {code: 'VOLLEY_TOO_LARGE', message: /at most 1048576/});
});
