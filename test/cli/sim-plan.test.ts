// `volley sim plan` as it is typed.

import test from 'ava';
import {start, volley} from './rig.ts';

const SMALL = ['sim', 'plan', '--nodes', 20, '--workunits', '2e3', '--seconds', 10] as const;

test('a plan is told in lines that people read', async t => {
  const {code, stdout, stderr} = await volley([...SMALL, '--wrong', '5%', '--dying', '1%/h']);
  t.is(code, 0, stderr);
  t.regex(stdout, /^20 boards with 4 slots \(speeds 1x 100 %\)$/m);
  t.regex(stdout, /^2,000 workunits of 8\.0 s to 12 s at speed 1$/m);
  t.regex(stdout, /^5 % of the boards always wrong; 1 % of the boards die in an hour$/m);
  t.regex(stdout, /^makespan +\d+ min \d+ s$/m);
  t.regex(stdout, /^wrong canonical results +0$/m);
  t.regex(stdout, /^wrong of a million +< 1,500$/m);
  t.regex(stdout, /^resident at most +\d+ MiB$/m);
});

test('JSON has the figures, and the same seed the same ones', async t => {
  const line = [...SMALL, '--redundancy', 'adaptive', '--speeds', '1x60%,0.5x40%', '--json'];
  const told = async (seed: number) => {
    const {code, stdout, stderr} = await volley([...line, '--seed', seed]);
    t.is(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const [first, again, other] = [await told(3), await told(3), await told(4)];
  t.deepEqual(again.figures, first.figures);
  t.notDeepEqual(other.figures, first.figures);
  t.like(first.figures, {state: 'done', done: 2_000, wrong: 0, wrongPerMillionMax: 1_500});
  t.like(first.figures.options, {nodes: 20, slots: 4, workunits: 2_000, seed: 3});
  t.deepEqual(first.figures.options.speeds, [
    {speed: 1, share: 0.6},
    {speed: 0.5, share: 0.4},
  ]);
  t.true(first.tookMs > 0 && first.heapMibPeak > 0 && first.residentMib > 0);
});

test('--compare shows every policy side by side', async t => {
  const {code, stdout, stderr} = await volley([...SMALL, '--compare', '--wrong', '10%']);
  t.is(code, 0, stderr);
  t.regex(stdout, /^redundancy +always +adaptive +none$/m);
  t.regex(stdout, /^wrong canonical results +0 +0 +[1-9][\d,]*$/m);
  const asJson = await volley([...SMALL, '--compare', '--json']);
  const runs = JSON.parse(asJson.stdout) as {figures: {options: {redundancy: string}}}[];
  t.deepEqual(
    runs.map(({figures}) => figures.options.redundancy),
    ['always', 'adaptive', 'none'],
  );
});

test('a batch that fails is exit code 1', async t => {
  const {code, stdout} = await volley([...SMALL, '--wrong', '100%', '--json']);
  t.is(code, 1);
  t.is(JSON.parse(stdout).figures.done, 0);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  test(`${signal} ends a long plan at once, with a word`, async t => {
    const line = ['sim', 'plan', '--nodes', 500, '--workunits', '5e6', '--seconds', 30];
    const running = start(t, line);
    while (!running.stderr.includes('this takes about'))
      await new Promise(resolve => setTimeout(resolve, 20));
    while (!running.stderr.includes(' open')) await new Promise(resolve => setTimeout(resolve, 20));
    const {code, stdout, stderr} = await running.stop(signal);
    t.is(code, 130);
    t.is(stdout, '');
    t.regex(stderr, /interrupted, there are no figures/);
  });

const WRONG: readonly (readonly [string, RegExp])[] = [
  ['--nodes 0', /--nodes must be a number from 1 to 16384/],
  ['--nodes 1.5', /--nodes must be a whole number/],
  ['--workunits many', /--workunits must be a number/],
  ['--seconds soon', /--seconds is a time or a range of times/],
  ['--seconds 20..10', /--seconds is a time or a range of times/],
  ['--seconds 1..2..3', /--seconds is a time or a range of times/],
  ['--speeds 1x50%,0.5x40%', /the shares of --speeds make 90\.0 %/],
  ['--speeds fast', /--speeds is a list of SPEEDxSHARE%/],
  ['--wrong 101%', /--wrong must be a share such as 1% or 0\.01/],
  ['--lying some', /--lying must be a share/],
  ['--dying 1%', /--dying is a share of the boards in a time/],
  ['--quorum 3 --nodes 2', /a quorum of 3 needs as many nodes; there are 2/],
  ['--redundancy none --quorum 2', /--redundancy none is a --quorum of 1/],
  ['--redundancy adaptive --quorum 1', /adaptive needs a --quorum of 2 or more/],
  ['--redundancy often', /--redundancy must be always or adaptive or none/],
  ['--compare --redundancy none', /give only one of the two/],
  ['--compare --quorum 1', /--compare needs a --quorum of 2 or more/],
];

for (const [flags, message] of WRONG)
  test(`sim plan ${flags} is refused with exit code 2`, async t => {
    const {code, stdout, stderr} = await volley(['sim', 'plan', ...flags.split(' ')]);
    t.is(code, 2);
    t.is(stdout, '');
    t.regex(stderr, message);
  });
