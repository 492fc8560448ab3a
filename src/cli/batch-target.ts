// Which nodes may compute a batch, and what is said when there are too few.

import type {BatchId} from '../base/types.ts';
import type {BatchRequest} from '../core/operator-request.ts';
import type {OperatorClient} from '../http/client.ts';
import {defined, type Given, type OptionSpec} from './command.ts';
import {tell} from './output.ts';
import {meantBy, SELECT_OPTION} from './target.ts';

const UINT32_MAX = 2 ** 32 - 1;

export const TARGET_OPTIONS: readonly OptionSpec[] = [
  {...SELECT_OPTION, text: `only these nodes: ${SELECT_OPTION.text}`},
  {flag: '--arch <arch>', text: 'only these processors: arm, arm64, x64', repeatable: true},
  {flag: '--min-memory <mib>', text: 'only nodes with at least so much memory'},
  {flag: '--min-cores <count>', text: 'only nodes with at least so many cores'},
  {flag: '--strict', text: 'refuse it when there are too few nodes for its quorum'},
];

export async function aimIn(
  given: Given,
  client: OperatorClient,
): Promise<Pick<BatchRequest, 'target' | 'strict'>> {
  const [select, archs] = [given.texts('select'), given.texts('arch')];
  const strict = given.flag('strict') ? {strict: true} : {};
  const least = defined({
    memoryMib: given.whole('min-memory', 1, UINT32_MAX),
    cores: given.whole('min-cores', 1, UINT32_MAX),
  });
  if (select.length + archs.length + Object.keys(least).length === 0) return strict;
  // Labels that no node has yet are no fault here: the batch waits for them, and says so.
  const {labels, nodes} = meantBy(select, select.length === 0 ? [] : await client.nodes());
  return {target: {labels, nodes, archs, ...least}, ...strict};
}

/** With too few nodes the batch waits, and should not do so silently. */
export function warn(batchId: BatchId, warning: string | undefined): void {
  if (warning !== undefined) tell(`volley: batch ${batchId} ${warning}: it waits`);
}
