// A master answers whose root is not the one that this node trusts. As ssh does with a changed host key,
// nothing is believed of it and a person is told, once for each root that is met.

import {equalBytes, toHex} from '../base/bytes.ts';
import type {Address} from '../base/types.ts';
import {decodeBeacon} from '../wire/codec.ts';
import type {Crypto} from '../wire/crypto.ts';
import {fingerprintText} from '../wire/identity.ts';
import {hostOf} from '../wire/limits.ts';
import {fingerprintOf, openTrust} from '../wire/trust.ts';

export type OtherRootOptions = {
  readonly crypto: Crypto;
  /** The root that this node trusts, 16 bytes. */
  readonly ours: Uint8Array;
  /** Where the master was; undefined = not known. */
  readonly master: Address | undefined;
  /** Folder of the node, for what to do. */
  readonly data: string;
  readonly tell: (text: string) => void;
};

const HEADER_BYTES = 4;
/** Other clusters may be there on purpose; a flood of made-up ones must not fill the log. */
const TOLD_MAX = 8;

export class OtherRoot {
  readonly #options: OtherRootOptions;
  readonly #told = new Set<string>();

  constructor(options: OtherRootOptions) {
    this.#options = options;
  }

  /** @param frame a beacon that the link refused while this node looks for its master */
  heard(frame: Uint8Array, from: Address): void {
    const {crypto, ours, master, data, tell} = this.#options;
    const beacon = decodeBeacon(frame.subarray(HEADER_BYTES));
    const document = beacon && openTrust(crypto, beacon.trust);
    if (document === undefined) return;
    const root = fingerprintOf(crypto, document.rootKey);
    if (equalBytes(root, ours)) return; // ours, and an older document
    const theirs = fingerprintText(toHex(root));
    if (this.#told.has(theirs) || this.#told.size >= TOLD_MAX) return;
    this.#told.add(theirs);
    const host = hostOf(from);
    const isWhereOursWas = master !== undefined && hostOf(master) === host;
    const who = isWhereOursWas
      ? `the master at ${host} has another root than before, and is not believed`
      : `a master of another cluster answers from ${host}, and is not believed`;
    tell(
      `${who}: its root is ${theirs}, this node trusts ${fingerprintText(toHex(ours))}. Somebody may be ` +
        `posing as the master. If the cluster was made anew, remove ${data}/membership.json and join again`,
    );
  }
}
