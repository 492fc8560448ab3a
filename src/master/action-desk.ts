// The actions of all nodes, as their nodes tell of them, and one command that sets an action on many.

import {keepNewest} from '../base/newest.ts';
import type {NodeId, Now} from '../base/types.ts';
import {faultOfSettings, parseSettings} from '../core/action-settings.ts';
import type {OperatorAnswer, SetActionRequest} from '../core/operator-request.ts';
import type {ActionView} from '../core/views.ts';
import {ACTIONS_MAX} from '../wire/limits.ts';
import type {ActionState} from '../wire/message.ts';
import {bytesOf, COMMAND_ROOM_BYTES} from './command-room.ts';
import type {Commands} from './commands.ts';
import type {MasterContext} from './context.ts';
import {type NodeState, peerOf} from './roster.ts';
import {windowOf} from './windows.ts';

export class ActionDesk {
  readonly #context: MasterContext;
  readonly #commands: Commands;

  constructor(context: MasterContext, commands: Commands) {
    this.#context = context;
    this.#commands = commands;
  }

  /** Of a life of the node the highest serial counts; it begins anew with each. */
  onState(node: NodeState, state: ActionState): void {
    const {action, serial} = state;
    const message = {type: 'actionHeard', action, serial} as const;
    this.#context.emit({type: 'send', to: peerOf(node), message});
    const boot = node.boots[0]?.bootId ?? '';
    const before = node.actions.get(action);
    if (before?.boot === boot && before.view.serial >= serial) return;
    node.actions.set(action, {boot, view: viewOf(state)});
    keepNewest(node.actions, ACTIONS_MAX);
    this.#context.announceNode(node.row.nodeId);
  }

  /** One command to all that are meant; each tells of it in its next word of the action. */
  set(request: SetActionRequest, now: Now): OperatorAnswer {
    const {action, settings, target} = request;
    const nodes: NodeId[] = [];
    for (const node of this.#context.roster.targeted(target))
      if (node.up && node.row.actions.includes(action)) nodes.push(node.row.nodeId);
    const refuse = (reason: string): OperatorAnswer => ({
      ok: false,
      code: 'VOLLEY_USAGE',
      fields: {reason},
    });
    if (nodes.length === 0) {
      const reason = `no node that is up and meant allows the action "${action}"`;
      return {ok: false, code: 'VOLLEY_NO_NODES', fields: {reason}};
    }
    const fault = faultOfSettings(settings);
    if (fault !== undefined) return refuse(fault);
    const json = JSON.stringify(settings);
    if (bytesOf([action, json], target) > COMMAND_ROOM_BYTES)
      return refuse(`labels, ids and settings together exceed ${COMMAND_ROOM_BYTES} bytes`);
    const id = Math.max(1, this.#context.prng.uint32());
    this.#commands.issue({kind: 'setAction', action, settings: json, id}, now, {
      target,
      ackWindowMs: windowOf(nodes.length),
    });
    this.#context.note('info', 'action set', {action, settings: json});
    return {ok: true, settingsId: id, nodes};
  }
}

const viewOf = (state: ActionState): ActionView => ({
  action: state.action,
  serial: state.serial,
  phase: state.phase,
  error: state.error,
  model: state.model,
  warmUpMs: state.warmUpMs,
  sensorPeriodMs: state.sensorPeriodMs,
  settings: parseSettings(state.settings) ?? {},
  settingsId: state.settingsId,
  refusal: state.refusal,
});
