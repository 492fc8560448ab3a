import {execFileSync, spawn} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {chmod, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {crc32} from 'node:zlib';
import test, {type ExecutionContext} from 'ava';
import {Level} from 'level';
import {VolleyError} from '../../src/base/errors.ts';
import {EMPTY_HEAD, type Head, journalOps} from '../../src/core/journal.ts';
import {type Op, put} from '../../src/core/tables.ts';
import {type LevelStore, openLevelStore} from '../../src/io/level-store.ts';
import {auditStore, examineStore, type RowDamage} from '../../src/io/store-audit.ts';
import {commit, type StoreSubject, storeSuite} from '../ports/store.ts';
import {sha256} from './sha256.ts';

async function tempFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'volley-store-'));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function subjectIn(folder: string): Promise<StoreSubject> {
  const store = await openLevelStore(folder);
  return {
    store,
    get: (table, key) => store.get(table, key),
    scan: (...range) => collect(store.scan(...range)),
    reopen: async () => {
      await store.close();
      return await subjectIn(folder);
    },
    close: async () => {
      await store.close();
      await rm(folder, {recursive: true});
    },
  };
}

storeSuite('level-store', async () => await subjectIn(await tempFolder()));

/** A folder that is gone after the test. */
async function folderFor(t: ExecutionContext): Promise<string> {
  const folder = await tempFolder();
  t.teardown(() => rm(folder, {recursive: true, force: true}));
  return folder;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return error instanceof VolleyError ? error.code : String(error);
  }
}

async function commitJournaled(
  store: LevelStore,
  head: Head,
  ...ops: readonly Op[]
): Promise<Head> {
  const made = journalOps({sha256}, head, ops);
  await commit(store, ...made.ops);
  return made.head;
}

/** Flips one bit in the middle of `pattern` in files of the folder; returns how many had it. */
async function flipIn(folder: string, ending: string, pattern: Uint8Array): Promise<number> {
  let flipped = 0;
  for (const name of (await readdir(folder)).filter(name => name.endsWith(ending))) {
    const bytes = await readFile(join(folder, name));
    const at = bytes.indexOf(pattern);
    if (at < 0) continue;
    const middle = at + Math.floor(pattern.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 4;
    await writeFile(join(folder, name), bytes);
    flipped++;
  }
  return flipped;
}

const said = ({table, key, reason}: RowDamage): string => `${table}/${key}: ${reason}`;

test('a value is stored as version, checksum over key and value, payload', async t => {
  const folder = await folderFor(t);
  const store = await openLevelStore(folder);
  await commit(store, put('node', 'a', Uint8Array.of(7, 8, 9)));
  await store.close();
  const raw = new Level<string, Uint8Array>(folder, {valueEncoding: 'view'});
  const value = new Uint8Array((await raw.get('node/a')) as Uint8Array);
  await raw.close();
  const checksum = crc32(Uint8Array.of(7, 8, 9), crc32('node/a\u0001'));
  t.is(value[0], 1);
  t.is(new DataView(value.buffer).getUint32(1), checksum);
  t.deepEqual([...value.subarray(5)], [7, 8, 9]);
});

test('a bit that flipped in a stored value is named, by get, by scan and by the audit', async t => {
  const folder = await folderFor(t);
  const payload = new Uint8Array(randomBytes(6_000));
  let store = await openLevelStore(folder);
  await commit(store, put('report', '0001', payload), put('report', '0002', Uint8Array.of(1)));
  await store.close();
  await (await openLevelStore(folder)).close(); // moves the log into a table file
  t.is(await flipIn(folder, '.ldb', payload.subarray(2_900, 3_100)), 1);
  store = await openLevelStore(folder);
  t.teardown(() => store.close());
  await t.throwsAsync(store.get('report', '0001'), {
    instanceOf: VolleyError,
    code: 'VOLLEY_STORE_DAMAGED',
    message: /row "0001" of report: the checksum is wrong/,
  });
  t.is(await codeOf(collect(store.scan('report'))), 'VOLLEY_STORE_DAMAGED');
  t.deepEqual(await store.get('report', '0002'), Uint8Array.of(1));
  const {damages} = await examineStore(store, {sha256});
  t.true(damages.map(said).includes('report/0001: the checksum is wrong'));
});

test('rows that are newer, of unknown tables, cut short or in the wrong place are named', async t => {
  const folder = await folderFor(t);
  const frame = (version: number, rowKey: string, payload: Uint8Array): Uint8Array => {
    const value = new Uint8Array(5 + payload.length);
    value[0] = version;
    const checksum = crc32(payload, crc32(rowKey + String.fromCharCode(version)));
    new DataView(value.buffer).setUint32(1, checksum);
    value.set(payload, 5);
    return value;
  };
  const raw = new Level<string, Uint8Array>(folder, {valueEncoding: 'view'});
  await raw.put('node/new', frame(2, 'node/new', Uint8Array.of(1)));
  await raw.put('node/old', frame(0, 'node/old', Uint8Array.of(1)));
  await raw.put('node/short', Uint8Array.of(1, 2));
  await raw.put('node/moved', frame(1, 'node/other', Uint8Array.of(1)));
  await raw.put('zebra/a', frame(1, 'zebra/a', Uint8Array.of(1)));
  await raw.close();
  const store = await openLevelStore(folder);
  t.teardown(() => store.close());
  const {damages} = await examineStore(store, {sha256});
  t.deepEqual(damages.map(said), [
    'node/moved: the checksum is wrong',
    'node/new: row version 2 is not known to this program',
    'node/old: row version 0 is not known to this program',
    'node/short: the row is cut short',
    'zebra/a: unknown table',
  ]);
  t.is(await codeOf(store.get('node', 'new')), 'VOLLEY_STORE_DAMAGED');
});

test('a whole journal gives its head, an empty store number 0', async t => {
  const folder = await folderFor(t);
  const store = await openLevelStore(folder);
  t.teardown(() => store.close());
  t.deepEqual(await auditStore(store, {sha256}), EMPTY_HEAD);
  let head = EMPTY_HEAD;
  for (let i = 0; i < 20; i++)
    head = await commitJournaled(store, head, put('node', `${i}`, Uint8Array.of(i)));
  t.deepEqual(await auditStore(store, {sha256}), head);
});

test('commits that LevelDB dropped from a damaged log leave a gap that the audit names', async t => {
  const folder = await folderFor(t);
  let store = await openLevelStore(folder);
  let head = EMPTY_HEAD;
  const payloads = Array.from({length: 60}, () => new Uint8Array(randomBytes(4_000)));
  for (const [i, payload] of payloads.entries())
    head = await commitJournaled(store, head, put('report', `${i}`, payload));
  await store.close();
  t.is(await flipIn(folder, '.log', payloads[20]?.subarray(0, 64) ?? new Uint8Array()), 1);
  store = await openLevelStore(folder);
  t.teardown(() => store.close());
  t.deepEqual(await store.get('report', '59'), payloads[59], 'LevelDB goes on without an error');
  await t.throwsAsync(auditStore(store, {sha256}), {
    instanceOf: VolleyError,
    message: /the store is damaged: journal row \d+: the next row is \d+/,
  });
});

test('kill -9 while commits are written loses none that was acknowledged', async t => {
  const folder = await folderFor(t);
  const script = new URL('commit-forever.ts', import.meta.url).pathname;
  for (let life = 1; life <= 3; life++) {
    const child = spawn(process.execPath, ['--import=tsx', script, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8');
    const wanted = 200 + Math.floor(Math.random() * 100);
    child.stdout.on('data', (part: string) => {
      text += part;
      if (text.split('\n').length > wanted) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const acknowledged = Number(text.trim().split('\n').at(-1));
    const store = await openLevelStore(folder);
    const head = await auditStore(store, {sha256});
    t.true(head.journalNo >= acknowledged, `life ${life}: ${head.journalNo} < ${acknowledged}`);
    const keys = (await collect(store.scan('report'))).map(([key]) => Number(key));
    t.deepEqual(
      keys,
      Array.from({length: head.journalNo}, (_, i) => i + 1),
    );
    await store.close();
  }
});

test('a second opener is told who has it, in this process and in another', async t => {
  const folder = await folderFor(t);
  const store = await openLevelStore(folder);
  t.teardown(() => store.close());
  await t.throwsAsync(openLevelStore(folder), {
    instanceOf: VolleyError,
    code: 'VOLLEY_STORE_LOCKED',
    message: new RegExp(`the store in ${folder} is in use`),
  });
  const script = new URL('open-store.ts', import.meta.url).pathname;
  const said = execFileSync(process.execPath, ['--import=tsx', script, folder], {encoding: 'utf8'});
  t.regex(said, /^VOLLEY_STORE_LOCKED /);
});

test('a folder that may not be written is named', async t => {
  const folder = await folderFor(t);
  await (await openLevelStore(folder)).close();
  const root = process.getuid?.() === 0;
  if (!root) await chmod(folder, 0o500);
  const script = new URL('open-store.ts', import.meta.url).pathname;
  const said = execFileSync(process.execPath, ['--import=tsx', script, folder], {
    encoding: 'utf8',
    ...(root ? {uid: 65_534, gid: 65_534, env: {...process.env, TSX_DISABLE_CACHE: '1'}} : {}),
  });
  t.regex(said, /^VOLLEY_NO_PERMISSION no permission for /);
  if (!root) await chmod(folder, 0o700);
});

test('a store without its manifest, or with a broken CURRENT, is called damaged', async t => {
  const broken = async (spoil: (folder: string) => Promise<void>): Promise<string> => {
    const folder = await folderFor(t);
    await (await openLevelStore(folder)).close();
    await spoil(folder);
    return await codeOf(openLevelStore(folder));
  };
  const current = (folder: string) => join(folder, 'CURRENT');
  t.is(await broken(folder => writeFile(current(folder), 'rubbish')), 'VOLLEY_STORE_DAMAGED');
  t.is(
    await broken(folder => writeFile(current(folder), 'MANIFEST-000999\n')),
    'VOLLEY_STORE_DAMAGED',
  );
  t.is(await broken(folder => rm(current(folder))), 'VOLLEY_STORE_DAMAGED');
});

test('a store that was only about to be made is made', async t => {
  const folder = await folderFor(t);
  await writeFile(join(folder, 'MANIFEST-000001'), '');
  await writeFile(join(folder, 'LOCK'), '');
  await (await openLevelStore(folder)).close();
  t.pass();
});

test('when the disk is full the commit fails, and so does every later one', async t => {
  const folder = await folderFor(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder], {stdio: 'ignore'});
  } catch {
    t.log('skipped: mounting a small tmpfs needs root');
    t.pass();
    return;
  }
  t.teardown(() => execFileSync('umount', ['-l', folder]));
  const store = await openLevelStore(join(folder, 'store'));
  const fill = async (): Promise<void> => {
    for (let i = 0; i < 100; i++)
      await commit(store, put('report', `${i}`, new Uint8Array(randomBytes(100_000))));
  };
  await t.throwsAsync(fill(), {
    instanceOf: VolleyError,
    code: 'VOLLEY_STORE_FAILED',
    message: /free space/,
  });
  t.is(await codeOf(commit(store, put('node', 'a', Uint8Array.of(1)))), 'VOLLEY_STORE_FAILED');
  t.truthy(await store.get('report', '0'), 'what is there can still be read');
  await store.close();
});

test('closing twice is fine, and waits for the commit under way', async t => {
  const folder = await folderFor(t);
  const store = await openLevelStore(folder);
  const done = commit(store, put('node', 'a', Uint8Array.of(1)));
  await Promise.all([store.close(), store.close(), done]);
  const next = await openLevelStore(folder);
  t.deepEqual(await next.get('node', 'a'), Uint8Array.of(1));
  await next.close();
});
