// `volley app versions`: everything that was ever published under a name, and what still uses it.

import type {AppVersionView} from '../core/views.ts';
import type {CommandSpec, Given} from './command.ts';
import {OPERATOR_OPTIONS, withClient} from './connect.ts';
import {instant, print, printJson, safe} from './output.ts';
import {tableLines} from './table.ts';

export const appVersionsCommand: CommandSpec = {
  name: 'app versions',
  args: '<app>',
  summary: 'List all versions of an app: hash, when, which key signed it, which batches use it',
  options: OPERATOR_OPTIONS,
  examples: ['volley app versions primes', 'volley app versions primes --json'],
  run: versions,
};

const COLUMNS = [
  {title: 'version'},
  {title: 'id'},
  {title: 'published (UTC)'},
  {title: 'signed by'},
  {title: ''},
  {title: 'tried on two processors'},
  {title: 'batches'},
];

const BATCHES_SHOWN = 8;

async function versions(given: Given): Promise<undefined> {
  const found = await withClient(given, client => client.versions(given.args[0] ?? ''));
  if (given.flag('json')) printJson({versions: found});
  else for (const line of tableLines(COLUMNS, found.map(rowOf))) print(line);
  return undefined;
}

const rowOf = ({
  version,
  appId,
  publishedAt,
  signedBy,
  current,
  tried,
  batches,
}: AppVersionView) => [
  safe(version, 24),
  appId.slice(0, 16),
  publishedAt === 0 ? 'not known' : instant(publishedAt),
  signedBy === '' ? 'not known' : signedBy.slice(0, 16),
  current ? 'current' : '',
  triedText(tried),
  batches.length === 0
    ? 'none'
    : batches.slice(0, BATCHES_SHOWN).join(', ') + (batches.length > BATCHES_SHOWN ? ', …' : ''),
];

/** What became of it on two processors. */
export function triedText(tried: AppVersionView['tried']): string {
  if (!tried) return 'never';
  const archs = tried.archs.map(arch => safe(arch)).join(' and ');
  if (tried.result === 'itself') return 'no two results agree';
  return `${archs} ${tried.result === 'alike' ? 'agree' : 'differ'}`;
}
