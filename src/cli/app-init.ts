// `volley app init`: a folder with a small app that builds, tests and publishes as it stands, to be changed into one's
// own. It is a copy of a template with the app's name in place of my-app. The folder is new or nothing happens.

import type {Template} from './app-templates.ts';
import type {CommandSpec, Given} from './command.ts';
import {usage} from './command.ts';
import {print, printJson} from './output.ts';

export const appInitCommand: CommandSpec = {
  name: 'app init',
  args: '[name]',
  summary: 'Make a folder with a small app to begin with; without a template: list them',
  options: [
    {flag: '--template <template>', text: 'the language: a word of the list'},
    {flag: '--out <dir>', text: 'the folder to make (default: the name of the app)'},
    {flag: '--json', text: 'print JSON for programs'},
  ],
  examples: [
    'volley app init                              # lists the templates',
    'volley app init hello --template c',
    'volley app init hello --template rust --out ~/apps/hello',
  ],
  run: init,
};

async function init(given: Given): Promise<undefined> {
  const [name] = given.args;
  const wanted = given.text('template');
  if (wanted === undefined) {
    await list(given);
    if (name !== undefined || given.flag('out')) throw usage('which of them? give --template');
    return undefined;
  }
  if (name === undefined)
    throw usage(`an app needs a name: volley app init NAME --template ${wanted}`);
  const template = await templateOf(wanted);
  await checkName(name);
  const {resolve} = await import('node:path');
  const shown = given.text('out') ?? name;
  const folder = resolve(shown);
  const {copyTemplate} = await import('./template-copy.ts');
  const files = await copyTemplate(template.name, name, folder);
  await show(given, {name, template, shown, folder, files});
  return undefined;
}

async function list(given: Given): Promise<void> {
  const {TEMPLATES, missingOf} = await import('./app-templates.ts');
  if (given.flag('json')) {
    printJson(
      TEMPLATES.map(template => {
        const {name, summary} = template;
        return {name, summary, missing: missingOf(template).map(({what, get}) => ({what, get}))};
      }),
    );
    return;
  }
  const width = Math.max(...TEMPLATES.map(({name}) => name.length));
  for (const {name, summary} of TEMPLATES) print(`${name.padEnd(width)}  ${summary}`);
}

async function templateOf(wanted: string): Promise<Template> {
  const {TEMPLATES} = await import('./app-templates.ts');
  const found = TEMPLATES.find(({name}) => name === wanted);
  if (found !== undefined) return found;
  const {nearest} = await import('../base/nearest.ts');
  const names = TEMPLATES.map(({name}) => name);
  const near = nearest(wanted, names);
  const advice = near === undefined ? `there are ${names.join(', ')}` : `did you mean "${near}"?`;
  throw usage(`there is no template "${wanted}"; ${advice}`);
}

/** By the rule that manifests are held to, so that what is made can be published. */
async function checkName(name: string): Promise<void> {
  const {decodeManifest, encodeManifest} = await import('../core/app.ts');
  const limits = {timeSeconds: 1, memoryMib: 1, outputBytes: 1};
  const rest = {version: '1.0.0', description: '', runtime: 'exec', action: 'any', limits} as const;
  const manifest = decodeManifest(encodeManifest({format: 1, name, ...rest}));
  if ('reason' in manifest) throw usage(`"${name}" is no name for an app: ${manifest.reason}`);
}

type Made = {
  readonly name: string;
  readonly template: Template;
  /** As it was typed. */
  readonly shown: string;
  readonly folder: string;
  readonly files: readonly string[];
};

async function show(given: Given, {name, template, shown, folder, files}: Made): Promise<void> {
  const {missingOf} = await import('./app-templates.ts');
  const missing = missingOf(template).map(({what, get}) => ({what, get}));
  const next = nextOf(name, template, shown);
  if (given.flag('json')) {
    printJson({name, template: template.name, folder, files, next, missing});
    return;
  }
  print(`App "${name}" is in ${shown}: ${files.join(', ')}`);
  if (missing.length > 0) print('\nThis machine still lacks:');
  for (const {what, get} of missing) print(`  ${what}: ${get}`);
  print('\nNext:');
  for (const line of next) print(`  ${line}`);
}

/** The next three commands to type, from where we are. */
function nextOf(name: string, {build, isAllowedByOwner}: Template, shown: string): string[] {
  const folder = quoted(shown);
  const allows = isAllowedByOwner ? ` --node-data ${folder}` : '';
  return [
    ...(build === undefined ? [] : [`(cd ${folder} && ${build})`]),
    `volley app test ${folder} --input ${quoted(`${shown}/input.json`)}${allows}`,
    `volley app publish ${folder}`,
    `seq 1 20 | volley batch submit ${name} --lines - --quorum 1 --wait   # without --quorum 1, two nodes must agree`,
  ].slice(0, 3);
}

/** As a shell takes it. */
const quoted = (text: string): string =>
  /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
