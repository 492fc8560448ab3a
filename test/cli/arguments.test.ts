import test from 'ava';
import {cac} from 'cac';
import {givenOf, readLine} from '../../src/cli/arguments.ts';
import type {CommandSpec, Given} from '../../src/cli/command.ts';

const SPEC: CommandSpec = {
  name: 'do it',
  args: '[...things]',
  summary: '',
  options: [
    {flag: '--name <name>', text: ''},
    {flag: '--arg <text>', text: '', repeatable: true},
    {flag: '--group-port <port>', text: ''},
    {flag: '--at <time>', text: ''},
    {flag: '--now', text: ''},
  ],
  examples: [],
  run: async () => undefined,
};

/** Through cac, as main.ts does it. */
function given(...argv: string[]): Given {
  const line = readLine([SPEC], ['do', 'it', ...argv]);
  if (line.kind !== 'command') throw new Error(line.kind);
  const cli = cac('volley');
  const command = cli.command(`${SPEC.name} ${SPEC.args}`);
  for (const option of SPEC.options) command.option(option.flag, '');
  command.action(() => {});
  const {args, options} = cli.parse(['', '', ...line.argv], {run: false});
  return givenOf(SPEC, args, options);
}

const EXACT = ['007', '1e5', '1.0', '-5', '-', '', '=x', 'a=b', 'true', '0x10', ' ', '3'];
for (const text of EXACT) {
  test(`the value "${text}" arrives as it was typed`, t => {
    t.is(given('--name', text).text('name'), text);
    t.is(given(`--name=${text}`).text('name'), text);
  });
}

test('repeated flags keep their order, others are refused', t => {
  t.deepEqual(given('--arg', '1', '--arg=2', '--arg', '-3').texts('arg'), ['1', '2', '-3']);
  t.throws(() => given('--name', 'a', '--name', 'b'), {message: '--name is given 2 times'});
});

test('positional arguments stay texts, wherever the flags are', t => {
  const found = given('00', '--now', '1e3', '--name', 'x', '7');
  t.deepEqual(found.args, ['00', '1e3', '7']);
  t.true(found.flag('now'));
  t.false(found.flag('at'));
});

test('a flag of two words is found, and a value that looks like help is a value', t => {
  t.is(given('--group-port', '6272').port('group-port'), 6272);
  t.is(given('--name', '-h').text('name'), '-h');
});

test('times have units', t => {
  t.is(given('--at', '+300ms').durationMs('at'), 300);
  t.is(given('--at', '1.5s').durationMs('at'), 1_500);
  t.is(given('--at', '2m').durationMs('at'), 120_000);
  t.is(given('--at', '24h').durationMs('at'), 86_400_000);
  t.is(given('--at', '1.5d').durationMs('at'), 129_600_000);
  t.throws(() => given('--at', '300').durationMs('at'), {code: 'VOLLEY_USAGE'});
});

test('numbers may be grouped, and are checked', t => {
  t.is(given('--name', '1_000_000').whole('name', 0, 2e6), 1_000_000);
  t.is(given('--name', '1,000').whole('name', 0, 2e6), 1_000);
  for (const bad of ['1__0', '', 'x', '1 000', '--1', 'Infinity', '1e400'])
    t.throws(() => given(`--name=${bad}`).whole('name', 0, 9), {code: 'VOLLEY_USAGE'}, bad);
});
