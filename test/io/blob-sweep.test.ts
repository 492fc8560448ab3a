// What a sweep keeps and what it deletes: rows as the master writes them, blobs on a real disk.

import {existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync} from 'node:fs';
import {unlink} from 'node:fs/promises';
import {join} from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import {fromHex, toUtf8} from '../../src/base/bytes.ts';
import {asBlobId, type BlobId} from '../../src/base/types.ts';
import {DAY_MS, HOUR_MS} from '../../src/base/units.ts';
import {encodeChecks} from '../../src/core/checks.ts';
import type {InputSource} from '../../src/core/input-source.ts';
import {TABLES, type TableName} from '../../src/core/tables.ts';
import {openBlobStore} from '../../src/io/blob-store.ts';
import type {StoredRow} from '../../src/io/level-store.ts';
import {
  batch,
  Folder,
  filesOf,
  json,
  linesOf,
  listOf,
  report,
  row,
  shot,
  signedApp,
  vote,
} from './sweep-rig.ts';

/** Rows of each table that name this blob, one way each; none = such rows name no blobs. */
const NAMING: Readonly<Record<TableName, (blobId: BlobId) => readonly StoredRow[]>> = {
  meta: id => [
    json('meta', {appId: id}, 'probe-1'),
    json('meta', {}, `probe-${id}`),
    json('meta', {blobId: id, size: 3, at: 1}, 'pushed/file.bin'),
  ],
  journal: () => [],
  batch: id => [
    batch(linesOf(id)),
    batch({...linesOf(asBlobId('1'.repeat(64))), indexBlobId: id} as InputSource),
    batch({...linesOf(id), kind: 'files'} as InputSource),
    batch({kind: 'blob', blobId: id, size: 9, count: 1}),
    batch({kind: 'parts', blobId: id, size: 9, indexBlobId: asBlobId('1'.repeat(64)), count: 1}),
    batch({kind: 'parts', blobId: asBlobId('1'.repeat(64)), size: 9, indexBlobId: id, count: 1}),
    json('batch', {appId: id}),
    json('batch', {shared: {blobId: id, size: 3}}),
    json('batch', {stageAt: {batchId: 2, round: 3, kind: 'map', carried: {blobId: id, size: 3}}}),
    json('batch', {plan: {rounds: 3, reduce: {appName: 'sum', appId: id}}}),
    json('batch', {policy: {compare: {kind: 'custom', app: 'same', appId: id}}}),
  ],
  history: () => [],
  page: () => [],
  // Behind the id stands the size, whose first byte may look like a hex character.
  vote: id => [vote(id, 900), vote(id, 0x61), vote(id, 0x39)],
  report: id => [report(id)],
  node: () => [],
  control: id => [json('control', {benches: [{appId: id, app: 'a'}]})],
  credit: () => [],
  doubt: () => [],
  check: id => [
    row(
      'check',
      '1',
      encodeChecks(
        new Map([
          [3, {state: 'open', reportNo: 1, item: 0, hash: fromHex(id) ?? new Uint8Array()}],
        ]),
      ),
    ),
  ],
  tries: () => [],
  token: () => [],
  app: id => [json('app', {appId: id, name: 'a'}, 'a')],
  release: id => [json('release', {appId: id}), json('release', {}, id)],
  capture: () => [],
  shot: id => [shot(id, false), shot(id, true)],
  transfer: id => [json('transfer', {id: 1, blob: id, size: 3}, '00000001')],
  delivery: () => [],
  spool: id => [row('spool', '00000001', report(id).payload)],
  kept: () => [],
};

test('a blob stays that a row names, whichever table it is in and however it does', async t => {
  const folder = new Folder();
  let ways = 0;
  for (const table of Object.keys(TABLES) as TableName[])
    for (const named of NAMING[table](folder.write('named'))) {
      ways += 1;
      const stays = folder.write('named');
      const goes = folder.write('not named');
      await folder.sweep([named]);
      t.true(folder.has(stays), `${named.rowKey}, way ${ways}`);
      t.false(folder.has(goes));
    }
  t.is(ways, 27);
});

test('a table that is not known yet keeps what it names', async t => {
  const folder = new Folder();
  const id = folder.write('x');
  await folder.sweep([{rowKey: 'album/1', payload: toUtf8(`cover=${id}`), fault: undefined}]);
  t.true(folder.has(id));
});

test('what a list of files names stays, however long the list is; what lines look like goes', async t => {
  const folder = new Folder();
  // Longer than one piece that is read: some ids stand on two.
  const files = Array.from({length: 800}, (_, i) => folder.write(`file ${i}`));
  const list = folder.write(listOf(files));
  const other = folder.write('of lines');
  const lines = folder.write(`"${other}"\n`.padEnd(70_000, '"x"\n'));
  const {deleted} = await folder.sweep([batch(filesOf(list)), batch(linesOf(lines))]);
  t.deepEqual({...deleted}, {blobs: 1, bytes: 'of lines'.length});
  t.true(files.every(id => folder.has(id)));
  t.true(folder.has(list) && folder.has(lines));
  t.false(folder.has(other));
});

test('an app keeps what runs, and none of its bytes are taken for names', async t => {
  const folder = new Folder();
  const inside = folder.write('named in a module');
  const modules = ['batch', 'release', 'app', 'meta'].map((table, i) => {
    const module = folder.write(`module ${i} ${inside}`);
    return {module, rows: json(table as TableName, {appId: folder.write(signedApp(module))})};
  });
  const unused = folder.write('module of nobody');
  folder.write(signedApp(unused));
  const {referenced, deleted} = await folder.sweep(modules.map(({rows}) => rows));
  t.true(modules.every(({module}) => folder.has(module)));
  t.is(referenced.blobs, 8);
  t.is(deleted.blobs, 3);
  t.false(folder.has(inside) || folder.has(unused));
});

test('what is young stays, by the clock that is given; a dry run tells and deletes nothing', async t => {
  const folder = new Folder();
  const old = folder.write('old', DAY_MS + 1);
  const young = folder.write('young', DAY_MS - 1_000);
  const ahead = folder.write('from the future', -DAY_MS);
  const named = folder.write('named', 9 * DAY_MS);
  const rows = [batch(linesOf(named))];
  const dry = await folder.sweep(rows, {isDry: true});
  t.like(dry, {
    referenced: {blobs: 1, bytes: 5},
    young: {blobs: 2, bytes: 20},
    deleted: {blobs: 1, bytes: 3},
    failed: {blobs: 0},
  });
  t.true(folder.has(old));
  t.deepEqual(await folder.sweep(rows), dry);
  t.false(folder.has(old));
  t.like(await folder.sweep(rows, {graceMs: 0}), {deleted: {blobs: 1}, young: {blobs: 1}});
  t.true(folder.has(named) && folder.has(ahead));
  t.false(folder.has(young));
});

test('files of other names and places are none of its business', async t => {
  const folder = new Folder();
  const blobId = folder.write('x');
  const strange = [
    join(folder.dir, 'note.txt'),
    join(folder.dir, blobId.slice(0, 2), 'note.txt'),
    join(
      folder.dir,
      blobId.slice(0, 2),
      `${blobId.slice(0, 2) === 'ab' ? 'cd' : 'ab'}`.padEnd(64, '0'),
    ),
    join(folder.dir, blobId),
  ];
  for (const path of strange) writeFileSync(path, '');
  t.is((await folder.sweep([], {graceMs: -DAY_MS})).deleted.blobs, 1);
  t.true(strange.every(path => existsSync(path)));
  t.deepEqual(await new Folder().sweep([]), await new Folder().sweep([json('app', {})]));
});

test('what is asked for or written while rows are read stays', async t => {
  const folder = new Folder();
  const [asked, written, goes] = ['asked', 'written', 'goes'].map(text => folder.write(text));
  if (!asked || !written || !goes) return t.fail();
  let rests = 0;
  const {young, deleted} = await folder.sweep([json('app', {})], {
    graceMs: -DAY_MS, // nothing is young by its age
    rest: async () => {
      rests += 1;
      if (rests > 1) return;
      t.is(await folder.blobs.size(asked), 5);
      mkdirSync(join(folder.dir, 'tmp'), {recursive: true});
      t.is((await folder.blobs.putStream(chunks('written'))).blobId, written);
    },
  });
  t.true(folder.has(asked) && folder.has(written));
  t.false(folder.has(goes));
  t.deepEqual([young.blobs, deleted.blobs], [2, 1]);
});

async function* chunks(text: string): AsyncGenerator<Uint8Array> {
  yield toUtf8(text);
}

test('whatever cannot be read ends it, and nothing is gone', async t => {
  const folder = new Folder();
  const old = folder.write('old');
  const damaged = {...json('batch', {}), fault: 'the checksum is wrong'};
  await t.throwsAsync(folder.sweep([damaged]), {
    code: 'VOLLEY_STORE_DAMAGED',
    message: /row batch\/1: the checksum is wrong/,
  });
  const list = folder.write(listOf([old]));
  const path = folder.pathOf(list);
  await unlink(path);
  mkdirSync(path); // root reads every file, but no folder
  utimesSync(path, 1, 1);
  await t.throwsAsync(folder.sweep([batch(filesOf(list))]), {code: 'EISDIR'});
  await t.throwsAsync(folder.sweep([], {rest: () => Promise.reject(new Error('ended'))}), {
    message: 'ended',
  });
  t.true(folder.has(old));
  t.is((await folder.sweep([])).failed.blobs, 1, 'a folder in place of a file cannot be deleted');
  t.false(folder.has(old), 'and the next sweep may begin');
});

test('a file that cannot be deleted is counted with its reason, and the others go', async t => {
  const folder = new Folder();
  const [stuck, other] = [folder.write('stuck'), folder.write('other')];
  const remove = async (path: string): Promise<void> => {
    if (path.endsWith(stuck)) throw new Error('EROFS: read-only');
    await unlink(path);
  };
  const report = await folder.sweep([], {
    blobs: {beginSweep: () => folder.blobs.beginSweep(remove)},
  });
  t.deepEqual({...report.failed}, {blobs: 1, reason: 'EROFS: read-only'});
  t.is(report.deleted.blobs, 1);
  t.true(folder.has(stuck));
  t.false(folder.has(other));
});

test('two sweeps at once are refused', async t => {
  const blobs = await openBlobStore(new Folder().dir);
  const sweep = blobs.beginSweep();
  t.throws(() => blobs.beginSweep(), {message: /one sweep at a time/});
  sweep.end();
  t.notThrows(() => blobs.beginSweep().end());
});

// ---- any batches, any blobs ------------------------------------------------------------------------

const LEAVES = 10;
/** What holds a blob, beside the list or app that it may be named by. */
const KINDS = {
  lines: id => [batch(linesOf(id))],
  report: id => [report(id)],
  vote: id => [vote(id, 7)],
  shot: id => [shot(id, true)],
} satisfies Record<string, (blobId: BlobId) => StoredRow[]>;
const direct = fc.tuple(
  fc.constantFrom(...(Object.keys(KINDS) as (keyof typeof KINDS)[])),
  fc.nat({max: LEAVES - 1}),
);
const holder = fc.record({
  isList: fc.boolean(),
  leaves: fc.uniqueArray(fc.nat({max: LEAVES - 1}), {minLength: 1, maxLength: 4}),
  isNamed: fc.boolean(),
  isYoung: fc.boolean(),
});
const world = fc.record({
  young: fc.array(fc.boolean(), {minLength: LEAVES, maxLength: LEAVES}),
  direct: fc.array(direct, {maxLength: 6}),
  holders: fc.array(holder, {maxLength: 6}),
});
const ageOf = (isYoung: boolean): number => (isYoung ? HOUR_MS : 2 * DAY_MS);
type Named = {
  readonly isList: boolean;
  readonly leaves: readonly number[];
  readonly isNamed: boolean;
  readonly isYoung: boolean;
};

/** What is on the disk, and which of it must stay. */
class Model {
  readonly folder = new Folder();
  readonly rows: StoredRow[] = [];
  readonly kept = new Set<BlobId>();
  readonly all = new Set<BlobId>();
  readonly #leaves: readonly BlobId[];

  constructor(young: readonly boolean[]) {
    this.#leaves = young.map((isYoung, no) => this.#blob(`leaf ${no}`, isYoung));
  }

  #blob(text: string, isYoung: boolean): BlobId {
    const id = this.folder.write(text, ageOf(isYoung));
    this.all.add(id);
    if (isYoung) this.kept.add(id);
    return id;
  }

  #leaf(no = 0): BlobId {
    return this.#leaves[no] ?? asBlobId('');
  }

  name(kind: keyof typeof KINDS, no: number): void {
    this.rows.push(...KINDS[kind](this.#leaf(no)));
    this.kept.add(this.#leaf(no));
  }

  /** A list, or an app, which names the first of its leaves alone. */
  hold({isList, leaves, isNamed, isYoung}: Named): void {
    const named = (isList ? leaves : leaves.slice(0, 1)).map(no => this.#leaf(no));
    const own = `holder ${this.all.size}`;
    const text = isList ? listOf(named, own) : signedApp(this.#leaf(leaves[0]), own);
    const id = this.#blob(text, isYoung);
    if (!isNamed) return;
    this.rows.push(isList ? batch(filesOf(id)) : json('release', {appId: id}, id));
    for (const each of [id, ...named]) this.kept.add(each);
  }
}

test('of any rows and blobs exactly those are gone that are old and that nothing names', async t => {
  await fc.assert(
    fc.asyncProperty(world, async ({young, direct, holders}) => {
      const model = new Model(young);
      for (const [kind, no] of direct) model.name(kind, no);
      for (const each of holders) model.hold(each);
      const {folder, rows, kept, all} = model;
      const {deleted} = await folder.sweep(rows);
      const here = readdirSync(folder.dir).flatMap(shelf => readdirSync(join(folder.dir, shelf)));
      t.deepEqual(here.sort(), [...kept].sort());
      t.is(deleted.blobs, all.size - kept.size);
    }),
    {numRuns: 150},
  );
});
