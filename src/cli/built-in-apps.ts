// The apps that come with Volley. `volley init` signs them while the app key is at hand and keeps the signed
// blobs beside the keys; the master stores and publishes them at its start.

import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {toHex} from '../base/bytes.ts';
import {asBlobId, type BlobId} from '../base/types.ts';
import {isOlderVersion, openSignedApp, signApp} from '../core/app.ts';
import {appRowOf} from '../core/app-row.ts';
import type {MasterHandle} from '../http/handle.ts';
import {readAppFolder} from '../io/app-folder.ts';
import type {BlobStore} from '../io/blob-store.ts';
import {SECRET_FILE_MODE, writeDurably} from '../io/key-files.ts';
import type {Crypto, KeyPair} from '../wire/crypto.ts';
import {fingerprintOf} from '../wire/trust.ts';

/** Folder in the master's data directory: `<name>.app` (signed manifest) and `<name>.wasm`. */
const PREPARED = 'apps';

/** dist/apps, from src/cli (tsx) and from dist/cli alike. */
export const builtInAppsDirectory = (): string =>
  fileURLToPath(new URL('../../dist/apps', import.meta.url));

/** Signs every built-in app into the data directory. Answers their names. */
export async function prepareBuiltInApps(
  data: string,
  crypto: Crypto,
  appKey: KeyPair,
): Promise<readonly string[]> {
  const from = builtInAppsDirectory();
  const to = join(data, PREPARED);
  mkdirSync(to, {recursive: true, mode: 0o700});
  const names: string[] = [];
  for (const name of readdirSync(from).sort()) {
    if (!existsSync(join(from, name, 'app.json'))) continue;
    const app = await readAppFolder(join(from, name));
    const signed = signApp(crypto, appKey.secretKey, app.manifest);
    // The module first: whoever finds the signed manifest finds what it names.
    if (app.module) writeDurably(join(to, `${name}.wasm`), app.module, SECRET_FILE_MODE);
    writeDurably(join(to, `${name}.app`), signed, SECRET_FILE_MODE);
    names.push(name);
  }
  return names;
}

type Place = {
  readonly handle: Pick<MasterHandle, 'operator' | 'apps'>;
  readonly blobs: BlobStore;
  readonly crypto: Crypto;
  readonly appKeys: readonly Uint8Array[];
  readonly wall: number;
};

/**
 * Stores and publishes what `volley init` prepared and is not known yet. A newer app of that name, which somebody
 * published since, stays.
 */
export async function publishPrepared(data: string, place: Place): Promise<void> {
  const from = join(data, PREPARED);
  if (!existsSync(from)) return;
  const known = new Map(place.handle.apps().map(app => [app.name, app]));
  for (const file of readdirSync(from).sort()) {
    if (!file.endsWith('.app')) continue;
    const blob = new Uint8Array(readFileSync(join(from, file)));
    const appId = blobIdOf(blob);
    const opened = openSignedApp(place.crypto, place.appKeys, blob);
    if (opened.kind !== 'app') continue;
    const {name, version} = opened.manifest;
    const app = known.get(name);
    if (app && app.appId !== appId && isOlderVersion(version, app.version)) continue;
    // Also of an app that is published: its files may be gone, as after a backup without them.
    await store(place.blobs, blob);
    const module = join(from, file.replace(/\.app$/, '.wasm'));
    if (existsSync(module)) await store(place.blobs, new Uint8Array(readFileSync(module)));
    if (app?.appId === appId) continue;
    const row = {
      ...appRowOf(appId, opened.manifest, place.wall),
      signedBy: toHex(fingerprintOf(place.crypto, opened.signedBy)),
    };
    await place.handle.operator({kind: 'addApp', app: row});
  }
}

const blobIdOf = (bytes: Uint8Array): BlobId =>
  asBlobId(createHash('sha256').update(bytes).digest('hex'));

async function store(blobs: BlobStore, bytes: Uint8Array): Promise<void> {
  if ((await blobs.size(blobIdOf(bytes))) === undefined) await blobs.put(bytes);
}
