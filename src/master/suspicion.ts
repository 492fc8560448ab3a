// Which results are suspicious: good enough to count, but not on their own word. One that is in the group
// that would decide asks for one replica more (validator.ts). Pure.

import type {Policy} from '../core/policy.ts';
import type {OutputRef, ResultItem} from '../wire/message.ts';
import type {NodeState} from './roster.ts';

/** What a node says of its own result, by the bits of ResultItem.suspicion. */
const NODE_SAYS: readonly string[] = ['its machine slept or its clock was set while it ran'];

export const sizeOf = (output: OutputRef): number =>
  output.kind === 'inline' ? output.bytes.length : output.size;

/** Why; undefined = it is as good as any. */
export function suspicionOf(
  policy: Policy,
  node: Pick<NodeState, 'owes'>,
  item: Extract<ResultItem, {status: 'done'}>,
): string | undefined {
  if (policy.broadcast) return undefined; // nobody else could be asked
  const said = NODE_SAYS.find((_text, bit) => ((item.suspicion ?? 0) >> bit) % 2 === 1);
  if (said !== undefined) return said;
  if (node.owes > 0) return `its node disagreed, ${node.owes} validated results ago or less`;
  // An app that writes until it is stopped, or one whose output was cut.
  if (sizeOf(item.output) === policy.outputLimitBytes)
    return 'its output is as large as is allowed';
  return undefined;
}
