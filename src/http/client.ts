// The operator interface from the other side: one typed method for each route of http/routes. The CLI,
// the monitor and other people's programs use it; it needs nothing but the master's URL and the token.
//
//   const client = new OperatorClient({url: 'http://127.0.0.1:6271', token});
//   const {batchId} = await client.submit({name: 'primes', app: 'primes', args: [], input, policy: {}});
//   for await (const event of client.events({batchId})) …
//   for await (const result of client.results(batchId)) …
//
// Whatever the master refuses is thrown under the master's own code; a master that is not there, or is
// lost in the middle, is VOLLEY_MASTER_UNREACHABLE.

import {VolleyError} from '../base/errors.ts';
import type {BatchId, BlobId, CaptureId, NodeId} from '../base/types.ts';
import type {AccessView, Role} from '../core/access.ts';
import type {BatchRequest, CaptureRequest, SetActionRequest} from '../core/operator-request.ts';
import type {HistoryRow} from '../core/operator-rows.ts';
import type {Preferences} from '../core/preferences.ts';
import type {AppRow} from '../core/tables.ts';
import type {
  AppVersionView,
  BatchView,
  CaptureView,
  DoubtsView,
  NodeView,
  PendingView,
  ResultView,
  StatusView,
  TokenView,
  TransferView,
} from '../core/views.ts';
import type {NewAccess} from './access-book.ts';
import {saveBlob} from './blob-file.ts';
import type {StoredBlob} from './blobs.ts';
import {eventsOf, linesOf} from './client-streams.ts';
import type {Ask, TransportOptions} from './client-transport.ts';
import {errorOfJson, Transport} from './client-transport.ts';
import {
  type JoinToken,
  type PushOrder,
  type RecordAnswer,
  type ResultsFilter,
  WATCHED,
  type WatchEvent,
} from './client-types.ts';
import type {IndexedInputs, LineForm, NamedBlob} from './context.ts';
import type {EventFilter} from './events.ts';

export class OperatorClient {
  readonly #transport: Transport;

  constructor(options: TransportOptions) {
    this.#transport = new Transport(options);
  }

  status(): Promise<StatusView> {
    return this.#get('/v1/status');
  }

  /** OpenAPI description of the interface. */
  describe(): Promise<object> {
    return this.#get('/v1');
  }

  async nodes(): Promise<readonly NodeView[]> {
    return (await this.#get<{nodes: NodeView[]}>('/v1/nodes')).nodes;
  }

  async apps(): Promise<readonly AppRow[]> {
    return (await this.#get<{apps: AppRow[]}>('/v1/apps')).apps;
  }

  /** The oldest first. */
  async versions(name: string): Promise<readonly AppVersionView[]> {
    const path = `/v1/apps/${encodeURIComponent(name)}/versions`;
    return (await this.#get<{versions: AppVersionView[]}>(path)).versions;
  }

  /** `appId` = blob id of the signed manifest; it and the module are uploaded before. */
  publish(appId: BlobId): Promise<AppRow> {
    return this.#post('/v1/apps', {appId});
  }

  token(uses: number, hours: number): Promise<JoinToken> {
    return this.#post('/v1/tokens', {uses, hours});
  }

  async tokens(): Promise<readonly TokenView[]> {
    return (await this.#get<{tokens: TokenView[]}>('/v1/tokens')).tokens;
  }

  revokeToken(tokenId: number): Promise<TokenView> {
    return this.#post(`/v1/tokens/${tokenId}/revoke`);
  }

  /** Nodes that ask to be let in. */
  async pending(): Promise<readonly PendingView[]> {
    return (await this.#get<{nodes: PendingView[]}>('/v1/pending')).nodes;
  }

  /** Who was let in; without a fingerprint all that ask. */
  async approve(fingerprint?: string): Promise<readonly NodeId[]> {
    const body = fingerprint === undefined ? {} : {fingerprint};
    return (await this.#post<{nodes: NodeId[]}>('/v1/pending/approve', body)).nodes;
  }

  async deny(fingerprint: string): Promise<void> {
    await this.#post('/v1/pending/deny', {fingerprint});
  }

  /** `doubts`: canonical results that rest on it alone; -1 = they are being listed. */
  revoke(nodeId: NodeId): Promise<{readonly nodeId: NodeId; readonly doubts: number}> {
    return this.#post(`/v1/nodes/${nodeId}/revoke`);
  }

  /** `changes`: keys of preferences; null takes one out. What is wished of the node then. */
  async prefer(nodeId: NodeId, changes: Readonly<Record<string, unknown>>): Promise<Preferences> {
    const path = `/v1/nodes/${nodeId}/preferences`;
    return (await this.#post<{preferences: Preferences}>(path, changes)).preferences;
  }

  doubts(nodeId: NodeId): Promise<DoubtsView> {
    return this.#get(`/v1/nodes/${nodeId}/doubts`);
  }

  /** Labels beside the node's own. */
  labelNode(
    nodeId: NodeId,
    add: readonly string[],
    remove: readonly string[] = [],
  ): Promise<NodeView> {
    return this.#post(`/v1/nodes/${nodeId}/label`, {add, remove});
  }

  holdNode(
    nodeId: NodeId,
    how: 'suspend' | 'drain' | 'quarantine',
    reason = '',
  ): Promise<NodeView> {
    return this.#post(`/v1/nodes/${nodeId}/${how}`, {reason});
  }

  /** Ends a suspension or a draining. */
  resumeNode(nodeId: NodeId): Promise<NodeView> {
    return this.#post(`/v1/nodes/${nodeId}/resume`);
  }

  /** Ends a quarantine. */
  releaseNode(nodeId: NodeId): Promise<NodeView> {
    return this.#post(`/v1/nodes/${nodeId}/release`);
  }

  async forgetNode(nodeId: NodeId): Promise<void> {
    await this.#post(`/v1/nodes/${nodeId}/forget`);
  }

  /** All nodes stop computing. */
  suspend(reason = ''): Promise<StatusView> {
    return this.#post('/v1/suspend', {reason});
  }

  resume(reason = ''): Promise<StatusView> {
    return this.#post('/v1/resume', {reason});
  }

  async access(): Promise<readonly AccessView[]> {
    return (await this.#get<{access: AccessView[]}>('/v1/access')).access;
  }

  addAccess(role: Role, name: string): Promise<NewAccess> {
    return this.#post('/v1/access', {role, name});
  }

  revokeAccess(name: string): Promise<AccessView> {
    return this.#post(`/v1/access/${encodeURIComponent(name)}/revoke`);
  }

  /** `warning`: what it waits for. */
  submit(batch: BatchRequest): Promise<{readonly batchId: BatchId; readonly warning?: string}> {
    return this.#post('/v1/batches', batch);
  }

  async batches(): Promise<readonly BatchView[]> {
    return (await this.#get<{batches: BatchView[]}>('/v1/batches')).batches;
  }

  batch(batchId: BatchId): Promise<BatchView> {
    return this.#get(`/v1/batches/${batchId}`);
  }

  cancel(batchId: BatchId): Promise<BatchView> {
    return this.#post(`/v1/batches/${batchId}/cancel`);
  }

  /** No new replicas; those that are out may end. */
  suspendBatch(batchId: BatchId, reason = ''): Promise<BatchView> {
    return this.#post(`/v1/batches/${batchId}/suspend`, {reason});
  }

  resumeBatch(batchId: BatchId): Promise<BatchView> {
    return this.#post(`/v1/batches/${batchId}/resume`);
  }

  setPriority(batchId: BatchId, priority: number): Promise<BatchView> {
    return this.#post(`/v1/batches/${batchId}/priority`, {priority});
  }

  /** Failed workunits begin anew. */
  retryBatch(batchId: BatchId): Promise<BatchView> {
    return this.#post(`/v1/batches/${batchId}/retry`);
  }

  /** `force` = also one that is running. */
  async deleteBatch(batchId: BatchId, force = false): Promise<void> {
    await this.#post(`/v1/batches/${batchId}/delete`, {force});
  }

  async history(batchId: BatchId): Promise<readonly HistoryRow[]> {
    return (await this.#get<{history: HistoryRow[]}>(`/v1/batches/${batchId}/history`)).history;
  }

  /** In the order of the indexes unless they are followed in another; read as it is taken. */
  async *results(
    batchId: BatchId,
    filter: ResultsFilter = {},
    signal?: AbortSignal,
  ): AsyncGenerator<ResultView, void, undefined> {
    const path = `/v1/batches/${batchId}/results${queryOf(filter)}`;
    const answer = await this.#transport.open({method: 'GET', path, signal});
    try {
      for await (const line of linesOf(answer)) {
        const value = JSON.parse(line) as ResultView | {error: object};
        if ('error' in value) throw errorOfJson(value, 500);
        yield value;
      }
    } catch (error) {
      throw signal?.aborted ? error : this.#transport.unreachable(error);
    }
  }

  capture(capture: CaptureRequest): Promise<{readonly captureId: CaptureId}> {
    return this.#post('/v1/captures', capture);
  }

  /** What came of it is in `nodes()`: actionStates with this settingsId. */
  setAction({action, ...body}: SetActionRequest): Promise<{
    readonly settingsId: number;
    readonly nodes: readonly NodeId[];
  }> {
    return this.#post(`/v1/actions/${encodeURIComponent(action)}/settings`, body);
  }

  async captures(): Promise<readonly CaptureView[]> {
    return (await this.#get<{captures: CaptureView[]}>('/v1/captures')).captures;
  }

  captureOf(captureId: CaptureId): Promise<CaptureView> {
    return this.#get(`/v1/captures/${captureId}`);
  }

  /** What is not under way yet does not fire. */
  cancelCapture(captureId: CaptureId): Promise<CaptureView> {
    return this.#post(`/v1/captures/${captureId}/cancel`);
  }

  /** `force` = also one that is running. */
  async deleteCapture(captureId: CaptureId, force = false): Promise<void> {
    await this.#post(`/v1/captures/${captureId}/delete`, {force});
  }

  /** The same of one moment as the master signs it; base64. */
  recordOf(captureId: CaptureId): Promise<RecordAnswer> {
    return this.#get(`/v1/captures/${captureId}/record`);
  }

  push(order: PushOrder): Promise<TransferView> {
    return this.#post('/v1/transfers', order);
  }

  /** The newest first. */
  async transfers(): Promise<readonly TransferView[]> {
    return (await this.#get<{transfers: TransferView[]}>('/v1/transfers')).transfers;
  }

  transferOf(transferId: number): Promise<TransferView> {
    return this.#get(`/v1/transfers/${transferId}`);
  }

  cancelTransfer(transferId: number): Promise<TransferView> {
    return this.#post(`/v1/transfers/${transferId}/cancel`);
  }

  /** Sends bytes; of a known blob only when the master does not have it. */
  async putBlob(source: AsyncIterable<Uint8Array>, known?: StoredBlob): Promise<StoredBlob> {
    const stream = {type: 'application/octet-stream', source};
    if (known === undefined)
      return this.#transport.json({method: 'POST', path: '/v1/blobs', stream});
    const {blobId, size} = known;
    if ((await this.blobSize(blobId)) === size) return known;
    return this.#transport.json({
      method: 'PUT',
      path: `/v1/blobs/${blobId}?size=${size}`,
      stream,
    });
  }

  /** undefined when the master does not have it. */
  async blobSize(blobId: BlobId): Promise<number | undefined> {
    try {
      const answer = await this.#transport.open({method: 'HEAD', path: `/v1/blobs/${blobId}`});
      answer.resume();
      return Number(answer.headers['content-length']);
    } catch (error) {
      // An answer to HEAD has no body that could say more than 404.
      if (error instanceof VolleyError && error.code === 'VOLLEY_USAGE') return undefined;
      throw error;
    }
  }

  /** Bytes of a blob from `offset` on, unchecked. */
  async *readBlob(
    blobId: BlobId,
    offset = 0,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const headers: Record<string, string> = offset === 0 ? {} : {range: `bytes=${offset}-`};
    const path = `/v1/blobs/${blobId}`;
    const answer = await this.#transport.open({method: 'GET', path, headers, signal});
    try {
      yield* answer as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw signal?.aborted ? error : this.#transport.unreachable(error);
    }
  }

  /** Writes a blob to a file, checked; goes on where an earlier try was cut. Answers the size. */
  async getBlob(blobId: BlobId, path: string, signal?: AbortSignal): Promise<number> {
    return saveBlob(blobId, path, async offset => {
      if (offset > 0 && offset >= ((await this.blobSize(blobId)) ?? 0)) return undefined;
      return this.readBlob(blobId, offset, signal);
    });
  }

  /** NDJSON, or lines of any text, as inputs of a batch. */
  lines(source: AsyncIterable<Uint8Array>, form: LineForm = 'json'): Promise<IndexedInputs> {
    const stream = {type: 'application/x-ndjson', source};
    const path = form === 'json' ? '/v1/lines' : `/v1/lines?form=${form}`;
    return this.#transport.json({method: 'POST', path, stream});
  }

  /** Blobs that the master has as inputs of a batch. */
  files(files: readonly NamedBlob[]): Promise<IndexedInputs> {
    return this.#post('/v1/files', {files});
  }

  /** States as they change, until `signal`; a named batch or capture begins with its present one. */
  async *events(
    filter: EventFilter = {},
    signal?: AbortSignal,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    const query = queryOf({
      batch: filter.batchId,
      capture: filter.captureId,
      transfer: filter.transferId,
    });
    try {
      const answer = await this.#transport.open({
        method: 'GET',
        path: `/v1/events${query}`,
        signal,
      });
      for await (const {event, data} of eventsOf(answer)) {
        if (WATCHED.has(event)) yield {kind: event, [event]: JSON.parse(data)} as WatchEvent;
      }
    } catch (error) {
      if (signal?.aborted) return;
      throw this.#transport.unreachable(error);
    }
    if (!signal?.aborted) throw this.#transport.unreachable(new Error('the master ended'));
  }

  /** Closes idle connections; streams that are read go on. */
  close(): void {
    this.#transport.close();
  }

  #get<T>(path: string): Promise<T> {
    return this.#transport.json({method: 'GET', path});
  }

  #post<T>(path: string, json?: unknown): Promise<T> {
    const ask: Ask = {method: 'POST', path};
    return this.#transport.json(json === undefined ? ask : {...ask, json});
  }
}

function queryOf(fields: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const text = given.map(([name, value]) => `${name}=${value}`).join('&');
  return text === '' ? '' : `?${text}`;
}
