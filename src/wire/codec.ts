// Bytes ⇄ plain values. The modules codec*.ts are the only ones that see the generated protobuf code;
// codec-hello.ts, codec-work.ts and codec-command.ts hold the larger messages, codec-check.ts the rules of decoding.
//
// Decoding is total: any bytes give a value or the name of a fault, never an exception. What comes out
// owns its bytes. Encoding trusts its caller with counts and lengths (limits.ts; the datagram is checked
// when it is sealed), except text for people, which is clipped to fit.

import {assertNever} from '../base/assert.ts';
import {EMPTY} from '../base/bytes.ts';
import {asWallMs} from '../base/types.ts';
import {
  offerProperties,
  orderProperties,
  readOffer,
  readOrder,
  readTransferReport,
  transferReportProperties,
} from './codec-bulk.ts';
import {
  atMost,
  blobIdOf,
  type DecodeFault,
  decoded,
  decodedOrNothing,
  exactly,
  finite,
  malformed,
  present,
  text,
  whole,
  within,
} from './codec-check.ts';
import {
  ackProperties,
  actionProperties,
  commandProperties,
  readAck,
  readAction,
  readCommand,
  readShot,
  readTrust,
  shotProperties,
  trustProperties,
} from './codec-command.ts';
import {helloProperties, readHello, readWelcome, SIGNED_TRUST_BYTES_MAX} from './codec-hello.ts';
import {clipped, idBytes, wellFormed} from './codec-text.ts';
import {
  assignProperties,
  pullProperties,
  readAssign,
  readPull,
  readResults,
  resultProperties,
} from './codec-work.ts';
import {volley} from './generated/volley.js';
import {
  COLLECT_BLOBS_MAX,
  DATAGRAM_BYTES_MAX,
  NAME_BYTES_MAX,
  PLAINTEXT_BYTES_MAX,
  PREFERENCES_BYTES_MAX,
  REASON_BYTES_MAX,
} from './limits.ts';
import type {
  AckStatement,
  Command,
  Message,
  ResultItem,
  ShotStatement,
  TrustDocument,
} from './message.ts';

/** The trust document and its signature as they travel; trust.ts makes and checks them. */
export type SignedTrust = {
  readonly document: Uint8Array;
  readonly signature: Uint8Array;
  /** The root before, where this document names another: its key and its signature. */
  readonly previous?: {readonly rootKey: Uint8Array; readonly signature: Uint8Array};
};
/** What a beacon frame carries: a SignedTrust, encoded, and the master's unicast port. */
export type Beacon = {readonly trust: Uint8Array; readonly port: number};

type Writer = {finish(shared?: boolean): Uint8Array};

/** A copy that is a plain Uint8Array: protobufjs would hand out a Buffer from Node's shared pool. */
const finished = (writer: Writer): Uint8Array => new Uint8Array(writer.finish(true));

/** The plaintext of a data frame. */
export const encodeMessage = (message: Message): Uint8Array =>
  finished(volley.Envelope.encode(envelopeOf(message)));

function envelopeOf(message: Message): volley.Envelope.$Properties {
  switch (message.type) {
    case 'hello':
      return {hello: helloProperties(message)};
    case 'welcome':
      return {welcome: {...message, labels: message.labels.map(wellFormed)}};
    case 'refusal':
      return {refusal: {reason: clipped(message.reason, REASON_BYTES_MAX)}};
    case 'pull':
      return {pull: pullProperties(message)};
    case 'assign':
      return {assign: assignProperties(message)};
    case 'report':
      return {report: message};
    case 'groupKey':
      return {groupKey: message};
    case 'receipt':
      return {receipt: message};
    case 'commandCopy':
      return {commandCopy: message};
    case 'commandAck':
      return {commandAck: message};
    case 'timeProbe':
      return {timeProbe: message};
    case 'timeReply':
      return {timeReply: message};
    case 'shotReport':
      return {shotReport: message};
    case 'collect':
      return {collect: {blobs: message.blobIds.map(id => idBytes(id, 32))}};
    case 'trustUpdate':
      return {trustUpdate: message};
    case 'preferences':
      return {preferences: message};
    case 'actionState':
      return {actionState: actionProperties(message)};
    case 'actionHeard':
      return {actionHeard: message};
    case 'transferOffer':
      return {transferOffer: offerProperties(message)};
    case 'transferReport':
      return {transferReport: transferReportProperties(message)};
    case 'transferOrder':
      return {transferOrder: orderProperties(message)};
    default:
      return assertNever(message);
  }
}

/** The message in an opened data frame. */
export const decodeMessage = (bytes: Uint8Array): Message | DecodeFault =>
  decoded(bytes, readMessage);

function readMessage(bytes: Uint8Array): Message {
  const envelope: volley.Envelope.$Properties = volley.Envelope.decode(bytes);
  switch (envelope.body) {
    case 'hello':
      return readHello(present(envelope.hello));
    case 'welcome':
      return readWelcome(present(envelope.welcome));
    case 'refusal':
      return {
        type: 'refusal',
        reason: text(present(envelope.refusal).reason ?? '', REASON_BYTES_MAX),
      };
    case 'pull':
      return readPull(present(envelope.pull));
    case 'assign':
      return readAssign(present(envelope.assign));
    case 'report':
      return {type: 'report', ...readSigned(present(envelope.report))};
    case 'receipt':
      return readReceipt(present(envelope.receipt));
    case 'shotReport':
      return {type: 'shotReport', ...readSigned(present(envelope.shotReport))};
    case 'actionState':
      return readAction(present(envelope.actionState));
    case 'transferOffer':
      return {type: 'transferOffer', ...readOffer(present(envelope.transferOffer))};
    case 'transferReport':
      return readTransferReport(present(envelope.transferReport));
    case 'transferOrder':
      return readOrder(present(envelope.transferOrder));
    case 'commandCopy':
    case 'commandAck':
    case 'groupKey':
    case 'timeProbe':
    case 'timeReply':
    case 'collect':
    case 'trustUpdate':
    case 'preferences':
    case 'actionHeard':
      return readSmall(envelope, envelope.body);
    case undefined:
      return malformed();
    default:
      return assertNever(envelope.body);
  }
}

type Small =
  | 'commandCopy'
  | 'commandAck'
  | 'groupKey'
  | 'timeProbe'
  | 'timeReply'
  | 'collect'
  | 'trustUpdate'
  | 'preferences'
  | 'actionHeard';

function readSmall(envelope: volley.Envelope.$Properties, body: Small): Message {
  switch (body) {
    case 'commandCopy': {
      const copy = present(envelope.commandCopy);
      return {type: 'commandCopy', datagram: atMost(copy.datagram, DATAGRAM_BYTES_MAX)};
    }
    case 'commandAck': {
      const ack = present(envelope.commandAck);
      return {
        type: 'commandAck',
        body: atMost(ack.body, PLAINTEXT_BYTES_MAX),
        signature: exactly(ack.signature, 64),
      };
    }
    case 'groupKey': {
      const {groupKey, groupKeyId} = present(envelope.groupKey);
      return {
        type: 'groupKey',
        groupKey: exactly(groupKey, 32),
        groupKeyId: within(groupKeyId ?? 0, 255),
      };
    }
    case 'timeProbe':
      return {type: 'timeProbe', nonce: present(envelope.timeProbe).nonce ?? 0};
    case 'timeReply': {
      const reply = present(envelope.timeReply);
      return {
        type: 'timeReply',
        nonce: reply.nonce ?? 0,
        receivedWallMs: asWallMs(finite(reply.receivedWallMs ?? 0)),
        sentWallMs: asWallMs(finite(reply.sentWallMs ?? 0)),
      };
    }
    case 'collect': {
      const blobs = present(envelope.collect).blobs ?? [];
      within(blobs.length, COLLECT_BLOBS_MAX);
      return {type: 'collect', blobIds: blobs.map(blobIdOf)};
    }
    case 'trustUpdate': {
      const {trust} = present(envelope.trustUpdate);
      return {type: 'trustUpdate', trust: atMost(trust, SIGNED_TRUST_BYTES_MAX)};
    }
    case 'preferences': {
      const {id, json} = present(envelope.preferences);
      return {type: 'preferences', id: id ?? 0, json: text(json ?? '', PREFERENCES_BYTES_MAX)};
    }
    case 'actionHeard': {
      const {action, serial} = present(envelope.actionHeard);
      return {
        type: 'actionHeard',
        action: text(action ?? '', NAME_BYTES_MAX),
        serial: serial ?? 0,
      };
    }
    default:
      return assertNever(body);
  }
}

type Signed = {
  readonly nonce?: number | null;
  readonly body?: Uint8Array | null;
  readonly signature?: Uint8Array | null;
};

const readSigned = (signed: Signed) => ({
  nonce: signed.nonce ?? 0,
  body: atMost(signed.body, PLAINTEXT_BYTES_MAX),
  signature: exactly(signed.signature, 64),
});

function readReceipt(receipt: volley.Receipt.$Properties): Message {
  return {
    type: 'receipt',
    nonce: receipt.nonce ?? 0,
    journalNo: whole(receipt.journalNo ?? 0),
    signature: exactly(receipt.signature, 64),
  };
}

/** The body of a Report: the exact bytes that the node signs. At most 64 results. */
export const encodeResults = (results: readonly ResultItem[]): Uint8Array =>
  finished(volley.ResultList.encode({results: results.map(resultProperties)}));

/** The results in the body of a Report; undefined when any of them is not as it should be. */
export const decodeResults = (body: Uint8Array): readonly ResultItem[] | undefined =>
  decodedOrNothing(body, readResults);

/** The plaintext of a command frame, before its signature. */
export const encodeCommand = (command: Command): Uint8Array =>
  finished(volley.Command.encode(commandProperties(command)));

export const decodeCommand = (bytes: Uint8Array): Command | DecodeFault =>
  decoded(bytes, body => readCommand(volley.Command.decode(body)));

/** The body of a CommandAck: the exact bytes that the node signs. */
export const encodeAck = (ack: AckStatement): Uint8Array =>
  finished(volley.AckStatement.encode(ackProperties(ack)));

export const decodeAck = (body: Uint8Array): AckStatement | undefined =>
  decodedOrNothing(body, bytes => readAck(volley.AckStatement.decode(bytes)));

/** The body of a ShotReport: the exact bytes that the node signs. */
export const encodeShot = (shot: ShotStatement): Uint8Array =>
  finished(volley.ShotStatement.encode(shotProperties(shot)));

export const decodeShot = (body: Uint8Array): ShotStatement | undefined =>
  decodedOrNothing(body, bytes => readShot(volley.ShotStatement.decode(bytes)));

/** The document of a SignedTrust: the exact bytes that the root signs. */
export const encodeTrust = (document: TrustDocument): Uint8Array =>
  finished(volley.TrustDocument.encode(trustProperties(document)));

export const decodeTrust = (bytes: Uint8Array): TrustDocument | undefined =>
  decodedOrNothing(bytes, body => readTrust(volley.TrustDocument.decode(body)));

export const encodeSignedTrust = (signed: SignedTrust): Uint8Array =>
  finished(
    volley.SignedTrust.encode({
      document: signed.document,
      signature: signed.signature,
      ...(signed.previous === undefined
        ? {}
        : {
            previousSignature: signed.previous.signature,
            previousRootKey: signed.previous.rootKey,
          }),
    }),
  );

export const decodeSignedTrust = (bytes: Uint8Array): SignedTrust | undefined =>
  decodedOrNothing(bytes, body => {
    const signed: volley.SignedTrust.$Properties = volley.SignedTrust.decode(body);
    const {previousSignature = EMPTY, previousRootKey = EMPTY} = signed;
    const isAlone = previousSignature?.length === 0 && previousRootKey?.length === 0;
    return {
      document: atMost(signed.document, SIGNED_TRUST_BYTES_MAX),
      signature: exactly(signed.signature, 64),
      ...(isAlone
        ? {}
        : {
            previous: {
              rootKey: exactly(previousRootKey, 32),
              signature: exactly(previousSignature, 64),
            },
          }),
    };
  });

/** The beacon without its frame header. */
export const encodeBeacon = (beacon: Beacon): Uint8Array => finished(volley.Beacon.encode(beacon));

export const decodeBeacon = (bytes: Uint8Array): Beacon | undefined =>
  decodedOrNothing(bytes, body => {
    const beacon = volley.Beacon.decode(body);
    const port = within(beacon.port ?? 0, 65_535);
    return {trust: atMost(beacon.trust, SIGNED_TRUST_BYTES_MAX), port: port || malformed()};
  });
