// A disk that fills up under a running master: it stops taking new things before LevelDB fails, loses nothing
// that it acknowledged, and goes on when there is room again. A disk that fails: exit code 75, and no
// acknowledgement after the error.

import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync, statfsSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {toHex, toUtf8} from '../../src/base/bytes.ts';
import {EMPTY_HEAD, journalOps} from '../../src/core/journal.ts';
import {type LevelStore, openLevelStore} from '../../src/io/level-store.ts';
import {auditStore} from '../../src/io/store-audit.ts';
import {receiptsOf} from '../master/look.ts';
import {crypto, inline, type TestNode, type Work} from '../master/test-node.ts';
import {loadedRig, type RecordingRig} from '../rig/stored-master.ts';

const MIB = 1_024 * 1_024;
/** More than half of it: a compaction of all there is writes it once more before the old tables go. */
const FLOOR_BYTES = 1.75 * MIB;

/** Equal for all nodes, and not to be compressed. */
const outputOf = (index: number): string =>
  [1, 2, 3, 4, 5, 6].map(no => toHex(crypto.sha256(toUtf8(`${index} ${no}`)))).join('');

/** A disk of 3 MiB, or undefined where we may not mount one. */
function smallDisk(t: ExecutionContext): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'volley-full-'));
  t.teardown(() => rmSync(folder, {recursive: true, force: true}));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder], {stdio: 'ignore'});
  } catch {
    t.log('skipped: mounting a small tmpfs needs root');
    t.pass();
    return undefined;
  }
  t.teardown(() => execFileSync('umount', ['-l', folder]));
  return folder;
}

const freeBytes = (folder: string): number => {
  const {bavail, bsize} = statfsSync(folder);
  return bavail * bsize;
};

/** A master's core whose every turn is a synced commit, and which is told what is free after each. */
class DiskMaster {
  readonly rig: RecordingRig;
  readonly #disk: string;
  readonly #store: LevelStore;
  #head = EMPTY_HEAD;

  constructor(rig: RecordingRig, disk: string, store: LevelStore) {
    this.rig = rig;
    this.#disk = disk;
    this.#store = store;
  }

  get journalNo(): number {
    return this.#head.journalNo;
  }

  /** Makes durable what the turns since the last call saved; rejects as the store does. */
  async commit(): Promise<void> {
    for (const ops of this.rig.commits.splice(0)) {
      const made = journalOps(crypto, this.#head, ops);
      await new Promise<void>((resolve, reject) =>
        this.#store.commit(made.ops, error => (error ? reject(error) : resolve())),
      );
      this.#head = made.head;
    }
    const seen = {freeBytes: freeBytes(this.#disk), floorBytes: FLOOR_BYTES};
    this.rig.turn({type: 'freeSpace', ...seen});
  }

  get isFull(): boolean {
    return this.rig.core.context.space.isFull;
  }
}

test('a 3 MiB disk: accepting stops before the store fails, nothing is lost, it goes on', async t => {
  t.timeout(170_000);
  const disk = smallDisk(t);
  if (disk === undefined) return;
  const told: string[] = [];
  // As SQLite does it: the disk is full from n KiB on, for n = 0, 160 …
  for (let filler = 0; filler <= 1_100; filler += 110) {
    const {rig, nodes} = loadedRig({workunits: 4_000, nodes: 2, rounds: 1, outputBytes: 300});
    const folder = join(disk, 'store');
    const store = await openLevelStore(folder, {writeBufferBytes: 128 * 1_024});
    const master = new DiskMaster(rig, disk, store);
    writeFileSync(join(disk, 'filler'), new Uint8Array(filler * 1_024));
    let acknowledged = 0;
    const held = new Map<TestNode, Work[]>();
    const heldBy = (node: TestNode): Work[] => held.get(node) ?? [];
    const work = async (): Promise<void> => {
      for (const node of nodes) {
        const leases = rig.pull(node, 16);
        held.set(node, rig.pull(node, 1));
        const effects = rig.report(node, leases, ({index}) => inline(outputOf(index)));
        await master.commit();
        acknowledged += receiptsOf(effects, node).length;
      }
    };
    await master.commit();
    for (let round = 0; round < 400 && !master.isFull; round++) await work();
    t.true(master.isFull, `${filler} KiB: it noticed`);
    const before = acknowledged;
    const answer = rig.ask({
      kind: 'submitBatch',
      batch: {
        name: '',
        app: 'primes',
        args: [],
        policy: {},
        input: {kind: 'range', start: 0, end: 9, chunk: 1},
      },
    });
    t.like(answer, {ok: false, code: 'VOLLEY_NO_SPACE'});
    // Without a look at the disk in between: a compaction that ends may have made room.
    for (const node of nodes)
      t.deepEqual(receiptsOf(rig.report(node, heldBy(node)), node), [], 'full: not acknowledged');
    rmSync(join(disk, 'filler'));
    const journalNo = master.journalNo;
    await master.commit();
    // Less than this may not bring it above the floor: a compaction may have begun meanwhile.
    if (filler >= 770) {
      t.false(master.isFull, `${filler} KiB: there is room again`);
      await work();
      t.true(acknowledged > before, 'and it goes on');
    }
    await store.close();
    const again = await openLevelStore(folder);
    t.true((await auditStore(again, crypto)).journalNo >= journalNo);
    await again.close();
    told.push(`${filler} KiB: ${before}+${acknowledged - before}`);
    rmSync(folder, {recursive: true});
  }
  t.log(`reports acknowledged before and after it was full: ${told.join(', ')}`);
});
