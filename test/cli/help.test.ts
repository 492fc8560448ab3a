import test from 'ava';
import {readLine} from '../../src/cli/arguments.ts';
import {COMMANDS} from '../../src/cli/commands.ts';
import {volley} from './rig.ts';

test('the global help shows examples, every command and the exit codes', async t => {
  const {code, stdout} = await volley(['--help']);
  t.is(code, 0);
  for (const word of ['Examples:', 'volley demo', 'Exit codes:', '130', '75'])
    t.true(stdout.includes(word), word);
  for (const name of ['init', 'master', 'node', 'nodes', 'batch submit', 'capture', 'demo'])
    t.regex(stdout, new RegExp(`^  ${name} `, 'm'));
});

test('every command has an example of its own and says what its flags mean', t => {
  for (const {name, examples, options, summary} of COMMANDS) {
    t.true(
      examples.some(example => example.includes(`volley ${name}`)),
      name,
    );
    t.true(summary.length > 0, name);
    for (const option of options) t.true(option.text.length > 0, `${name} ${option.flag}`);
  }
});

for (const name of ['master', 'node abort', 'batch submit', 'capture', 'doctor', 'recover']) {
  test(`the help of ${name} shows its usage, its flags and an example`, async t => {
    const {code, stdout, stderr} = await volley([...name.split(' '), '--help']);
    t.is(code, 0, stderr);
    t.regex(stdout, new RegExp(`Usage:\n  \\$ volley ${name}`));
    t.regex(stdout, new RegExp(`Examples:\n(?:.*\n)*.*volley ${name}`));
    t.false(stdout.includes('--until-stdin-ends'), 'hidden flags stay hidden');
  });
}

test('a group of commands lists its commands', async t => {
  const {code, stdout} = await volley(['batch', '--help']);
  t.is(code, 0);
  t.true(stdout.includes('batch submit'));
  t.is((await volley(['batch'])).code, 2);
});

test('the version is that of the package', async t => {
  const {code, stdout} = await volley(['--version']);
  t.is(code, 0);
  t.regex(stdout, /^volley\/\d+\.\d+\.\d+/);
});

const MISREAD: readonly (readonly [string, RegExp])[] = [
  ['batch submitt primes', /^there is no command "batch submitt"; did you mean "batch submit"\?$/],
  ['frobnicate', /^there is no command "frobnicate"; `volley --help` lists what there is$/],
  ['batch submit primes --rang 0..5', /no flag "--rang"; did you mean "--range"\?/],
  ['nodes --frobnicate', /no flag "--frobnicate"; see `volley nodes --help`/],
  ['nodes -x', /no flag "-x"/],
  ['--data x nodes', /the command comes first/],
  ['batch ls --url', /--url needs a value/],
  ['batch ls --json=yes', /--json takes no value/],
];

for (const [line, message] of MISREAD) {
  test(`"${line}" is refused as it is read`, t => {
    t.throws(() => readLine(COMMANDS, line.split(' ')), {code: 'VOLLEY_USAGE', message});
  });
}

const WRONG: readonly (readonly [string, RegExp])[] = [
  ['capure', /^volley: there is no command "capure"; did you mean "capture"\?\n$/],
  ['nodes tokn', /did you mean "nodes token"\?/],
  ['batch show', /missing required args/],
  ['batch show 1 2', /no use for "2"/],
  ['batch show one', /"one" is not the number of a batch/],
  ['batch submit primes', /give one of --range, --lines and --files/],
  ['batch submit primes --range 0..9 --lines x', /give only one of/],
  ['batch submit primes --range 9', /--range must be START\.\.END/],
  ['batch submit primes --range 9..9', /the range 9\.\.9 is empty/],
  ['master --port 70000', /--port must be a number from 1 to 65535, not "70000"/],
  ['node abort', /missing required args/],
  ['node abort abc', /"abc" is no replica such as 3\/17\/0 \(`volley node status` names them\)/],
  ['node abort 3', /"3" is no replica/],
  ['node abort 3/17/0/1', /"3\/17\/0\/1" is no replica/],
  ['node abort 3/99999999999', /is no replica/],
  ['node abort 3/17 3/18', /no use for "3\/18"/],
  ['capture --action x --at soon', /--at must be a time such as 300ms/],
];

for (const [line, message] of WRONG) {
  test.serial(`"${line}" is refused with exit code 2 and one line`, async t => {
    const {code, stdout, stderr} = await volley(line.split(' '));
    t.is(code, 2);
    t.is(stdout, '');
    t.regex(stderr, message);
    t.is(stderr.trimEnd().split('\n').length, 1);
  });
}

test('with --json an error is JSON', async t => {
  const {code, stderr} = await volley(['batch', 'ls', '--json', '--data', '/nonexistent']);
  t.is(code, 2);
  const {error} = JSON.parse(stderr);
  t.is(error.code, 'VOLLEY_NOT_INITIALIZED');
  t.regex(error.message, /volley init/);
});
