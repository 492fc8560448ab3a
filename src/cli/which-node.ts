// The node that a person means by a name, an id or the beginning of one.

import {VolleyError} from '../base/errors.ts';
import type {NodeView} from '../core/views.ts';
import {fingerprintText, parseFingerprint} from '../wire/identity.ts';
import {usage} from './command.ts';
import {safe} from './output.ts';

const PREFIX_DIGITS_MIN = 8;

/** Throws VOLLEY_UNKNOWN_NODE, and VOLLEY_USAGE when several are meant. */
export function whichNode(nodes: readonly NodeView[], text: string): NodeView {
  const whole = byWholeId(nodes, text);
  if (whole) return whole;
  const id = parseFingerprint(text) ?? text.toLowerCase();
  const byId = nodes.filter(({nodeId}) =>
    id.length >= PREFIX_DIGITS_MIN ? nodeId.startsWith(id) : nodeId === id,
  );
  const found = [...new Set([...byId, ...nodes.filter(({name}) => name === text)])];
  const [node, other] = found;
  if (node === undefined) throw new VolleyError('VOLLEY_UNKNOWN_NODE', {node: safe(text)});
  if (other === undefined) return node;
  const ids = found.slice(0, 4).map(({nodeId}) => nodeId);
  throw usage(`"${safe(text)}" is ${found.length} nodes; give one of the ids ${ids.join(', ')}`);
}

/** The node of an id or fingerprint that was given in full: whatever others call themselves, it is this one. */
export function byWholeId(nodes: readonly NodeView[], text: string): NodeView | undefined {
  const id = parseFingerprint(text);
  return id === undefined ? undefined : nodes.find(({nodeId}) => nodeId === id);
}

/** The 32 hex digits of a fingerprint that was typed, in one word or in groups. */
export function fingerprintOf(words: readonly string[]): string {
  const text = words.join(' ');
  const hex = parseFingerprint(text);
  if (hex !== undefined) return hex;
  const example = fingerprintText('0123456789abcdef'.repeat(2));
  throw usage(
    `"${safe(text)}" is not a fingerprint: that is 32 hex digits, all of them, such as ${example}`,
  );
}
