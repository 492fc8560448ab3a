// `volley node status|suspend|resume|drain|abort`: what somebody at a node says to it, by the socket in its folder.

import {readReplica} from '../base/types.ts';
import type {ControlRequest} from '../io/control.ts';
import type {NodeStatus} from '../node/status.ts';
import {type CommandSpec, type Given, type OptionSpec, usage} from './command.ts';
import {grouped, print, printJson, safe} from './output.ts';

const OPTIONS: readonly OptionSpec[] = [
  {flag: '--data <dir>', text: 'folder of the node (default ~/.volley/node)'},
  {flag: '--json', text: 'print JSON'},
];

type Word = 'status' | 'suspend' | 'resume';
type Shown = NodeStatus & {
  readonly name: string;
  readonly nodeId: string;
  readonly version: string;
  readonly speed: number;
  /** The engine of containers, or why there is none. */
  readonly containers: string;
  /** Why preferences.json is not taken as it is now. */
  readonly preferencesFault?: string;
};

async function ask(given: Given, request: ControlRequest): Promise<Shown> {
  const {defaultDataDirectory} = await import('../io/config.ts');
  const {askNode} = await import('../io/control.ts');
  const {VolleyError} = await import('../base/errors.ts');
  const path = given.text('data') ?? defaultDataDirectory('node');
  const answer = await askNode(path, request);
  if (answer.ok) return answer.status as Shown;
  if (answer.isUsage) throw usage(answer.reason);
  throw new VolleyError('VOLLEY_NODE_UNREACHABLE', {path, reason: answer.reason});
}

function show(given: Given, shown: Shown): void {
  if (given.flag('json')) return printJson(shown);
  const {name, state, slots, allowed, cpuPercent, running, waiting, spooled, session} = shown;
  print(`${safe(name)}: ${state}, ${allowed} of ${slots} slots may run${dutyOf(cpuPercent)}`);
  for (const {by, text} of shown.reasons) print(`  ${by}: ${safe(text, 100)}`);
  for (const run of running) {
    const far = run.permille > 0 ? `, ${Math.floor(run.permille / 10)} %` : '';
    print(`  runs ${run.replica}${far}${run.standsStill ? ', stands still' : ''}`);
  }
  print(`  waiting ${grouped(waiting)}, not acknowledged yet ${grouped(spooled)}`);
  print(session.welcomed ? `  in epoch ${session.epoch} of its master` : '  looks for its master');
  print(`  containers: ${safe(shown.containers, 200)}`);
  const {owner, operator} = shown.preferences;
  print(`  preferences: ${JSON.stringify(owner)}; of the operator: ${JSON.stringify(operator)}`);
  const {preferencesFault: fault} = shown;
  if (fault !== undefined) print(`  preferences.json is not taken: ${safe(fault, 200)}`);
  const {doubted, ...sensors} = shown.sensors;
  if (Object.keys(sensors).length > 0) print(`  sensors: ${JSON.stringify(sensors)}`);
  for (const doubt of doubted) print(`  not believed: ${safe(doubt, 100)}`);
}

const dutyOf = (percent: number): string => (percent < 100 ? ` ${percent} % of the time` : '');

const command = (word: Word, rest: Omit<CommandSpec, 'name' | 'run'>): CommandSpec => ({
  name: `node ${word}`,
  ...rest,
  run: async given => {
    show(given, await ask(given, {do: word}));
    return undefined;
  },
});

export const nodeStatusCommand = command('status', {
  summary: 'Ask the node on this machine what it does, and what holds it back',
  options: OPTIONS,
  examples: ['volley node status', 'volley node status --data /var/lib/volley/node --json'],
});

export const nodeSuspendCommand = command('suspend', {
  summary: 'Stop the work of the node on this machine, until it is resumed',
  options: OPTIONS,
  examples: ['volley node suspend                       # also over a restart of the node'],
});

export const nodeResumeCommand = command('resume', {
  summary: 'Let the node on this machine work again',
  options: OPTIONS,
  examples: ['volley node resume                        # ends a suspend and a drain'],
});

export const nodeDrainCommand: CommandSpec = {
  name: 'node drain',
  summary: 'Let the node on this machine finish what runs, and end',
  options: [
    {flag: '--stay', text: 'do not end the node: it stays without work until it is resumed'},
    ...OPTIONS,
  ],
  examples: [
    'volley node drain                         # before the board is switched off',
    'volley node drain --stay && volley node resume',
  ],
  run: async given => {
    show(given, await ask(given, {do: 'drain', exit: !given.flag('stay')}));
    return undefined;
  },
};

export const nodeAbortCommand: CommandSpec = {
  name: 'node abort',
  args: '<replica>',
  summary:
    'End one replica of the node on this machine; another node gets its workunit, of a broadcast this one again',
  options: OPTIONS,
  examples: [
    'volley node abort 3/17/0                  # as `volley node status` names what runs; with --json what waits too',
    'volley node abort 3/17                    # batch 3, workunit 17; the node has one of each',
  ],
  run: async given => {
    const [text = ''] = given.args;
    const replica = readReplica(text);
    if (replica === undefined)
      throw usage(`"${text}" is no replica such as 3/17/0 (\`volley node status\` names them)`);
    show(given, await ask(given, {do: 'abort', replica}));
    return undefined;
  },
};
