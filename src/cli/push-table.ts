// Transfers as people read them: who has the file, who has not, and why.

import type {TransferView} from '../core/views.ts';
import {percent, safe, sizeText} from './output.ts';

export const isDelivered = ({nodes}: TransferView): boolean =>
  nodes.length > 0 && nodes.every(({state}) => state === 'whole');

export function rateText(bitsPerSecond: number): string {
  if (bitsPerSecond >= 1e9) return `${(bitsPerSecond / 1e9).toFixed(1)} Gbit/s`;
  if (bitsPerSecond >= 1e6)
    return `${(bitsPerSecond / 1e6).toFixed(bitsPerSecond < 1e7 ? 1 : 0)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
}

const WORDS: Readonly<Record<TransferView['nodes'][number]['state'], string>> = {
  invited: 'has not answered yet',
  listening: 'hears it',
  aside: 'fetches what it lacks when it is its turn',
  fetching: 'fetches what it lacks',
  away: 'is not here; it fetches it when it is back',
  whole: 'has it',
  declined: 'does not take it',
  gaveUp: 'gave it up',
  missed: 'has not got it',
};

export function stateText({state, reason, part}: TransferView['nodes'][number]): string {
  const much = state === 'whole' || part === 0 ? '' : ` (${percent(part, 1)})`;
  const why = reason === undefined || reason === '' ? '' : `: ${safe(reason, 200)}`;
  return `${WORDS[state]}${much}${state === 'whole' ? '' : why}`;
}

/** A line for each node that has not got it. */
export const missingLines = ({nodes}: TransferView): string[] =>
  nodes
    .filter(({state}) => state !== 'whole')
    .map(node => `  ${safe(node.name || node.nodeId)} ${stateText(node)}`);

export const transferText = ({id, fileName, size, state}: TransferView): string =>
  `Transfer ${id}: ${safe(fileName ?? '')}, ${sizeText(size)}, ${state}`;
