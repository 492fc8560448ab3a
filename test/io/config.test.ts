import {chmodSync, mkdtempSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {homedir, tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {
  defaultDataDirectory,
  parseNodeConfig,
  readNodeConfig,
  sanitisedHostname,
  systemFacts,
} from '../../src/io/config.ts';

const parse = (value: unknown) => parseNodeConfig(JSON.stringify(value), '/x/node.json');

test('no file means all defaults', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'volley-config-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  t.deepEqual(readNodeConfig(dir), {
    keepShotsMib: undefined,
    filesMib: undefined,
    name: undefined,
    labels: [],
    slots: undefined,
    sandbox: 'auto',
    actions: new Map(),
    containers: {engine: 'auto', images: []},
  });
});

test('a full file is read as it is written', t => {
  const config = parse({
    name: 'north-3',
    labels: ['ring1', 'room=12', 'ring1'],
    slots: 2,
    actions: {
      camera: {},
      flash: {command: ['/usr/local/bin/flash', '{at}'], timeoutSeconds: 0.5},
      video: {command: ['record', '{file}'], persistent: true, extension: 'mp4'},
    },
  });
  t.is(config.name, 'north-3');
  t.deepEqual(config.labels, ['ring1', 'room=12']);
  t.is(config.slots, 2);
  t.deepEqual(config.actions.get('camera'), {
    command: undefined,
    use: 'camera',
    options: [],
    armed: false,
    persistent: false,
    timeoutMs: undefined,
    extension: undefined,
  });
  t.is(config.actions.get('flash')?.timeoutMs, 500);
  t.true(config.actions.get('video')?.persistent);
  t.is(config.actions.get('video')?.extension, 'mp4');
});

test('what holds a workunit is the best there is, nothing, or a demand', t => {
  t.is(parse({sandbox: 'require'}).sandbox, 'require');
  t.is(parse({sandbox: 'off'}).sandbox, 'off');
  for (const sandbox of ['on', true, 2, null])
    t.throws(() => parse({sandbox}), {message: /"sandbox" must be "auto", "off" or "require"/});
});

test('a typo is refused with the nearest known key', t => {
  const cases: [unknown, RegExp][] = [
    [{lables: []}, /unknown key "lables"; did you mean "labels"/],
    [{Slots: 2}, /unknown key "Slots"; did you mean "slots"/],
    [{nmae: 'x'}, /did you mean "name"/],
    [{action: {}}, /did you mean "actions"/],
    [
      {colour: 'red'},
      /unknown key "colour"; there are: name, labels, slots, sandbox, actions, containers/,
    ],
    [{actions: {x: {comand: ['a']}}}, /action "x" has an unknown key "comand".*"command"/],
    [{actions: {x: {command: ['a'], timeoutSecond: 1}}}, /did you mean "timeoutSeconds"/],
    [{actions: {camra: {}}}, /action "camra" has no "command"; did you mean "camera"/],
  ];
  for (const [value, message] of cases) {
    const error = t.throws(() => parse(value), {code: 'VOLLEY_BAD_CONFIG', message});
    t.true(error.message.startsWith('/x/node.json: '));
  }
});

test('wrong values are refused with what is allowed', t => {
  const cases: [unknown, RegExp][] = [
    [[], /must be an object/],
    [null, /must be an object/],
    [{name: 7}, /"name" must be a text/],
    [{name: ''}, /"name" must not be empty/],
    [{name: ' '}, /"name" must not be empty/],
    [{name: 'a\nb'}, /control characters/],
    [{name: 'ä'.repeat(33)}, /at most 64 bytes/],
    [{labels: 'ring1'}, /"labels" must be a list/],
    [{labels: [1]}, /"labels" must be a text/],
    [{labels: Array.from({length: 17}, (_, i) => `l${i}`)}, /more than 16/],
    [{slots: 0}, /from 1 to 256/],
    [{slots: 1.5}, /from 1 to 256/],
    [{slots: '2'}, /from 1 to 256/],
    [{actions: []}, /"actions" must be an object/],
    [{actions: {'Bad Name': {command: ['a']}}}, /small letters/],
    [{actions: {x: {}}}, /has no "command"/],
    [{actions: {x: {command: 'rm -rf /'}}}, /list of the program/],
    [{actions: {x: {command: []}}}, /list of the program/],
    [{actions: {x: {command: ['']}}}, /list of the program/],
    [{actions: {x: {command: ['a', 1]}}}, /list of the program/],
    [{actions: {x: {command: ['a'], persistent: 'yes'}}}, /true or false/],
    [{actions: {x: {command: ['a'], timeoutSeconds: 0}}}, /above 0/],
    [{actions: {x: {command: ['a'], timeoutSeconds: 1e9}}}, /above 0/],
    [{actions: {x: {command: ['a'], extension: '../x'}}}, /"extension"/],
    [
      {actions: {x: {command: ['a', '{bundle}'], persistent: true}}},
      /"\{bundle\}" is for exec apps/,
    ],
    [{containers: []}, /"containers" must be an object/],
    [{containers: {image: []}}, /did you mean "images"/],
    [{containers: {engine: 'lxc'}}, /"engine" must be "auto", "podman" or "docker"/],
    [{containers: {images: 'a:1'}}, /"images" must be a list of at most 12/],
    [{containers: {images: Array(13).fill('a:1')}}, /at most 12/],
    [{containers: {images: ['python']}}, /"python" must be an image such as/],
    [{containers: {images: ['*']}}, /must be an image such as/],
    [{containers: {images: ['a*b:1']}}, /must be an image such as/],
    [{containers: {images: ['--privileged*']}}, /must be an image such as/],
    [{actions: {camera: {persistent: true}}}, /needs a "command"/],
  ];
  for (const [value, message] of cases) {
    t.throws(() => parse(value), {code: 'VOLLEY_BAD_CONFIG', message}, JSON.stringify(value));
  }
});

test('what is not JSON is refused with the place', t => {
  const error = t.throws(() => parseNodeConfig('{"name": }', '/x/node.json'), {
    code: 'VOLLEY_BAD_CONFIG',
  });
  t.regex(error.message, /node\.json: .*JSON/);
});

test('what is not UTF-8 is called that', t => {
  const dir = mkdtempSync(join(tmpdir(), 'volley-config-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  writeFileSync(join(dir, 'node.json'), Buffer.from([0x7b, 0xff, 0x7d]), {mode: 0o600});
  t.throws(() => readNodeConfig(dir), {code: 'VOLLEY_BAD_CONFIG', message: /is not text in UTF-8/});
});

test('a file that others can write is refused, since it names commands', t => {
  const dir = mkdtempSync(join(tmpdir(), 'volley-config-'));
  t.teardown(() => rm(dir, {recursive: true, force: true}));
  const path = join(dir, 'node.json');
  writeFileSync(path, '{"slots": 3}');
  chmodSync(path, 0o644);
  t.is(readNodeConfig(dir).slots, 3);
  chmodSync(path, 0o666);
  t.throws(() => readNodeConfig(dir), {code: 'VOLLEY_BAD_CONFIG', message: /chmod 600/});
});

test('VOLLEY_HOME or ~/.volley holds a folder for each role', t => {
  t.is(defaultDataDirectory('master', {VOLLEY_HOME: '/data'}), '/data/master');
  t.is(defaultDataDirectory('node', {VOLLEY_HOME: ''}), join(homedir(), '.volley', 'node'));
  t.is(defaultDataDirectory('node', {}), join(homedir(), '.volley', 'node'));
});

test('the facts of this machine are complete and small enough for a Hello', t => {
  const facts = systemFacts();
  t.regex(facts.engine, /^node-\d+\.\d+\.\d+\/v8-\d+\.\d+$/);
  t.true(facts.cores >= 1);
  t.true(facts.memoryMib > 16);
  t.true(Number.isInteger(facts.memoryMib));
  t.regex(facts.hostname, /^[A-Za-z0-9.-]{1,63}$/);
  t.is(facts.arch, process.arch);
});

test('a host name becomes letters, digits, dots and dashes', t => {
  t.is(sanitisedHostname('raspberrypi'), 'raspberrypi');
  t.is(sanitisedHostname('Küche/pi 3\n'), 'K-che-pi-3');
  t.is(sanitisedHostname('../../etc'), 'etc');
  t.is(sanitisedHostname('---'), 'node');
  t.is(sanitisedHostname(''), 'node');
  t.is(sanitisedHostname('x'.repeat(300)).length, 63);
});
