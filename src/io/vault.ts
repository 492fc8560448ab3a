// The offline key file: root and app secret keys under a passphrase, so that a master's disk alone
// cannot name new keys or sign new apps (promise P8). scrypt at 128 MiB makes each guess dear;
// OpenSSL's encrypted PEM would use PBKDF2 with few rounds. Format 1 fixes the costs: a file cannot
// ask for cheaper ones.

import {createCipheriv, createDecipheriv, randomBytes, scrypt} from 'node:crypto';
import {concat, toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {MIB} from '../base/units.ts';
import type {KeyPair} from '../wire/crypto.ts';
import {encodeKeyFile, readKeyFile} from './key-files.ts';

export type VaultKeys = {readonly rootKey: KeyPair; readonly appKey: KeyPair};

const KIND = 'volley vault';
const CIPHER = 'chacha20-poly1305';
const AAD = toUtf8('volley-vault/1 scrypt 131072 8 1');
// N * r * 128 bytes are 128 MiB; Node refuses above 32 MiB unless it is told
const SCRYPT = {N: 2 ** 17, r: 8, p: 1, maxmem: 192 * MIB} as const;
const SALT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** Root public and secret, app public and secret. */
const SECRETS_BYTES = 4 * KEY_BYTES;

/** No I, O, 0, 1: nothing that is misread from paper. 32 letters, so a random byte picks evenly. */
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const GROUPS = 6;
const GROUP_LETTERS = 4;
const PLAIN_PASSPHRASE = new RegExp(`^[${ALPHABET}]{${GROUPS * GROUP_LETTERS}}$`);

/** 24 random letters in groups of four: 120 bits. */
export function newPassphrase(): string {
  const letters = Array.from(randomBytes(GROUPS * GROUP_LETTERS), byte => ALPHABET[byte & 31]);
  return grouped(letters.join(''));
}

const grouped = (letters: string): string =>
  letters.match(new RegExp(`.{${GROUP_LETTERS}}`, 'g'))?.join('-') ?? letters;

/** The bytes of a vault file. */
export async function sealVault(passphrase: string, keys: VaultKeys): Promise<Uint8Array> {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const key = await deriveKey(passphrase, salt);
  const cipher = createCipheriv(CIPHER, key, nonce, {authTagLength: TAG_BYTES});
  cipher.setAAD(AAD, {plaintextLength: SECRETS_BYTES});
  const secrets = concat(
    keys.rootKey.publicKey,
    keys.rootKey.secretKey,
    keys.appKey.publicKey,
    keys.appKey.secretKey,
  );
  const sealed = concat(cipher.update(secrets), cipher.final(), cipher.getAuthTag());
  return encodeKeyFile(KIND, {salt, nonce, sealed});
}

/** Throws VOLLEY_WRONG_PASSPHRASE, VOLLEY_KEY_DAMAGED, VOLLEY_KEY_EXPOSED or VOLLEY_INPUT_MISSING. */
export async function openVault(path: string, passphrase: string): Promise<VaultKeys> {
  const file = readKeyFile(path, KIND, {
    salt: SALT_BYTES,
    nonce: NONCE_BYTES,
    sealed: SECRETS_BYTES + TAG_BYTES,
  });
  if (file === undefined) {
    throw new VolleyError('VOLLEY_INPUT_MISSING', {path, reason: 'there is no such file'});
  }
  const key = await deriveKey(passphrase, file.salt);
  const decipher = createDecipheriv(CIPHER, key, file.nonce, {authTagLength: TAG_BYTES});
  decipher.setAAD(AAD, {plaintextLength: SECRETS_BYTES});
  decipher.setAuthTag(file.sealed.subarray(SECRETS_BYTES));
  const opened = decipher.update(file.sealed.subarray(0, SECRETS_BYTES));
  try {
    decipher.final();
  } catch (error) {
    // the checksum of the file was right, so it is the passphrase
    throw new VolleyError('VOLLEY_WRONG_PASSPHRASE', {path}, error);
  }
  return {rootKey: pairAt(opened, 0), appKey: pairAt(opened, 2 * KEY_BYTES)};
}

const pairAt = (secrets: Uint8Array, at: number): KeyPair => ({
  publicKey: Uint8Array.from(secrets.subarray(at, at + KEY_BYTES)),
  secretKey: Uint8Array.from(secrets.subarray(at + KEY_BYTES, at + 2 * KEY_BYTES)),
});

function deriveKey(passphrase: string, salt: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(canonical(passphrase), salt, KEY_BYTES, SCRYPT, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** A made passphrase may be typed in small letters, with spaces or without dashes; others count as typed. */
function canonical(passphrase: string): string {
  const text = passphrase.normalize('NFKC').trim();
  const letters = text.toUpperCase().replace(/[\s-]/g, '');
  return PLAIN_PASSPHRASE.test(letters) ? grouped(letters) : text;
}
