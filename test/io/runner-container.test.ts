// Container apps. What the engine is asked for, and what a node does about its time, its output and its end, is
// shown with a stand-in that runs plain processes (engines.ts); what really holds a program is shown
// with podman, where it runs.

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {asBlobId} from '../../src/base/types.ts';
import type {AppManifest} from '../../src/core/app.ts';
import {chooseContainers, findContainers} from '../../src/io/containers.ts';
import {type Containers, callEngine, confinement} from '../../src/io/runner-container.ts';
import {type Engine, IMAGE, realEngine, type StandIn, standIn} from './engines.ts';
import {manifestOf, RunnerRig, until} from './runner-rig.ts';

const LIMITS = {timeSeconds: 20, memoryMib: 32, outputBytes: 10_000};
const WISH = {engine: 'podman', images: ['localhost/volley-*', 'localhost/other:1']} as const;

const app = (name: string, script: string, image = IMAGE): AppManifest =>
  manifestOf(name, {
    ...{runtime: 'container', image, limits: LIMITS},
    command: ['/bin/sh', '-c', script, 'sh'],
  });

/** Every busybox is one program with many names. */
const LOOK = [
  'b=/bin/busybox',
  'echo "id $($b id -u):$($b id -g)"',
  'echo "net $($b ls /sys/class/net | $b tr "\\n" " ")"',
  'echo "caps $($b grep CapBnd /proc/self/status | $b tr -d "\\t")"',
  '$b grep -q "NoNewPrivs:.*1" /proc/self/status && echo no new privileges',
  'echo x 2>/dev/null >/x && echo "writes /" || echo "/ is read-only"',
  'echo x >/tmp/x && echo "/tmp is there"',
  '$b env | $b grep -c SECRET',
  'echo "host $($b hostname)"',
].join('; ');

function rigFor(t: ExecutionContext, containers?: Containers): RunnerRig {
  const rig = new RunnerRig(containers ? {containers} : {});
  t.teardown(() => rig.runner.close());
  return rig;
}

async function standInEngine(stand: StandIn = standIn()): Promise<Engine> {
  const {dir, env, list, still} = stand;
  const {containers} = await findContainers(WISH, dir, env);
  if (!containers) throw new Error('the stand-in does not work');
  return {containers, dir, env, list, still};
}

// ---- whichever engine it is ---------------------------------------------------------------------

async function runsAndEnds(t: ExecutionContext, {containers, dir, env, list}: Engine) {
  const rig = rigFor(t, containers);
  rig.add(app('cat', 'cat=/bin/busybox; [ -x $cat ] || cat=; $cat cat; echo "$@"; echo heard >&2'));
  rig.add(app('wrong', 'echo no luck >&2; exit 3')).add(app('sleep', 'echo up; sleep 1000 & wait'));
  rig.add(app('flood', 'while :; do echo 0123456789012345678901234567890123456789; done'));
  rig.add(app('gone', 'true', 'localhost/volley-gone:1'));
  rig.add(app('denied', 'true', 'docker.io/library/python:3'));

  const args = ['--privileged', '$(id)'];
  t.is(await rig.story(rig.run('cat', 'hello ', {args})), 'done hello --privileged $(id)\n');
  t.is(await rig.story(rig.run('wrong', '')), 'trapped: exit code 3: no luck');
  t.regex(await rig.story(rig.run('gone', '')), /^refused: exit code 125: .*image not known/);
  t.is(
    await rig.story(rig.run('denied', '')),
    'refused: the owner of this node does not allow the image "docker.io/library/python:3"',
  );
  t.regex(await rig.story(rig.run('flood', '')), /^outputTooLarge: more output than allowed/);
  const late = rig.run('sleep', '', {timeLimitMs: 1_500});
  t.true(await until(() => list().length === 1), 'it runs');
  t.is(await rig.story(late), 'timedOut: not done within 1500 ms');
  // The slot is free when the container is gone, not before.
  t.is(await rig.story(rig.run('cat', '')), 'done \n');
  t.deepEqual(list(), []);

  // Stopped while it runs, by the master or by the end of the node.
  const stopped = rig.run('sleep', '');
  t.true(await until(() => list().length === 1));
  rig.runner.stop(stopped);
  t.true(await until(() => list().length === 0), 'a stopped container is removed');
  rig.run('sleep', '');
  t.true(await until(() => list().length === 1));
  await rig.runner.close();
  t.deepEqual(list(), [], 'the node leaves none behind');

  // A node that is killed cannot remove anything: its next life does, and leaves those of others.
  const left = (key: string, name: string) => {
    const argv = [
      ...confinement({...containers, key}, name, 32),
      IMAGE,
      '/bin/sh',
      '-c',
      'sleep 1000',
    ];
    return spawn(containers.engine, argv, {
      env,
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
  };
  const clients = [
    left(containers.key, `volley-${containers.key}-1-0-0-1`),
    left('other', 'other'),
  ];
  t.true(await until(() => list().length === 2));
  for (const client of clients) {
    client.kill('SIGKILL');
    await once(client, 'exit');
  }
  return {again: () => findContainers(WISH, dir, env), rig};
}

/** It starts no other program: a shell that waits for one to begin (vfork) would not show as stopped. */
async function standsStill(t: ExecutionContext, {containers, list, still}: Engine) {
  const rig = rigFor(t, containers).add(app('spin', 'while :; do :; done'));
  const id = rig.run('spin', '');
  t.true(await until(() => list().length === 1));
  rig.runner.pace([0], 100);
  t.true(await until(() => still().length === 1), 'it stands still');
  rig.runner.pace([], 100);
  t.true(await until(() => still().length === 0 && list().length === 1), 'it goes on');
  rig.runner.pace([0], 100);
  t.true(await until(() => still().length === 1));
  rig.runner.stop(id);
  t.true(await until(() => list().length === 0), 'what stands still can be removed');
  t.deepEqual(rig.ended, []);
}

test.serial('with a stand-in: runs, limits, ends, and what a killed node left', async t => {
  const stand = standIn();
  const {again} = await runsAndEnds(t, await standInEngine(stand));
  // The stand-in lists without a filter, so it is the ids that it must not be asked to remove.
  t.is((await again()).about, 'podman 0.0.0-stand-in');
  const filter = stand.calls().filter(call => call.startsWith('ps '));
  t.regex(filter.at(-1) ?? '', /^ps -a -q --filter label=volley\.node=[0-9a-f]{12}$/);
  await callEngine('podman', stand.env, ['rm', '-f', ...stand.list()]);
  t.deepEqual(stand.list(), []);
});

test.serial('with a stand-in: a held node pauses a container, and lets it go on', async t => {
  await standsStill(t, await standInEngine());
});

test.serial('what an engine is asked for confines the program', async t => {
  const stand = standIn();
  const {containers} = await standInEngine(stand);
  const rig = rigFor(t, containers).add(app('a', 'true'));
  await rig.story(rig.run('a', '', {args: ['x'], memoryLimitMib: 16}));
  const run = stand.calls().find(call => call.includes(IMAGE)) ?? '';
  for (const words of [
    ...['--network none', '--read-only', '--cap-drop all', '--user 65534:65534', '--rm -i'],
    ...['--security-opt no-new-privileges', '--memory 16m --memory-swap 16m', '--pids-limit 64'],
    ...['--pull never', '--log-driver none', '--http-proxy=false', `--label volley.node=`],
    ...['/tmp:rw,noexec,nosuid,nodev,mode=1777,size=16m', '--ulimit nofile=1024:1024'],
  ])
    t.true(run.includes(words), `${words} in ${run}`);
  t.regex(run, /--name volley-[0-9a-f]{12}-1-0-0-\d+ /);
  t.true(run.endsWith(`${IMAGE} /bin/sh -c true sh x`), run);
  t.false(confinement({engine: 'docker', key: 'k'}, 'n', 1).some(word => /http-proxy/.test(word)));
  t.deepEqual(Object.keys(containers.env).sort(), ['HOME', 'PATH'], 'and knows no secret of ours');
});

test.serial('an engine that does not work is not told of, and says why', async t => {
  const stand = standIn();
  const about = async (wish: Parameters<typeof findContainers>[0] = WISH, env = stand.env) =>
    (await findContainers(wish, stand.dir, env)).about;
  t.is(await about(), 'podman 0.0.0-stand-in');
  t.is(await about({engine: 'auto', images: []}), 'no images are allowed');
  stand.answer(126);
  t.is(await about(), 'none works: podman: no such program');
  stand.answer(0);
  t.regex(await about(), /^none works: podman: /);
  writeFileSync(join(stand.dir, 'bin', 'podman'), '#!/bin/sh\nexec sleep 60\n');
  const hung = await findContainers(WISH, stand.dir, stand.env, 200);
  t.is(hung.about, 'none works: podman: no answer within 200 ms');
  t.is(hung.containers, undefined);
  const nowhere = {...stand.env, PATH: '/nonexistent'};
  t.regex(await about({...WISH, engine: 'auto'}, nowhere), /podman: .*ENOENT; docker: .*ENOENT/);
  const notes: object[] = [];
  await chooseContainers({engine: 'auto', images: []}, stand.dir, {
    note: note => notes.push(note),
    count: () => {},
  });
  t.deepEqual(notes, [], 'a node without images says nothing of engines');
  const rig = rigFor(t).add(app('a', 'true'));
  t.is(await rig.story(rig.run('a', '')), 'refused: this node runs no containers');
  const shared = {blobId: asBlobId('ab'.repeat(32)), size: 0};
  const sharing = rigFor(t, (await standInEngine()).containers).add(app('a', 'true'));
  const story = await sharing.story(sharing.run('a', '', {shared}));
  t.is(story, 'refused: a container app reads no shared input');
});

test.serial('a container that cannot be stopped is ended', async t => {
  const stand = standIn();
  const {containers} = await standInEngine(stand);
  const rig = rigFor(t, containers).add(app('sleep', 'sleep 1000'));
  const id = rig.run('sleep', '');
  t.true(await until(() => stand.list().length === 1));
  const program = join(stand.dir, 'bin', 'podman');
  const broken = '#!/bin/sh\n[ "$1" = pause ] && { echo "no freezer" >&2; exit 125; }\n';
  writeFileSync(program, `${broken}kill -KILL -$(cat ${stand.dir}/containers/*)\n`);
  rig.runner.pace([0], 100);
  t.is(await rig.story(id), 'runnerLost: the container cannot be stopped: no freezer');
});

// ---- podman -------------------------------------------------------------------------------------

test.serial('podman holds a program, ends it at its limits, and leaves nothing', async t => {
  t.timeout(120_000);
  const engine = await realEngine();
  if ('reason' in engine) return t.pass(`skipped: ${engine.reason}`);
  const {containers, list} = engine;
  const looking = rigFor(t, containers);
  looking.add(app('look', LOOK)).add(app('hog', 'x=0123456789; while :; do x=$x$x; done'));
  looking.add(app('fork', 'i=0; while [ $i -lt 99 ]; do /bin/busybox sleep 9 & i=$((i+1)); done'));
  t.is(
    await looking.story(looking.run('look', '')),
    [
      'done id 65534:65534',
      'net lo ',
      'caps CapBnd:0000000000000000',
      ...['no new privileges', '/ is read-only', '/tmp is there', '0', 'host volley', ''],
    ].join('\n'),
  );
  t.regex(await looking.story(looking.run('hog', '')), /^outOfMemory: exit code 137/);
  t.regex(await looking.story(looking.run('fork', '')), /^trapped: .*fork/);
  await looking.runner.close();
  const {again} = await runsAndEnds(t, engine);
  t.regex((await again()).about, /^podman \d/);
  t.is(list().length, 1, 'that of another node is left alone');
  await callEngine('podman', engine.env, ['rm', '-f', ...list()]);
  await standsStill(t, engine);
});
