// Who is meant by --select: labels, names and ids of nodes, and node sets of names and labels.

import {VolleyError} from '../base/errors.ts';
import type {NodeId} from '../base/types.ts';
import {expandNodeSet, isNodeSet} from '../core/node-set.ts';
import type {NodeView} from '../core/views.ts';
import type {Target} from '../wire/message.ts';
import {type OptionSpec, usage} from './command.ts';
import {byWholeId} from './which-node.ts';

export const SELECT_OPTION: OptionSpec = {
  flag: '--select <who>',
  text: 'label=x, or name or id of a node; also sets of them: cam-[01-12], label=ring[1-4]',
  repeatable: true,
};

const LABEL = 'label=';
/** So many ids leave room for the rest of a command, which is one packet. */
const IDS_MAX = 40;
/** With these ids in the same packet. */
const LABELS_CHOSEN_MAX = 8;
const ID_LETTERS_MIN = 4;

/**
 * Texts of --select to labels and ids that fit into one packet; no text = every node.
 *
 * Throws VOLLEY_UNKNOWN_NODE, VOLLEY_NO_NODES for a label that nobody has, and VOLLEY_USAGE.
 */
export function targetOf(texts: readonly string[], nodes: readonly NodeView[]): Target {
  const target = knownBy(texts, nodes);
  return target.nodes.length > IDS_MAX ? byLabels(target, nodes) : target;
}

/** As `targetOf`, where no packet has to hold it. */
export function knownBy(texts: readonly string[], nodes: readonly NodeView[]): Target {
  const target = meantBy(texts, nodes);
  const unknown = target.labels.find(label => !nodes.some(node => node.labels.includes(label)));
  if (unknown !== undefined)
    throw new VolleyError('VOLLEY_NO_NODES', {reason: `none has the label "${unknown}"`});
  return target;
}

/** As the master sees it: no label and no id = every node. */
export const isMeant = (target: Target, {nodeId, labels}: NodeView): boolean =>
  target.labels.length + target.nodes.length === 0 ||
  target.nodes.includes(nodeId) ||
  target.labels.some(label => labels.includes(label));

/** As `knownBy`, but labels that nobody has yet are no fault. */
export function meantBy(texts: readonly string[], nodes: readonly NodeView[]): Target {
  const labels: string[] = [];
  const ids: NodeId[] = [];
  for (const text of texts) {
    if (text.startsWith(LABEL)) labels.push(...labelsIn(text, nodes));
    else for (const name of namesIn(text, nodes)) ids.push(...idsOf(name, nodes));
  }
  return {labels: [...new Set(labels)], nodes: [...new Set(ids)]};
}

/** A label or name that somebody has is that one, whatever letters are in it. */
function labelsIn(text: string, nodes: readonly NodeView[]): readonly string[] {
  const label = text.slice(LABEL.length);
  return nodes.some(node => node.labels.includes(label)) ? [label] : expanded(label, text);
}

const namesIn = (text: string, nodes: readonly NodeView[]): readonly string[] =>
  nodes.some(({name}) => name === text) ? [text] : expanded(text, text);

function expanded(set: string, text: string): readonly string[] {
  if (!isNodeSet(set)) return [set];
  const known = expandNodeSet(set);
  if ('fault' in known) throw usage(`--select ${text}: ${known.fault}`);
  return known.names;
}

function idsOf(text: string, nodes: readonly NodeView[]): readonly NodeId[] {
  const whole = byWholeId(nodes, text);
  if (whole) return [whole.nodeId];
  const byName = nodes.filter(node => node.name === text);
  if (byName.length > 0) return byName.map(node => node.nodeId);
  const byId = nodes.filter(node => node.nodeId.startsWith(text.toLowerCase()));
  if (text.length >= ID_LETTERS_MIN && byId.length === 1) return byId.map(node => node.nodeId);
  throw new VolleyError('VOLLEY_UNKNOWN_NODE', {node: text});
}

/**
 * The same nodes with fewer ids: all of them, or by labels that nobody else has.
 *
 * Throws VOLLEY_USAGE when that takes more ids than a packet has room for.
 */
export function byLabels({labels, nodes: ids}: Target, nodes: readonly NodeView[]): Target {
  const present = nodes.filter(({state}) => state !== 'revoked');
  const meant = new Set(ids);
  if (present.every(({nodeId}) => meant.has(nodeId))) return {labels: [], nodes: []};
  const counts = new Map<string, number>();
  for (const label of present.flatMap(node => node.labels))
    counts.set(label, (counts.get(label) ?? 0) + 1);
  const own = [...counts].filter(([label]) =>
    present.every(node => !node.labels.includes(label) || meant.has(node.nodeId)),
  );
  const chosen = [...labels];
  for (const [label] of own.sort(([, a], [, b]) => b - a)) {
    const covered = present.filter(node => node.labels.includes(label));
    if (!covered.some(({nodeId}) => meant.has(nodeId))) continue;
    if (covered.length === 1 || chosen.length >= LABELS_CHOSEN_MAX) break;
    chosen.push(label);
    for (const {nodeId} of covered) meant.delete(nodeId);
  }
  if (meant.size > IDS_MAX)
    throw usage(
      `${meant.size} nodes without a label of their own are too many to name in one packet (${IDS_MAX}): ` +
        'give them a label (`volley nodes label`, or `labels` of a rig file), and --select label=x',
    );
  return {labels: chosen, nodes: [...meant]};
}
