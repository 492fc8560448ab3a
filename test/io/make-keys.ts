// Makes many keys. Run with --gc-interval it has the collector come in the middle of some of them.

import {NodeCrypto} from '../../src/io/crypto.ts';

const crypto = new NodeCrypto();
for (let i = 0; i < 2_000; i++) {
  crypto.x25519KeyPair();
  crypto.ed25519KeyPair();
}
