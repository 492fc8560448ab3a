// What the routes of the operator interface share, and the words of their descriptions.

import type {BlobId} from '../base/types.ts';
import type {Role} from '../core/access.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {AccessBook, Speaker} from './access-book.ts';
import type {Blobs} from './blobs.ts';
import type {EventHub} from './events.ts';
import type {MasterHandle} from './handle.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The least that a token must be for this route. A route that does not say is not registered. */
    role: Role;
    /** One line for the list that GET /v1 answers. */
    summary: string;
    /** The body is a stream: it may be long and take long. */
    stream?: boolean;
    /** The body comes from a file, so it has no reason to stand still. */
    paced?: boolean;
  }
  interface FastifyRequest {
    /** Whose token it showed; null before the guard. */
    speaker: Speaker | null;
  }
}

/** Where the inputs of a batch are, as InputSource wants them. */
export type IndexedInputs = {
  readonly blobId: BlobId;
  readonly indexBlobId: BlobId;
  readonly count: number;
};

/** What each line of `lines` inputs must be: one JSON value, or any UTF-8 text. */
export type LineForm = 'json' | 'text';
export const LINE_FORMS: readonly LineForm[] = ['json', 'text'];

/** `files` inputs: each workunit's input is one blob. */
export type NamedBlob = {readonly name: string; readonly blob: BlobId; readonly size: number};

export type RouteContext = {
  readonly handle: MasterHandle;
  readonly blobs: Blobs;
  readonly crypto: Crypto;
  /** Who may sign apps. */
  readonly appKeys: readonly Uint8Array[];
  /** Stores lines and their index; throws VOLLEY_BAD_INPUT naming the line. */
  readonly indexLines: (lines: AsyncIterable<Uint8Array>, form: LineForm) => Promise<IndexedInputs>;
  readonly indexFiles: (files: readonly NamedBlob[]) => Promise<IndexedInputs>;
  /** A blob comes in, of so many bytes as far as that is known. */
  readonly onUpload?: (size: number) => void;
  readonly hub: EventHub;
  readonly access: AccessBook;
  /** Ends the connections of a token. */
  readonly cut: (name: string) => void;
  /** Wall clock, ms. */
  readonly wallNow: () => number;
};
