// Child process of key-rotation.test.ts: rotates, and is killed after the step that it is told.
// Arguments: folder, vault, passphrase, which keys, step.

import {NodeCrypto} from '../../src/io/crypto.ts';
import {ROTATIONS, rotateKeys} from '../../src/io/key-rotation.ts';
import {makeScryptCheap} from './cheap-scrypt.ts';

makeScryptCheap();
const [, , dir = '', vaultPath = '', passphrase = '', kind, last] = process.argv;
const which = ROTATIONS.find(each => each === kind);
if (which === undefined) throw new Error(`no such keys: ${kind}`);
await rotateKeys(which, new NodeCrypto(), {
  dir,
  vaultPath,
  passphrase,
  onStep: step => {
    if (step === last) process.kill(process.pid, 'SIGKILL');
  },
});
