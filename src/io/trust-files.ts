// The trust documents in a master's folder, all public:
//
//   trust            the newest one
//   trust.<version>  one in which the root changed: what leads a node that slept from the old root to the new
//
// A step that a rotation wrote and never made the newest is left out: only a chain that ends in the root of
// today counts.

import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {toHex} from '../base/bytes.ts';
import {decodeSignedTrust, decodeTrust} from '../wire/codec.ts';
import type {Crypto} from '../wire/crypto.ts';
import type {TrustDocument} from '../wire/message.ts';
import {fingerprintOf, openTrust, previousRootOf} from '../wire/trust.ts';
import {damaged, PUBLIC_FILE_MODE, readOwned, writeDurably} from './key-files.ts';

/** Roots that nodes may have slept through; those of older ones join again. */
const STEPS_MAX = 64;
const STEP = /^trust\.\d{1,10}$/;

export const trustPath = (dir: string): string => join(dir, 'trust');

/** SignedTrust, encoded, as it lies there. */
export function readTrustFile(dir: string): Uint8Array {
  const bytes = readOwned(trustPath(dir));
  if (bytes === undefined) throw damaged(trustPath(dir), 'it is missing');
  return bytes;
}

/** What it says, unverified: the master checks at its start that its root signed it. */
export function trustIn(dir: string, signedTrust: Uint8Array): TrustDocument {
  const signed = decodeSignedTrust(signedTrust);
  const document = signed && decodeTrust(signed.document);
  if (document === undefined) {
    throw damaged(trustPath(dir), 'it is not what the root signed; bring it back from a backup');
  }
  return document;
}

export const writeTrustFile = (dir: string, signedTrust: Uint8Array): void => {
  writeDurably(trustPath(dir), signedTrust, PUBLIC_FILE_MODE);
};

export function writeRootStep(dir: string, version: number, signedTrust: Uint8Array): void {
  writeDurably(`${trustPath(dir)}.${version}`, signedTrust, PUBLIC_FILE_MODE);
}

/** The documents that lead from earlier roots to the root of `trust`, the newest first. */
export function readRootSteps(dir: string, crypto: Crypto, trust: TrustDocument): Uint8Array[] {
  const byRoot = new Map<string, {readonly bytes: Uint8Array; readonly from: string}>();
  for (const name of readdirSync(dir).filter(each => STEP.test(each))) {
    const bytes = readOwned(join(dir, name));
    if (bytes === undefined) continue;
    const document = openTrust(crypto, bytes);
    const from = previousRootOf(crypto, bytes);
    if (document === undefined || from === undefined || document.version > trust.version) continue;
    byRoot.set(toHex(fingerprintOf(crypto, document.rootKey)), {bytes, from: toHex(from)});
  }
  const steps: Uint8Array[] = [];
  let root = toHex(fingerprintOf(crypto, trust.rootKey));
  for (let step = byRoot.get(root); step && steps.length < STEPS_MAX; step = byRoot.get(root)) {
    steps.push(step.bytes);
    byRoot.delete(root); // no circle, whatever lies there
    root = step.from;
  }
  return steps;
}
