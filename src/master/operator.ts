// What the operator asks for. Everything is checked before anything changes: a request is done whole or
// refused whole, with the reason.

import {assertNever} from '../base/assert.ts';
import {toHex, toUtf8} from '../base/bytes.ts';
import type {ErrorCode, ErrorFields} from '../base/errors.ts';
import type {NodeId, Now} from '../base/types.ts';
import type {SpaceSeen} from '../core/free-space.ts';
import type {InputSource} from '../core/input-source.ts';
import type {BatchRequest, OperatorAnswer, OperatorRequest} from '../core/operator-request.ts';
import {type Actor, BY_RULE, type NumbersRow} from '../core/operator-rows.ts';
import type {Policy} from '../core/policy.ts';
import {type AppRow, encodeJson, put} from '../core/tables.ts';
import {fingerprintText} from '../wire/identity.ts';
import {
  ARGS_BYTES_MAX,
  ARGS_MAX,
  NAME_BYTES_MAX,
  TOKENS_MAX,
  WORKUNITS_PER_BATCH_MAX,
} from '../wire/limits.ts';
import type {BlobRef} from '../wire/message.ts';
import type {BatchDesk} from './batch-desk.ts';
import {nodesFor, whoIsMissing} from './broadcast.ts';
import type {Captures} from './capture.ts';
import type {MasterContext} from './context.ts';
import type {Enrolment} from './enrolment.ts';
import {type Wish, whatIsMissing} from './feasible.ts';
import {countOf} from './feeder.ts';
import type {Guests} from './guests.ts';
import {record} from './history.ts';
import {type NewBatches, newBatchOf} from './new-batches.ts';
import type {NodeDesk} from './node-desk.ts';
import {policyOf} from './policy.ts';
import type {Results} from './results.ts';
import {candidates} from './roster.ts';
import {planOf} from './stage-plan.ts';
import type {TransferDesk} from './transfer-desk.ts';

function sourceFault(source: InputSource, isBroadcast = false): string | undefined {
  if (source.kind === 'range') {
    const {start, end, chunk} = source;
    if (![start, end, chunk].every(Number.isSafeInteger))
      return 'start, end and chunk must be whole numbers below 2^53';
    if (start < 0 || chunk < 1) return 'start must be at least 0 and chunk at least 1';
    if (end <= start) return `the range is empty: end ${end} is not above start ${start}`;
  }
  const count = countOf(source);
  if (!Number.isInteger(count) || count < 1) return 'there is no input';
  if (isBroadcast && count > 1) return `a broadcast has one input for all its nodes, not ${count}`;
  if (count > WORKUNITS_PER_BATCH_MAX)
    return `${count} workunits are too many; at most ${WORKUNITS_PER_BATCH_MAX} in one batch`;
  return undefined;
}

const argsFault = (args: readonly string[]): string | undefined =>
  args.length > ARGS_MAX || toUtf8(args.join('')).length > ARGS_BYTES_MAX
    ? `at most ${ARGS_MAX} arguments of ${ARGS_BYTES_MAX} bytes together are allowed`
    : undefined;

type Refused = Extract<OperatorAnswer, {ok: false}>;

const refusal = (code: ErrorCode, fields: ErrorFields): Refused => ({
  ok: false,
  code,
  fields,
});

const noSpace = ({freeBytes, floorBytes}: SpaceSeen): ErrorFields => ({
  path: "the master's disk",
  free: freeBytes,
  floor: Math.ceil(floorBytes),
  what: 'nothing new is taken',
});

/** What brings something new to the disk. */
const TAKING: ReadonlySet<OperatorRequest['kind']> = new Set(['addApp', 'submitBatch', 'push']);

export class Operator {
  readonly #context: MasterContext;
  readonly #results: Results;
  readonly #captures: Captures;
  readonly #transfers: TransferDesk;
  readonly #enrolment: Enrolment;
  readonly #batches: BatchDesk;
  readonly #nodes: NodeDesk;
  readonly #guests: Guests;
  readonly #newBatches: NewBatches;

  constructor(parts: {
    context: MasterContext;
    results: Results;
    captures: Captures;
    transfers: TransferDesk;
    enrolment: Enrolment;
    guests: Guests;
    batches: BatchDesk;
    nodes: NodeDesk;
    newBatches: NewBatches;
  }) {
    this.#context = parts.context;
    this.#results = parts.results;
    this.#captures = parts.captures;
    this.#transfers = parts.transfers;
    this.#enrolment = parts.enrolment;
    this.#guests = parts.guests;
    this.#batches = parts.batches;
    this.#nodes = parts.nodes;
    this.#newBatches = parts.newBatches;
  }

  /** The highest numbers that were given out. */
  get numbers(): NumbersRow {
    return {batchId: this.#newBatches.lastId, reportNo: this.#results.nextReportNo - 1};
  }

  handle(
    request: Exclude<OperatorRequest, {kind: 'revokeNode' | 'pauseCluster'}>,
    now: Now,
    actor: Actor = BY_RULE,
  ): OperatorAnswer {
    const {space} = this.#context;
    if (space.isFull && TAKING.has(request.kind))
      return refusal('VOLLEY_NO_SPACE', noSpace(space.seen));
    switch (request.kind) {
      case 'addApp':
        return this.#addApp(request.app, request.body, now);
      case 'submitBatch':
        return this.#submit(request.batch, actor, now);
      case 'addToken':
        return this.#addToken(request, now);
      case 'revokeToken':
        return this.#revokeToken(request.tokenId, now);
      case 'approveNode':
        return this.#approve(request.nodeId, now);
      case 'denyNode':
        return this.#deny(request.nodeId, now);
      case 'preferNode':
        return this.#guests.prefer(request);
      case 'capture':
        return this.#captures.start(request.capture, now);
      case 'cancelCapture':
        return this.#captures.cancel(request.captureId, actor, now);
      case 'deleteCapture':
        return this.#captures.remove(request.captureId, request.force, now);
      case 'setAction':
        return this.#captures.actions.set(request.set, now);
      case 'push':
      case 'cancelTransfer':
        return this.#transfers.handle(request, now);
      case 'cancelBatch':
      case 'suspendBatch':
      case 'resumeBatch':
      case 'setPriority':
      case 'retryBatch':
      case 'deleteBatch':
        return this.#batches.handle(request, actor, this.numbers, now);
      case 'labelNode':
      case 'holdNode':
      case 'resumeNode':
      case 'releaseNode':
      case 'forgetNode':
        return this.#nodes.handle(request, actor, now);
      default:
        return assertNever(request);
    }
  }

  #addApp(app: AppRow, body: BlobRef | undefined, now: Now): OperatorAnswer {
    this.#context.apps.set(app.name, app);
    this.#context.save(put('app', app.name, encodeJson(app)));
    this.#context.save(put('release', app.appId, encodeJson(app)));
    this.#context.note('info', 'app published', {app: app.name, version: app.version});
    if (body) this.#transfers.bring('app', body, undefined, now);
    return {ok: true};
  }

  #submit(batch: BatchRequest, actor: Actor, now: Now): OperatorAnswer {
    const context = this.#context;
    const app = context.apps.get(batch.app);
    if (!app) return refusal('VOLLEY_UNKNOWN_APP', {app: batch.app});
    const policy = this.#policyFor(batch, app);
    if ('ok' in policy) return policy;
    const plan = planOf(batch, app, name => context.apps.get(name));
    if (typeof plan === 'string') return refusal('VOLLEY_BAD_POLICY', {reason: plan});
    const target = batch.target ? {target: batch.target} : {};
    const {runtime, action} = app;
    const wish = {runtime, action, policy, ...target};
    const nodes = policy.broadcast ? nodesFor(context, wish) : undefined;
    const warning = this.#whatIsMissing(wish, nodes);
    if (nodes?.length === 0) return refusal('VOLLEY_USAGE', {reason: `a broadcast ${warning}`});
    if (warning !== '' && batch.strict) return refusal('VOLLEY_TOO_FEW_NODES', {reason: warning});
    const suspended = context.probes.suspension(policy, app, now);
    const wanted = {...newBatchOf(batch, app, policy), ...(plan ? {plan} : {})};
    const extra = {...(nodes ? {nodes} : {}), ...(suspended ? {suspended} : {})};
    const added = this.#newBatches.add(wanted, this.#results.nextReportNo, now, extra);
    const copied = batch.clonedFrom === undefined ? '' : `, cloned from batch ${batch.clonedFrom}`;
    const {count} = added.row;
    const detail = `${count} workunit${count === 1 ? '' : 's'} of ${app.name}${copied}`;
    record(context, added, {actor, action: 'submitted', detail}, now);
    const told = suspended ? `is suspended: ${suspended.reason}` : warning;
    return {ok: true, batchId: added.row.id, ...(told === '' ? {} : {warning: told})};
  }

  /** The policy, or why it is refused. */
  #policyFor(batch: BatchRequest, app: AppRow): Policy | Refused {
    const fault =
      sourceFault(batch.input, batch.policy.broadcast) ??
      argsFault(batch.args) ??
      argsFault(batch.stages?.reduceArgs ?? []);
    if (fault !== undefined) return refusal('VOLLEY_BAD_INPUT', {reason: fault});
    const policy = policyOf(batch.policy, app, name => this.#context.apps.get(name));
    if (typeof policy === 'string') return refusal('VOLLEY_BAD_POLICY', {reason: policy});
    return toUtf8(batch.name).length > NAME_BYTES_MAX
      ? refusal('VOLLEY_USAGE', {reason: `a name has at most ${NAME_BYTES_MAX} bytes`})
      : policy;
  }

  /** @param nodes of a broadcast */
  #whatIsMissing(wish: Wish, nodes: readonly NodeId[] = []): string {
    const context = this.#context;
    return nodes.length > 0
      ? whoIsMissing(context, nodes, nodes.length)
      : whatIsMissing(wish, candidates(context));
  }

  #addToken(
    {tokenId, psk, uses, expiresAt}: Extract<OperatorRequest, {kind: 'addToken'}>,
    now: Now,
  ): OperatorAnswer {
    const row = {
      tokenId,
      psk: toHex(psk),
      uses,
      usesLeft: uses,
      createdAt: now.wall,
      expiresAt,
      revokedAt: 0,
    };
    const ops = this.#context.roster.tokens.add(row, now.wall);
    if (!ops)
      return refusal('VOLLEY_USAGE', {
        reason: `there are ${TOKENS_MAX} join tokens that still let nodes in; end some of them with \`volley nodes token revoke\``,
      });
    for (const op of ops) this.#context.save(op);
    return {ok: true};
  }

  #revokeToken(tokenId: number, now: Now): OperatorAnswer {
    const ops = this.#context.roster.tokens.revoke(tokenId, now.wall);
    if (!ops) return refusal('VOLLEY_UNKNOWN_TOKEN', {token: tokenId});
    for (const op of ops) this.#context.save(op);
    this.#context.note('info', 'join token revoked', {token: tokenId});
    return {ok: true};
  }

  #approve(nodeId: NodeId | undefined, now: Now): OperatorAnswer {
    const {pending} = this.#enrolment;
    const wanted = nodeId === undefined ? pending.view(now).map(asking => asking.nodeId) : [nodeId];
    const nodes = wanted.filter(each => this.#enrolment.approve(each, now));
    if (nodeId !== undefined && nodes.length === 0)
      return refusal('VOLLEY_NOT_PENDING', {fingerprint: fingerprintText(nodeId)});
    return {ok: true, nodes};
  }

  #deny(nodeId: NodeId, now: Now): OperatorAnswer {
    if (!this.#enrolment.pending.deny(nodeId, now))
      return refusal('VOLLEY_NOT_PENDING', {fingerprint: fingerprintText(nodeId)});
    this.#context.note('info', 'node denied', {node: nodeId});
    return {ok: true};
  }
}
