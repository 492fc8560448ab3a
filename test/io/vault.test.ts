import {mkdtempSync, readFileSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {newPassphrase, openVault, sealVault} from '../../src/io/vault.ts';

const crypto = new NodeCrypto();
const keys = {rootKey: crypto.ed25519KeyPair(), appKey: crypto.ed25519KeyPair()};
const dir = mkdtempSync(join(tmpdir(), 'volley-vault-'));
test.after.always(() => rm(dir, {recursive: true, force: true}));

async function vaultOf(name: string, passphrase: string): Promise<string> {
  const path = join(dir, name);
  writeFileSync(path, await sealVault(passphrase, keys), {mode: 0o600});
  return path;
}

test('a vault opens with its passphrase and holds both key pairs', async t => {
  const path = await vaultOf('open', 'correct horse');
  t.deepEqual(await openVault(path, 'correct horse'), keys);
});

test('a wrong passphrase is refused and nothing else is said', async t => {
  const path = await vaultOf('wrong', 'correct horse');
  for (const wrong of ['correct horsf', 'Correct horse', '']) {
    await t.throwsAsync(openVault(path, wrong), {code: 'VOLLEY_WRONG_PASSPHRASE'});
  }
});

test('a made passphrase may be typed in small letters and without dashes', async t => {
  const passphrase = newPassphrase();
  const path = await vaultOf('typed', passphrase);
  const typed = ` ${passphrase.toLowerCase().replaceAll('-', ' ')} `;
  t.deepEqual(await openVault(path, typed), keys);
});

test('a damaged vault is told from a wrong passphrase', async t => {
  const path = await vaultOf('damaged', 'correct horse');
  const text = readFileSync(path, 'utf8');
  const sealed = /"sealed": "(.)/.exec(text)?.[1] === 'A' ? 'B' : 'A';
  writeFileSync(path, text.replace(/("sealed": ").(.*)/, `$1${sealed}$2`));
  await t.throwsAsync(openVault(path, 'correct horse'), {code: 'VOLLEY_KEY_DAMAGED'});
});

test('a vault that is not there is named', async t => {
  await t.throwsAsync(openVault(join(dir, 'none'), 'x'), {code: 'VOLLEY_INPUT_MISSING'});
});

test('two vaults of the same keys and passphrase share no secret bytes', async t => {
  const [a, b] = await Promise.all([sealVault('same', keys), sealVault('same', keys)]);
  const sealedOf = (bytes: Uint8Array): string =>
    JSON.parse(Buffer.from(bytes).toString('utf8')).sealed;
  t.not(sealedOf(a), sealedOf(b));
  t.false(Buffer.from(a).includes(Buffer.from(keys.rootKey.secretKey).toString('base64')));
});

test('a made passphrase is six groups of four letters that nobody misreads', t => {
  const many = Array.from({length: 1_000}, newPassphrase);
  for (const passphrase of many) t.regex(passphrase, /^([A-HJ-NP-Z2-9]{4}-){5}[A-HJ-NP-Z2-9]{4}$/);
  t.is(new Set(many).size, 1_000);
  t.is(new Set(many.join('').replaceAll('-', '')).size, 32);
});
