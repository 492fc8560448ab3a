// `volley capture`: fires an action on many nodes at one instant, tells who fired when, brings the files.

import {EXIT, VolleyError} from '../base/errors.ts';
import {asCaptureId, type CaptureId} from '../base/types.ts';
import {isWhole} from '../core/capture-tally.ts';
import {neededOf} from '../core/needed-nodes.ts';
import type {CaptureRequest, CaptureStep} from '../core/operator-request.ts';
import type {Rig} from '../core/rig-plan.ts';
import type {CaptureView, NodeView} from '../core/views.ts';
import type {OperatorClient} from '../http/client.ts';
import {followCapture} from '../library/capture-states.ts';
import {CAPTURE_TIME_MS_MAX, CLOCK_BOUND_MS_MAX} from '../wire/limits.ts';
import {Interrupts, leaveNow} from './capture-cancel.ts';
import type {Layout} from './capture-layout.ts';
import {RIG_OPTION, withRig} from './capture-rig.ts';
import {STEP_OPTION, type Step, stepsOf} from './capture-step.ts';
import {timesOf} from './capture-times.ts';
import type {CommandSpec, Given, OptionSpec} from './command.ts';
import {usage} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {counted, grouped, print, printJson, safe, tell} from './output.ts';
import {ProgressLine} from './progress.ts';
import {SELECT_OPTION, targetOf} from './target.ts';

/** `fetch` has it too. */
export const LAYOUT_OPTION: OptionSpec = {
  flag: '--layout <template>',
  text: 'names of the files in it, of {capture} {shot} {label} {node} {id} {n} {ext}',
};

export const captureCommand: CommandSpec = {
  name: 'capture',
  summary: 'Fire an action on many nodes at one instant and bring the files',
  options: [
    {flag: '--action <name>', text: 'what the nodes do: testcard, camera, or an action of theirs'},
    {
      flag: '--at <+time>',
      text: 'fire this long from now, all together (default: as soon as all can have heard of it)',
    },
    {flag: '--now', text: 'fire on hearing instead'},
    {flag: '--require <who>', text: 'all, 95% or 12 nodes have to be ready, or nothing fires'},
    {flag: '--tolerance <time>', text: 'a node whose clock may be further off does not fire: 1ms'},
    {flag: '--dry-run', text: 'ask who is ready, fire nothing'},
    SELECT_OPTION,
    {flag: '--shots <count>', text: 'shots (default 1)'},
    {flag: '--every <time>', text: 'time between shots (default 1s)'},
    {flag: '--burst <count@time>', text: 'each shot is so many, so far apart: 5@40ms'},
    {flag: '--sweep <time>', text: 'one node after the other, so far apart, by label and name'},
    STEP_OPTION,
    {flag: '--arg <text>', text: 'argument for the action', repeatable: true},
    {flag: '--out <folder>', text: 'where the files go (default ./capture-<number>)'},
    LAYOUT_OPTION,
    RIG_OPTION,
    {flag: '--again <number>', text: 'fire nothing, as `volley capture fetch <number>`'},
    ...OPERATOR_OPTIONS,
  ],
  examples: [
    'volley capture --action testcard',
    'volley capture --action camera --at +500ms --select label=ring1 --out ./scan-42',
    'volley capture --action camera --layout "{shot}/{label}-{node}.{ext}" --out ./scan-43',
    'volley capture --rig rig.yml --out ./scan-44   # what its `capture:` says',
    'volley capture fetch 42 --out ./scan-42     # bring its files, without firing',
    'volley capture --action camera --require 95% --dry-run',
    'volley capture --action camera --require all --tolerance 1ms   # all know the time that well, or nothing fires',
    'volley capture --action camera --sweep 20ms --select label=ring1   # around the ring',
    'volley capture --action camera --shots 10 --every 500ms --select "cam-[07-12]"',
    'volley capture --action camera --shots 3 --every 10s --burst 5@40ms   # 15 pictures of each node',
    'volley capture --step "lights on @label=lamps" --step "+200ms camera" --step "+300ms lights off @label=lamps"',
  ],
  run: capture,
};

async function capture(typed: Given): Promise<number> {
  const again = typed.whole('again', 1, 2 ** 32 - 1);
  if (again !== undefined) return fetchCapture(typed, asCaptureId(again));
  const {given, rig} = await withRig(typed);
  const steps = stepsIn(given);
  const times = timesOf(given, steps.length || 1);
  const wishes = wishesOf(given); // looked at before anything is asked
  const layout = await layoutOf(given);
  return withClient(given, async client => {
    const nodes = await client.nodes();
    const target = targetOf(given.texts('select'), nodes);
    const what =
      steps.length > 0
        ? {action: '', args: [], steps: steps.map(step => aimed(step, nodes))}
        : {action: given.text('action') ?? '', args: given.texts('arg')};
    const {lookAtPlace} = await import('./capture-files.ts');
    await lookAtPlace(given.text('out'), wishes.dryRun);
    const asked = {...what, target, ...times, ...wishes};
    const {captureId} = await client.capture(asked);
    const interrupts = new Interrupts(client, captureId, leaveNow(given.flag('json')));
    try {
      const code = await bring(given, client, captureId, {layout, rig, interrupts});
      return interrupts.code ?? code;
    } catch (error) {
      const advice = adviceAfter(error, captureId);
      if (advice !== undefined) tell(`volley: ${advice}`);
      throw error;
    } finally {
      interrupts.close();
    }
  });
}

/** What was fired is not lost when this command ends before it is here. */
export function adviceAfter(error: unknown, captureId: CaptureId): string | undefined {
  const fetch = `capture fetch ${captureId}`;
  switch (error instanceof VolleyError ? error.code : undefined) {
    case 'VOLLEY_MASTER_UNREACHABLE':
      return `\`volley ${fetch}\` brings what nodes fired and will fire`;
    case 'VOLLEY_CANNOT_WRITE':
    case 'VOLLEY_NO_PERMISSION':
      return `the master has the files: \`volley ${fetch} --out FOLDER\` brings them elsewhere`;
    default:
      return undefined;
  }
}

/** Looked at before anything is asked; none = there is one action. */
function stepsIn(given: Given): readonly Step[] {
  const [action, texts] = [given.text('action'), given.texts('step')];
  if (texts.length === 0 && action === undefined)
    throw usage('--action is missing: what shall the nodes do?');
  if (texts.length === 0) return [];
  for (const flag of ['action', 'arg', 'burst', 'sweep'])
    if (given.texts(flag).length > 0) throw usage(`--step says what --${flag} would: leave it out`);
  return stepsOf(texts);
}

const aimed = ({select, ...step}: Step, nodes: readonly NodeView[]): CaptureStep =>
  select.length === 0 ? step : {...step, target: targetOf(select, nodes)};

/** Brings the files of an earlier capture. */
export async function fetchCapture(typed: Given, captureId: CaptureId): Promise<number> {
  const {given, rig} = await withRig(typed);
  const layout = await layoutOf(given);
  return withClient(given, client => bring(given, client, captureId, {layout, rig}));
}

/** Looked at before anything is fired. */
async function layoutOf(given: Given): Promise<Layout | undefined> {
  const template = given.text('layout');
  if (template === undefined) return undefined;
  const {parseLayout} = await import('./capture-layout.ts');
  return parseLayout(template);
}

type Bringing = {
  readonly layout?: Layout | undefined;
  readonly rig?: Rig | undefined;
  readonly interrupts?: Interrupts;
};

/**
 * Follows a capture to its end, brings its files and tells about it; who is missing is told as soon as the
 * master says it, which is within a second of the last instant.
 */
export async function bring(
  given: Given,
  client: OperatorClient,
  captureId: CaptureId,
  {layout, rig, interrupts}: Bringing = {},
): Promise<number> {
  const out = given.text('out') ?? `capture-${captureId}`;
  const line = new ProgressLine();
  const {captureLines, missingLines, rollLines} = await import('./capture-table.ts');
  let [isCalled, isAnswered] = [false, false];
  const view = await followCapture(client, captureId, now => {
    interrupts?.saw(now);
    line.show(now.calling ? `capture ${captureId}  asking who is ready` : progressOf(now));
    if (!isAnswered && now.rollCall) for (const text of rollLines(now)) line.say(text);
    isAnswered ||= now.rollCall !== undefined;
    if (!isCalled) for (const text of missingLines(now.missing ?? [])) line.say(text);
    isCalled ||= now.missing !== undefined;
  });
  line.end();
  if (view.dryRun || view.refused !== undefined) return endUnfired(given, view);
  const {prepareFolder, saveCapture} = await import('./capture-files.ts');
  await prepareFolder(out);
  const saved = await saveCapture(client, captureId, out, layout, rig);
  const whole = isWhole(view);
  if (given.flag('json')) printJson({...view, out, whole, saved});
  else {
    for (const text of captureLines(view, saved)) print(text);
    for (const text of missingLines(view.missing ?? [])) print(text);
    print(`${counted(saved.length, 'file')}, report.html and manifest.json are in ${out}`);
    if (view.cancelled !== undefined)
      print(`The capture was cancelled by ${safe(view.cancelled, 40)}`);
    else if (!whole) print('The capture is not whole');
  }
  return whole ? EXIT.ok : EXIT.failed;
}

/** Only the roll was called, or too few are ready. */
function endUnfired(given: Given, view: CaptureView): number {
  const {refused, rollCall} = view;
  const isReady = refused === undefined && rollCall?.ready === rollCall?.asked;
  if (given.flag('json')) printJson({...view, whole: false});
  else if (refused === undefined) print('Nothing was fired: this was a dry run');
  else print(`Nothing was fired: ${refused}`);
  return isReady ? EXIT.ok : EXIT.failed;
}

/** When, who has to be ready, and in which order; an absent lead is chosen by the master. */
function wishesOf(
  given: Given,
): Pick<CaptureRequest, 'leadMs' | 'needs' | 'sweepMs' | 'toleranceMs' | 'dryRun'> {
  const isNow = given.flag('now');
  const needs = given.text('require');
  if (needs !== undefined && neededOf(needs, 1) === undefined)
    throw usage(`--require takes all, 95% or 12, not "${needs}"`);
  const {at, sweep: sweepMs, tolerance: toleranceMs} = instantOf(given, isNow);
  const leadMs = isNow ? 0 : at;
  return {
    ...(leadMs === undefined ? {} : {leadMs}),
    ...(needs === undefined ? {} : {needs}),
    ...(sweepMs === undefined ? {} : {sweepMs}),
    ...(toleranceMs === undefined ? {} : {toleranceMs}),
    ...(given.flag('dry-run') ? {dryRun: true} : {}),
  };
}

/** What makes no sense with `--now`: on hearing there is no instant. */
function instantOf(given: Given, isNow: boolean) {
  const times = {
    at: given.durationMs('at'),
    sweep: given.durationMs('sweep'),
    tolerance: given.durationMs('tolerance'),
  };
  for (const [flag, ms] of Object.entries(times))
    if (isNow && ms !== undefined) throw usage(`--${flag} is of an instant: leave out --now`);
  const {at = 0, sweep = 0, tolerance = CLOCK_BOUND_MS_MAX} = times;
  if (sweep > CAPTURE_TIME_MS_MAX) throw usage('--sweep is at most 60s from node to node');
  if (at > CAPTURE_TIME_MS_MAX) throw usage('--at is at most +60s');
  if (tolerance === 0 || tolerance > CLOCK_BOUND_MS_MAX)
    throw usage(`--tolerance is a time up to ${CLOCK_BOUND_MS_MAX}ms, such as 1ms`);
  return times;
}

function progressOf({id, rows}: CaptureView): string {
  const files = rows.flatMap(row => row.files);
  const count = (test: (row: (typeof rows)[number]) => boolean): string =>
    grouped(rows.filter(test).length);
  return [
    `capture ${id}`,
    `${count(row => row.heard)}/${grouped(rows.length)} heard`,
    `${count(row => row.verdict === 'fired')} fired`,
    `${grouped(files.filter(file => file.collected).length)}/${grouped(files.length)} files`,
  ].join('  ');
}
