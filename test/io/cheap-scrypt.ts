// scrypt at a hundredth of its price, in this process: a passphrase costs half a second and 128 MiB each time, and
// the tests of rotations give some hundred. What it costs in truth vault.test.ts and the CLI's tests say.

import crypto from 'node:crypto';
import {syncBuiltinESMExports} from 'node:module';

type Derive = (...given: unknown[]) => void;

export function makeScryptCheap(): void {
  const whole = crypto.scrypt as Derive;
  const cheap: Derive = (passphrase, salt, bytes, options, done) =>
    whole(passphrase, salt, bytes, {...(options as object), N: 2 ** 10}, done);
  Object.assign(crypto, {scrypt: cheap});
  syncBuiltinESMExports();
}
