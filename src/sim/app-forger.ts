// Somebody who wants other code to run than the operator's. In the cables of nodes it puts other bytes in the place of
// apps; on the wire it says older trust documents, and some of its own; and it has the master's keys and store,
// so that it publishes what it likes and welcomes nodes with any document. What it lacks is the vault.

import {concat, toUtf8} from '../base/bytes.ts';
import type {Prng} from '../base/prng.ts';
import {asAddress, type BlobId} from '../base/types.ts';
import {encodeManifest, signApp, splitSignedApp} from '../core/app.ts';
import type {BatchRequest} from '../core/operator-request.ts';
import {
  decodeSignedTrust,
  decodeTrust,
  encodeBeacon,
  encodeSignedTrust,
  encodeTrust,
} from '../wire/codec.ts';
import type {KeyPair} from '../wire/crypto.ts';
import type {TrustDocument} from '../wire/message.ts';
import {FRAME} from '../wire/session.ts';
import {signTrust} from '../wire/trust.ts';
import {between, exponential} from './dice.ts';
import type {Fabric} from './fabric.ts';
import type {KeyPlan} from './key-plan.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';
import {type Bundle, idOf, manifestOf, rowOf, type SimVault} from './sim-vault.ts';
import {EVENT} from './timeline.ts';

export type ForgerParts = {
  readonly plan: KeyPlan;
  readonly dice: Prng;
  readonly fabric: Fabric;
  readonly master: SimMaster;
  readonly vault: SimVault;
  readonly nodes: readonly SimNode[];
  /** Work that may be done, by nodes that have not heard yet that its key was dropped. */
  readonly onSubmit: (batch: BatchRequest) => void;
};

/** Not of the strangers' street: what nodes answer goes nowhere, and nobody keeps an account of it. */
const AT = asAddress('10.88.0.1:4444');
/** Batches of an app that no node may run. */
const BATCHES_MAX = 3;
const MODULE = toUtf8('other code');
/** Few errors and replicas: such a batch shall fail soon. */
const POLICY = {
  minQuorum: 1,
  targetReplicas: 1,
  maxErrorReplicas: 3,
  maxTotalReplicas: 6,
  leaseSeconds: 3,
  timeLimitSeconds: 2,
};

export class AppForger {
  readonly #parts: ForgerParts;
  readonly #own: KeyPair;
  #over = false;
  #batches = 0;
  /** How often bytes, documents and batches were put in place of others. */
  readonly done = {blobs: 0, documents: 0, batches: 0};

  constructor(parts: ForgerParts) {
    this.#parts = parts;
    this.#own = parts.fabric.crypto.ed25519KeyPair();
    const {fabric, dice, plan} = parts;
    fabric.swap = blobId =>
      !this.#over && plan.tamper > 0 && dice.chance(plan.tamper)
        ? this.#swapped(blobId)
        : undefined;
  }

  start(): void {
    const {plan, dice, fabric} = this.#parts;
    if (plan.forgeMs === 0) return;
    fabric.timeline.after(plan.forgeMs * exponential(dice), EVENT.fault, 0, () => {
      if (this.#over) return;
      if (dice.chance(0.1)) this.#submit();
      else this.#beacon();
      this.start();
    });
  }

  /** Welcome is the one word that a node must hear of this master. */
  masterBooted({link}: SimMaster): void {
    if (!link || this.#parts.plan.forgeMs === 0) return;
    const seal = link.seal.bind(link);
    link.seal = (peer, message, ...more) => {
      const isSpared = this.#over || message.type !== 'welcome' || this.#parts.dice.chance(0.7);
      return seal(peer, isSpared ? message : {...message, trust: this.#document()}, ...more);
    };
  }

  /** The thief is out; whom it kept on an old document hears of the newest by the next start of the master. */
  end(): void {
    this.#over = true;
    if (this.#parts.plan.forgeMs > 0) this.#parts.master.crash(0);
  }

  #beacon(): void {
    const {fabric, nodes, dice} = this.#parts;
    const body = encodeBeacon({trust: this.#document(), port: 4_444});
    const frame = concat(new Uint8Array([FRAME.beacon, 0, 0, 0]), body);
    for (const {address} of nodes) fabric.network.inject(AT, address, frame, dice.fraction());
  }

  /** One that was the newest once, or one that the root did not sign. */
  #document(): Uint8Array {
    const {vault, dice} = this.#parts;
    this.done.documents += 1;
    const older = vault.documents.slice(0, -1);
    if (older.length > 0 && dice.chance(0.6)) return dice.pick(older).bytes;
    return this.#forged(vault.newest.bytes);
  }

  #forged(genuine: Uint8Array): Uint8Array {
    const {fabric, dice} = this.#parts;
    const {crypto} = fabric;
    const own = this.#own;
    const signed = decodeSignedTrust(genuine);
    const now = signed && decodeTrust(signed.document);
    if (!signed || !now) return genuine;
    const version = now.version + between(dice, 1, 5);
    const mine: TrustDocument = {
      ...now,
      version,
      appKeys: [own.publicKey, ...now.appKeys.slice(1)],
    };
    const other: TrustDocument = {...mine, rootKey: own.publicKey};
    return dice.pick([
      () => signTrust(crypto, own.secretKey, mine),
      () => signTrust(crypto, own.secretKey, other),
      // As if the root had passed on to this one.
      () => signTrust(crypto, own.secretKey, other, {...own, publicKey: now.rootKey}),
      () => encodeSignedTrust({...signed, document: encodeTrust(mine)}),
      () => encodeSignedTrust({document: signed.document, signature: new Uint8Array(64)}),
    ])();
  }

  /** What comes in the place of a blob that was asked for. */
  #swapped(blobId: BlobId): Uint8Array | undefined {
    const {master, vault, dice} = this.#parts;
    const genuine = master.appBlobs.get(blobId);
    if (!genuine) return undefined;
    this.done.blobs += 1;
    const bundle = vault.bundleOf(blobId);
    if (!bundle) return dice.pick([MODULE, dice.pick(vault.bundles).module]);
    return dice.pick([
      dice.pick(vault.bundles).signed,
      ...this.#evil(bundle),
      genuine.slice(0, dice.below(genuine.length)),
    ]);
  }

  /** Apps in the place of this one that nobody of the cluster signed. */
  #evil({signed, manifest}: Bundle): readonly Uint8Array[] {
    const {crypto} = this.#parts.fabric;
    const evil = {...manifestOf(crypto, manifest.version, MODULE), name: manifest.name};
    const genuine = splitSignedApp(signed)?.signatureBase64 ?? '';
    return [
      encodeManifest(evil),
      concat(toUtf8(`${'A'.repeat(86)}==\n`), encodeManifest(evil)),
      concat(toUtf8(`${genuine}\n`), encodeManifest(evil)),
      signApp(crypto, this.#own.secretKey, evil),
    ];
  }

  /** With the master's own power: an app of its own, or one whose key was dropped, and work for it. */
  #submit(): void {
    const {master, vault, dice, fabric} = this.#parts;
    if (this.#batches >= BATCHES_MAX) return;
    this.#batches += 1;
    this.done.batches += 1;
    const dropped = vault.bundles.filter(bundle => !vault.isNamed(bundle));
    const isOld = dropped.length > 0 && dice.chance(0.6);
    const bundle = isOld ? dice.pick(dropped) : vault.bundle;
    const signed = isOld ? bundle.signed : dice.pick(this.#evil(bundle));
    master.keepApp(signed, bundle.module, MODULE);
    const name = `forged-${this.#batches}`;
    const row = {...rowOf(bundle.manifest, idOf(fabric.crypto, signed)), name};
    const input = {kind: 'range', start: 0, end: between(dice, 1, 4), chunk: 1} as const;
    const batch = {name, app: name, args: ['1'], input, policy: POLICY};
    if (isOld) this.#parts.onSubmit(batch);
    master.operator({kind: 'addApp', app: row}, () =>
      master.operator({kind: 'submitBatch', batch}, () => undefined),
    );
  }
}
