// What operators do with nodes: labels, suspend, drain, quarantine, forget. It is kept in a row of its own, apart
// from what the node says of itself, and holds for as long as the node is known, whichever of the two starts again.

import {assertNever} from '../base/assert.ts';
import {toUtf8} from '../base/bytes.ts';
import type {ErrorCode, ErrorFields} from '../base/errors.ts';
import type {Now} from '../base/types.ts';
import type {NodeOrder, OperatorAnswer} from '../core/operator-request.ts';
import type {Actor} from '../core/operator-rows.ts';
import {GIVEN_LABELS_BYTES_MAX, GIVEN_LABELS_MAX, NAME_BYTES_MAX} from '../wire/limits.ts';
import {settleGone} from './broadcast.ts';
import type {MasterContext} from './context.ts';
import type {Enrolment} from './enrolment.ts';
import type {Liveness} from './liveness.ts';
import type {Results} from './results.ts';
import {forgetAnswer, isStopped, type NodeState, peerOf} from './roster.ts';
import {setAside} from './set-aside.ts';

type Order<K extends NodeOrder['kind']> = Extract<NodeOrder, {kind: K}>;

const refusal = (code: ErrorCode, fields: ErrorFields): OperatorAnswer => ({
  ok: false,
  code,
  fields,
});
const unusable = (reason: string): OperatorAnswer => refusal('VOLLEY_USAGE', {reason});

/** The labels that operators gave, or what is wrong with what is asked for. */
function labelsAfter(
  {row, control}: NodeState,
  add: readonly string[],
  remove: readonly string[],
): readonly string[] | string {
  const before = control.labels ?? [];
  for (const label of remove) {
    if (row.labels.includes(label))
      return `${row.name} says "${label}" itself: it is in its node.json or a flag`;
    if (!before.includes(label)) return `${row.name} has no label "${label}"`;
  }
  const kept = before.filter(label => !remove.includes(label));
  const labels = [...new Set([...kept, ...add.filter(each => !row.labels.includes(each))])];
  const bytes = labels.map(label => toUtf8(label).length);
  const isTooMuch =
    labels.length > GIVEN_LABELS_MAX ||
    bytes.some(length => length < 1 || length > NAME_BYTES_MAX) ||
    bytes.reduce((sum, length) => sum + length, 0) > GIVEN_LABELS_BYTES_MAX;
  return isTooMuch
    ? `a node has at most ${GIVEN_LABELS_MAX} labels of yours, of ${NAME_BYTES_MAX} bytes each and ${GIVEN_LABELS_BYTES_MAX} together`
    : labels;
}

export class NodeDesk {
  readonly #context: MasterContext;
  readonly #results: Results;
  readonly #liveness: Liveness;
  readonly #enrolment: Enrolment;

  constructor(
    context: MasterContext,
    parts: {
      readonly results: Results;
      readonly liveness: Liveness;
      readonly enrolment: Enrolment;
    },
  ) {
    this.#context = context;
    this.#results = parts.results;
    this.#liveness = parts.liveness;
    this.#enrolment = parts.enrolment;
  }

  handle(order: NodeOrder, actor: Actor, now: Now): OperatorAnswer {
    const {nodeId} = order;
    const node = this.#context.roster.node(nodeId);
    if (!node) return refusal('VOLLEY_UNKNOWN_NODE', {node: nodeId});
    if (node.row.revokedAt > 0) return unusable(`${node.row.name} is revoked, for ever`);
    const refused = this.#do(order, node, actor, now);
    if (refused) return refused;
    this.#context.announceNode(nodeId);
    return {ok: true};
  }

  #do(order: NodeOrder, node: NodeState, actor: Actor, now: Now): OperatorAnswer | undefined {
    switch (order.kind) {
      case 'labelNode':
        return this.#label(order, node, actor, now);
      case 'holdNode':
        return this.#hold(order, node, actor, now);
      case 'resumeNode':
        return this.#resume(node, actor, now);
      case 'releaseNode':
        return this.#release(node, actor, now);
      case 'forgetNode':
        return this.#forget(node, actor, now);
      default:
        return assertNever(order);
    }
  }

  #note(what: string, {row}: NodeState, actor: Actor, more = ''): void {
    const fields = {node: row.nodeId, name: row.name, by: actor.name};
    this.#context.note('info', what, more === '' ? fields : {...fields, detail: more});
  }

  #label(
    {add, remove}: Order<'labelNode'>,
    node: NodeState,
    actor: Actor,
    now: Now,
  ): OperatorAnswer | undefined {
    const labels = labelsAfter(node, add, remove);
    if (typeof labels === 'string') return unusable(labels);
    this.#context.setControl(node, {...node.control, labels});
    this.#note('node labelled', node, actor, labels.join(' '));
    this.#context.workNo += 1; // it may be a target now
    this.#enrolment.tell(node, now);
    return undefined;
  }

  /** Of several the newest counts. */
  #hold(
    {hold: kind, reason}: Order<'holdNode'>,
    node: NodeState,
    actor: Actor,
    now: Now,
  ): OperatorAnswer | undefined {
    const hold = {kind, by: actor.name, at: now.wall, reason};
    this.#context.setControl(node, {...node.control, hold});
    this.#note(`node is ${kind}`, node, actor, reason);
    if (isStopped(node)) {
      this.#liveness.release(node, now);
      forgetAnswer(node);
    }
    if (kind === 'quarantined') setAside(this.#context, this.#results, node.row.nodeId, now);
    this.#enrolment.tell(node, now);
    return undefined;
  }

  #resume(node: NodeState, actor: Actor, now: Now): OperatorAnswer | undefined {
    const {hold} = node.control;
    if (hold?.kind === 'quarantined')
      return unusable(`${node.row.name} is quarantined: \`volley nodes release\` ends that`);
    if (!hold) return undefined;
    this.#free(node, now);
    this.#note('node resumed', node, actor);
    return undefined;
  }

  /** What it has kept counts now, where it is still wanted. */
  #release(node: NodeState, actor: Actor, now: Now): OperatorAnswer | undefined {
    const isHeld = node.control.hold?.kind === 'quarantined';
    if (!isHeld && node.standing.size === 0) return unusable(`${node.row.name} is not quarantined`);
    this.#context.conducts.release(node);
    if (isHeld) this.#free(node, now);
    this.#context.workNo += 1;
    this.#note('node released', node, actor);
    return undefined;
  }

  #free(node: NodeState, now: Now): void {
    const {hold: _, ...control} = node.control;
    if (isStopped(node)) forgetAnswer(node);
    this.#context.setControl(node, control);
    this.#context.workNo += 1;
    this.#enrolment.tell(node, now);
  }

  /** Its key is no member's any more: who comes with it asks to be let in, as anybody. */
  #forget(node: NodeState, actor: Actor, now: Now): OperatorAnswer | undefined {
    const {nodeId, name} = node.row;
    if (node.up)
      return unusable(`${name} is up; end it first, or take its membership away: nodes revoke`);
    const context = this.#context;
    context.conducts.forget(node);
    context.roster.remove(node);
    context.emit({type: 'forget', peer: peerOf(node)});
    for (const table of ['node', 'control'] as const) context.drop(table, nodeId);
    context.lost.delete(nodeId);
    settleGone(context, this.#results, nodeId, now);
    this.#note('node forgotten', node, actor);
    return undefined;
  }
}
