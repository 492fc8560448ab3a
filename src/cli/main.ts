#!/usr/bin/env node
// The one program: `volley <command>`. cac holds the commands and prints their help; arguments.ts reads the
// line; each command is a file of its own.

import {type CAC, cac} from 'cac';
import {ERRORS, EXIT, VolleyError} from '../base/errors.ts';
import {nearest} from '../base/nearest.ts';
import {givenOf, readLine} from './arguments.ts';
import {type CommandSpec, usage} from './command.ts';
import {COMMANDS} from './commands.ts';
import {cannotWrite} from './result-bytes.ts';
import {packageVersion} from './version.ts';

const EXAMPLES = [
  'volley demo                              # a whole cluster on this machine, in a minute',
  'volley init && volley master             # on one machine',
  'volley node --join TOKEN                 # on the others',
  'volley batch submit primes --range 0..100_000_000 --chunk 100_000 --wait',
  'volley capture --action testcard --at +300ms --out ./scan',
];

const EXIT_CODES = [
  [EXIT.ok, 'done'],
  [EXIT.failed, 'failed: a batch, a shot, no master, a port in use; or a bug of ours'],
  [EXIT.usage, 'refused: a wrong command line, bad input, an unknown name, a bad token'],
  [EXIT.stopped, 'the store failed: the process stopped to protect what is stored'],
  [EXIT.interrupted, 'interrupted by Ctrl-C'],
  [EXIT.terminated, 'told to end (SIGTERM), and ended in order'],
];

type Section = {title?: string; body: string};

const indented = (lines: readonly string[]): string => lines.map(line => `  ${line}`).join('\n');

function openCli(hidden: readonly string[]): CAC {
  const cli = cac('volley');
  cli.version(packageVersion());
  for (const spec of COMMANDS) addCommand(cli, spec);
  cli.help(sections => {
    const isGlobal = sections.some(({title}) => title === 'Commands');
    const kept: Section[] = sections
      .filter(({title}) => !title?.startsWith('For more info'))
      .map(({title, body}) => {
        const lines = body.split('\n').filter(line => !hidden.some(flag => line.includes(flag)));
        return {...(title === undefined ? {} : {title}), body: lines.join('\n')};
      });
    if (!isGlobal) return kept;
    const codes = EXIT_CODES.map(([code, text]) => `${String(code).padEnd(4)}${text}`);
    return [
      ...kept,
      {body: 'Help with examples for each command: volley <command> --help'},
      {title: 'Examples', body: indented(EXAMPLES)},
      {title: 'Exit codes', body: indented(codes)},
    ];
  });
  return cli;
}

function addCommand(cli: CAC, spec: CommandSpec): void {
  const rawName = spec.args === undefined ? spec.name : `${spec.name} ${spec.args}`;
  const command = cli.command(rawName, spec.summary);
  for (const option of spec.options) {
    const text = option.repeatable ? `${option.text}; repeatable` : option.text;
    command.option(option.flag, text);
  }
  for (const example of spec.examples) command.example(`  ${example}`);
  command.action(() => {
    const [args, options] = [cli.args, cli.options];
    if (spec.writesSecrets === true) {
      process.umask(0o077);
      // Every process of the machine can read a command line: what was on it (a join token) is no more.
      process.title = `volley ${spec.name}`;
    }
    return spec.run(givenOf(spec, args, options));
  });
}

function printGroup(word: string): void {
  const group = COMMANDS.filter(({name}) => name.startsWith(`${word} `));
  const width = Math.max(...group.map(({name}) => name.length));
  console.info(`Commands:\n${indented(group.map(c => `${c.name.padEnd(width)}  ${c.summary}`))}`);
  console.info(`\nMore about one: volley ${group[0]?.name} --help`);
}

async function run(argv: readonly string[]): Promise<number> {
  const line = readLine(COMMANDS, argv);
  if (line.kind === 'group') {
    printGroup(line.word);
    return line.help ? EXIT.ok : EXIT.usage;
  }
  const cli = openCli(['--until-stdin-ends']);
  if (line.kind === 'global' && line.argv.length === 0) {
    cli.outputHelp();
    return EXIT.usage;
  }
  cli.parse(['', '', ...line.argv], {run: false});
  try {
    return ((await cli.runMatchedCommand()) as number | undefined) ?? EXIT.ok;
  } catch (error) {
    if (error instanceof Error && error.name === 'CACError')
      throw usage(cacFault(error, line.argv));
    throw error;
  }
}

/** cac counts the arguments; its words are made ours. */
function cacFault(error: Error, argv: readonly string[]): string {
  const name = argv[0] ?? '';
  if (!error.message.startsWith('Unused args: ')) return error.message.replace(/`/, '`volley ');
  const extra = error.message.slice('Unused args: '.length).replace(/`/g, '"');
  const words = COMMANDS.flatMap(spec => spec.name.split(`${name} `)[1] ?? []);
  const near = words.length === 0 ? undefined : nearest(extra.replace(/"/g, ''), words);
  const advice = near === undefined ? '' : `; did you mean "${name} ${near}"?`;
  return `\`volley ${name}\` has no use for ${extra}${advice}`;
}

/** One line for what the user can mend; a stack for a bug of ours. */
function report(error: unknown, asJson: boolean): number {
  const known = error instanceof VolleyError && error.code !== 'VOLLEY_INTERNAL';
  if (asJson) {
    const code = error instanceof VolleyError ? error.code : 'VOLLEY_INTERNAL';
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${JSON.stringify({error: {code, message}})}\n`);
  } else if (known) process.stderr.write(`volley: ${oneLine(error.message)}\n`);
  else process.stderr.write(`volley: ${error instanceof Error ? error.stack : String(error)}\n`);
  return error instanceof VolleyError ? error.exitCode : ERRORS.VOLLEY_INTERNAL.exit;
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, '; ');

/** Once the answer could not be written: no success any more. */
let lostCode: number | undefined;

/** Ends the process when all that was written has left it. */
function end(code: number): void {
  process.stdout.write('', () => {
    // The event may come later than we are gone.
    const {errored} = process.stdout;
    if (errored !== null && code === EXIT.ok) onLost(process.stdout, errored);
    process.stderr.write('', () => process.exit(lostCode ?? code));
  });
}

/**
 * `volley batch results 1 | head`: the reader has enough, and that is no fault but where a command says so (an export
 * that is cut). A disk that is full is one. Words on stderr may be lost, the exit code is not. What runs until it is told to end (it listens for SIGTERM) goes on without
 * its words.
 */
function onLost(stream: NodeJS.WriteStream, error: Error): void {
  if (!('syscall' in error)) throw error;
  if (stream === process.stderr || process.listenerCount('SIGTERM') > 0) return;
  if ('code' in error && error.code === 'EPIPE') process.exit(process.exitCode ?? EXIT.ok);
  if (lostCode !== undefined) return;
  const told = cannotWrite('standard output', error);
  lostCode = told.exitCode;
  process.stderr.write(`volley: ${told.message}\n`, () => process.exit(told.exitCode));
}

for (const stream of [process.stdout, process.stderr])
  stream.on('error', error => onLost(stream, error));

const argv = process.argv.slice(2);
run(argv).then(end, (error: unknown) => end(report(error, argv.includes('--json'))));
