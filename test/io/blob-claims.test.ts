// What rows named that are gone: it goes with the next sweep, unless a row names it or somebody asked for it since.

import test from 'ava';
import fc from 'fast-check';
import {asMonoMs, asWallMs, type BlobId} from '../../src/base/types.ts';
import {MINUTE_MS, SECOND_MS} from '../../src/base/units.ts';
import {BlobStore} from '../../src/io/blob-store.ts';
import {sweepBlobs} from '../../src/io/blob-sweep.ts';
import type {StoredRow} from '../../src/io/level-store.ts';
import {batch, Folder, linesOf, NOW} from './sweep-rig.ts';

const RIPE_MS = 5 * SECOND_MS;
const BLOBS = 4;

/** Blobs that are young, rows that come and go, and what of it must be there. */
class World {
  mono = 0;
  readonly folder = new Folder();
  readonly blobs = new BlobStore(this.folder.dir, undefined, {
    now: () => ({mono: asMonoMs(this.mono), wall: asWallMs(NOW + this.mono)}),
  });
  readonly ids = Array.from({length: BLOBS}, (_, i) => this.folder.write(`blob ${i}`, MINUTE_MS));
  /** How many rows name each. */
  readonly rows = new Map<BlobId, number>();
  /** Unnamed and not asked for since, and since when. */
  readonly going = new Map<BlobId, number>();
  readonly gone = new Set<BlobId>();
  /** Acts of naming under way: they asked, and their rows are to come. */
  readonly #naming: {readonly blobId: BlobId; readonly end: () => void}[] = [];

  id(no: number): BlobId {
    return this.ids[no % BLOBS] as BlobId;
  }

  get storedRows(): StoredRow[] {
    return [...this.rows].flatMap(([id, count]) => (count > 0 ? [batch(linesOf(id))] : []));
  }

  async ask(blobId: BlobId): Promise<boolean> {
    this.going.delete(blobId);
    return (await this.blobs.size(blobId)) !== undefined;
  }

  add(blobId: BlobId): void {
    this.rows.set(blobId, (this.rows.get(blobId) ?? 0) + 1);
  }

  async beginNaming(blobId: BlobId): Promise<void> {
    const {promise, resolve} = withResolvers();
    void this.blobs.naming(() => promise);
    if (await this.ask(blobId)) this.#naming.push({blobId, end: resolve});
    else resolve();
  }

  async endNaming(): Promise<void> {
    const act = this.#naming.shift();
    if (act) this.add(act.blobId);
    act?.end();
    await Promise.resolve();
    await Promise.resolve();
  }

  async removeRow(blobId: BlobId): Promise<void> {
    const count = this.rows.get(blobId) ?? 0;
    if (count === 0) return;
    this.rows.set(blobId, count - 1);
    await this.blobs.unname([{blobId, size: 6}]);
    this.going.set(blobId, this.mono);
  }

  /** @returns what has to be gone now */
  async sweep(during: () => Promise<void>): Promise<BlobId[]> {
    const isNaming = this.#naming.length > 0;
    const ripe = [...this.going].filter(([, at]) => !isNaming && this.mono - at >= RIPE_MS);
    let rests = 0;
    await sweepBlobs({
      ...{store: {rows: () => this.#read()}, blobs: this.blobs, graceMs: Infinity},
      now: () => NOW + this.mono,
      rest: async () => {
        rests += 1;
        if (rests === 2) await during();
      },
    });
    const swept = ripe.map(([id]) => id);
    for (const id of swept) if (this.rows.get(id)) this.going.delete(id); // another row will tell
    return swept.filter(id => this.going.has(id));
  }

  async *#read(): AsyncGenerator<StoredRow[], void, void> {
    yield this.storedRows;
  }
}

function withResolvers(): {promise: Promise<void>; resolve: () => void} {
  let resolve = (): void => {};
  const promise = new Promise<void>(done => {
    resolve = done;
  });
  return {promise, resolve};
}

const step = fc.record({
  what: fc.constantFrom('life', 'row', 'remove', 'ask', 'begin', 'end', 'pass', 'late', 'sweep'),
  no: fc.nat({max: BLOBS - 1}),
  asked: fc.nat({max: 2 * BLOBS}),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(world: World, {what, no, asked}: Step): Promise<void> {
  const blobId = world.id(no);
  switch (what) {
    case 'row':
      if (await world.ask(blobId)) world.add(blobId);
      return;
    case 'life':
      if (await world.ask(blobId)) world.add(blobId);
      return world.removeRow(blobId);
    case 'remove':
      return world.removeRow(blobId);
    case 'ask':
      return void (await world.ask(blobId));
    case 'begin':
      return world.beginNaming(blobId);
    case 'end':
      return world.endNaming();
    case 'pass':
      world.mono += RIPE_MS;
      return;
    default: {
      if (what === 'late') world.mono += RIPE_MS;
      const gone = await world.sweep(async () => {
        if (asked < BLOBS && (await world.ask(world.id(asked)))) world.add(world.id(asked));
      });
      for (const id of gone) {
        world.gone.add(id);
        world.going.delete(id);
      }
    }
  }
}

test('exactly what rows named that are gone goes, never what one names or somebody asked for since', async t => {
  let deleted = 0;
  const run = async (steps: readonly Step[]): Promise<void> => {
    const world = new World();
    for (const each of steps) {
      await take(world, each);
      for (const id of world.ids)
        t.is(world.folder.has(id), !world.gone.has(id), JSON.stringify(each));
    }
    deleted += world.gone.size;
  };
  const cycle = ['row', 'remove', 'pass', 'sweep'] as const;
  await run(cycle.map(what => ({what, no: 0, asked: BLOBS})));
  t.is(deleted, 1);
  await fc.assert(fc.asyncProperty(fc.array(step, {minLength: 20, maxLength: 40}), run), {
    numRuns: 150,
  });
  t.true(deleted > 20, String(deleted));
});
