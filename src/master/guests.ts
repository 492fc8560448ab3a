// Nodes as guests of their owners: what each says may run there, what it gives back, and what the operator wishes
// it to be careful with. A wish is told again after each Pull that does not name it.

import {toUtf8} from '../base/bytes.ts';
import type {Now} from '../base/types.ts';
import type {OperatorAnswer, OperatorRequest} from '../core/operator-request.ts';
import {changedPreferences, isFault, type Preferences} from '../core/preferences.ts';
import type {Pull, Renewal} from '../wire/message.ts';
import type {MasterContext} from './context.ts';
import type {Liveness} from './liveness.ts';
import {mayWork, type NodeState, peerOf, saveNode} from './roster.ts';

const NO_WISHES = {id: 0, preferences: {}};

export class Guests {
  readonly #context: MasterContext;
  readonly #liveness: Liveness;

  constructor(context: MasterContext, liveness: Liveness) {
    this.#context = context;
    this.#liveness = liveness;
  }

  /** Before the pull is answered: what it gives back may go to others. */
  pulled(node: NodeState, pull: Pull, now: Now): void {
    for (const returned of pull.returned ?? []) this.#takeBack(node, returned, now);
    const {guest} = pull;
    const before = node.guest;
    node.guest = guest;
    if (gistOf(before) !== gistOf(guest)) this.#context.announceNode(node.row.nodeId);
    if (!mayWork(node)) node.idleSince = -1; // no call for work is for it
    const {id, preferences} = node.row.wishes ?? NO_WISHES;
    if (guest === undefined || guest.preferencesId === id) return;
    const message = {type: 'preferences', id, json: JSON.stringify(preferences)} as const;
    this.#context.emit({type: 'send', to: peerOf(node), message});
  }

  #takeBack(node: NodeState, {batchId, index, replicaNo}: Renewal, now: Now): void {
    const {nodeId} = node.row;
    const replica = this.#context.batches
      .get(batchId)
      ?.open.get(index)
      ?.replicas.find(one => one.nodeId === nodeId && one.replicaNo === replicaNo);
    if (replica) this.#liveness.take(replica, now);
  }

  /** Changes what is wished of one node; a null takes a key out. */
  prefer({nodeId, changes}: Extract<OperatorRequest, {kind: 'preferNode'}>): OperatorAnswer {
    const node = this.#context.roster.node(nodeId);
    if (!node || node.row.revokedAt > 0)
      return {ok: false, code: 'VOLLEY_UNKNOWN_NODE', fields: {node: nodeId}};
    const preferences = changedPreferences(node.row.wishes?.preferences ?? {}, changes);
    if (isFault(preferences))
      return {ok: false, code: 'VOLLEY_USAGE', fields: {reason: preferences.fault}};
    node.row = {...node.row, wishes: {id: this.#idOf(preferences), preferences}};
    this.#context.save(saveNode(node.row));
    this.#context.note('info', 'preferences of a node changed', {
      node: nodeId,
      preferences: JSON.stringify(preferences),
    });
    this.#context.announceNode(nodeId);
    return {ok: true, preferences};
  }

  #idOf(preferences: Preferences): number {
    const hash = this.#context.crypto.sha256(toUtf8(JSON.stringify(preferences)));
    const [a = 0, b = 0, c = 0, d = 0] = hash;
    return Math.max(1, ((a << 24) | (b << 16) | (c << 8) | d) >>> 0);
  }
}

const gistOf = (guest: Pull['guest']): string =>
  guest === undefined
    ? ''
    : `${guest.heldSlots} ${guest.cpuPercent} ${guest.draining} ${guest.reason.split(':')[0]}`;
