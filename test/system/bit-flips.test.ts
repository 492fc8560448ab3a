// Promise P1 on a disk that lies: one bit flipped anywhere in the folder of a store is found when the store is
// opened, or has changed nothing; and what a power cut leaves of the log holds every acknowledged commit, or
// is refused.

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {copyFile, mkdir, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {Prng} from '../../src/base/prng.ts';
import {openLevelStore} from '../../src/io/level-store.ts';
import {WITNESS_FILE} from '../../src/io/store-witness.ts';
import {loadedRig, type Shape, writeAll, writeStore} from '../rig/stored-master.ts';
import {Judge} from './judges.ts';

const NIGHTLY = process.env['VOLLEY_NIGHTLY'] === '1';
const FLIPS = NIGHTLY ? 10_000 : 600;
const IMAGES = NIGHTLY ? 500 : 60;
const WORKERS = 2;
const SHAPES: readonly Shape[] = ['log', 'tables', 'both'];
/** Files up to this size get flips of their own, so that none is left out. */
const SMALL_BYTES = 4_096;

/** In memory where that is possible: each try is a copy of a store. */
function workFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'volley-flips-'));
  t.teardown(() => rmSync(folder, {recursive: true, force: true}));
  return folder;
}

/**
 * A copy in which `name` holds `bytes`. Links would not do: LevelDB with a damaged MANIFEST writes over tables
 * that it takes for nobody's.
 */
async function copyWith(from: string, to: string, name: string, bytes: Uint8Array): Promise<void> {
  await mkdir(to);
  for (const each of readdirSync(from)) {
    const [source, target] = [join(from, each), join(to, each)];
    if (each === name) writeFileSync(target, bytes);
    else await copyFile(source, target);
  }
}

type Spoilt = {readonly folder: string; readonly name: string; readonly bytes: Uint8Array};

/** Lets the workers judge each; `next` answers undefined at the end. */
async function judgeAll(
  work: string,
  next: () => Spoilt | undefined,
  onSaid: (spoilt: Spoilt, said: string) => void,
): Promise<void> {
  let no = 0;
  const lane = async (): Promise<void> => {
    const judge = new Judge();
    for (let spoilt = next(); spoilt; spoilt = next()) {
      const copy = join(work, `copy${no++}`);
      await copyWith(spoilt.folder, copy, spoilt.name, spoilt.bytes);
      onSaid(spoilt, await judge.ask(copy));
      await rm(copy, {recursive: true, force: true});
    }
    judge.close();
  };
  await Promise.all(Array.from({length: WORKERS}, lane));
}

async function judgeOne(work: string, folder: string): Promise<string> {
  const judge = new Judge();
  const copy = join(work, 'whole');
  await copyWith(folder, copy, '', new Uint8Array());
  const said = await judge.ask(copy);
  await rm(copy, {recursive: true, force: true});
  judge.close();
  return said;
}

/** [file, bit] of `count` flips over all files of a folder: by their size, small ones at least a share. */
function drawFlips(folder: string, count: number, prng: Prng): (readonly [string, number])[] {
  const files = readdirSync(folder)
    .map(name => ({name, bits: statSync(join(folder, name)).size * 8}))
    .filter(({bits}) => bits > 0);
  const small = files.filter(({bits}) => bits <= SMALL_BYTES * 8);
  const flips: (readonly [string, number])[] = [];
  for (const {name, bits} of small)
    for (let i = 0; i < Math.floor(count / 20); i++) flips.push([name, prng.below(bits)]);
  const total = files.reduce((sum, {bits}) => sum + bits, 0);
  while (flips.length < count) {
    let at = prng.below(total);
    const file = files.find(({bits}) => {
      if (at < bits) return true;
      at -= bits;
      return false;
    });
    if (file) flips.push([file.name, at]);
  }
  return flips;
}

function flipped(folder: string, name: string, bit: number): Spoilt {
  const bytes = new Uint8Array(readFileSync(join(folder, name)));
  const at = Math.floor(bit / 8);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8));
  return {folder, name, bytes};
}

const fateOf = (said: string, whole: string): 'detected' | 'harmless' | 'silent' => {
  if (said.startsWith('detected')) return 'detected';
  return said === whole ? 'harmless' : 'silent';
};

const kindOf = (name: string): string => name.replace(/^\d+/, 'n').replace(/-\d+$/, '');

test('one flipped bit anywhere in a store is found at open, or has changed no row', async t => {
  t.timeout(NIGHTLY ? 3_600_000 : 180_000);
  const work = workFolder(t);
  const {rig} = loadedRig({workunits: 2_400, nodes: 6, rounds: 24, outputBytes: 120});
  const tally = new Map<string, number>();
  const count = (what: string): unknown => tally.set(what, (tally.get(what) ?? 0) + 1);
  const silent: string[] = [];
  /** Files that LevelDB does not need: their damage is not to be taken for another. */
  const odd = new Set<string>();
  let bytes = 0;
  for (const shape of SHAPES) {
    const folder = join(work, shape);
    await writeStore(folder, rig, shape);
    bytes += readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    const whole = await judgeOne(work, folder);
    t.regex(whole, /^rows /, shape);
    const flips = drawFlips(folder, Math.ceil(FLIPS / SHAPES.length), new Prng(7));
    const next = (): Spoilt | undefined => {
      const flip = flips.pop();
      return flip && flipped(folder, ...flip);
    };
    await judgeAll(work, next, ({name}, said) => {
      const fate = fateOf(said, whole);
      if (fate === 'silent') silent.push(`${shape} ${name}: ${said} in place of ${whole}`);
      if (fate === 'detected' && /^(LOG|HEAD)/.test(name)) odd.add(`${shape} ${name}: ${said}`);
      if (said.includes('the process died')) count('detected by its death');
      count(`${kindOf(name)} ${fate}`);
      count(fate);
    });
  }
  t.log(`stores of ${bytes} bytes together, ${rig.commits.length} commits`);
  t.log([...tally].map(([what, times]) => `${what}: ${times}`).join(', '));
  t.deepEqual(silent, []);
  t.deepEqual([...odd], []);
  t.true((tally.get('detected') ?? 0) > FLIPS / 2, 'most of a store matters');
});

/** Length of the log and bytes of the witness after each commit, number 0 first. */
type Moment = {readonly logBytes: number; readonly witness: Uint8Array};

async function writeMoments(folder: string): Promise<Moment[]> {
  const {rig} = loadedRig({workunits: 600, nodes: 4, rounds: 12});
  const store = await openLevelStore(folder, {writeBufferBytes: 64 * 1_024 * 1_024});
  const log = join(folder, readdirSync(folder).find(name => name.endsWith('.log')) ?? '');
  const look = (): Moment => ({
    logBytes: statSync(log).size,
    witness: new Uint8Array(readFileSync(join(folder, WITNESS_FILE))),
  });
  const moments = [look()];
  await writeAll(store, rig.commits, () => moments.push(look()));
  await store.close();
  return moments;
}

const TAILS = ['nothing', 'zeros', 'garbage'] as const;

/** What a power cut may leave: all that was synced, then anything. */
function cutImage(log: Uint8Array, moments: readonly Moment[], prng: Prng) {
  const acknowledged = prng.below(moments.length - 1);
  const durable = moments[acknowledged]?.logBytes ?? 0;
  const next = moments[acknowledged + 1]?.logBytes ?? log.length;
  const cut = durable + prng.below(next - durable + 1);
  const tail = TAILS[prng.below(TAILS.length)] ?? 'nothing';
  const more = tail === 'nothing' ? 0 : prng.below(8_192);
  const bytes = new Uint8Array(cut + more);
  bytes.set(log.subarray(0, cut));
  if (tail === 'garbage') for (let i = cut; i < bytes.length; i++) bytes[i] = prng.below(256);
  // The witness is not synced: any that was written before may be the one on the disk.
  const witness = moments[prng.below(acknowledged + 1)]?.witness ?? new Uint8Array();
  return {acknowledged, tail, bytes, witness};
}

test('what a power cut leaves of the log holds every acknowledged commit, or is refused', async t => {
  t.timeout(NIGHTLY ? 600_000 : 120_000);
  const work = workFolder(t);
  const folder = join(work, 'cut');
  const moments = await writeMoments(folder);
  const name = readdirSync(folder).find(each => each.endsWith('.log')) ?? '';
  const log = new Uint8Array(readFileSync(join(folder, name)));
  const prng = new Prng(11);
  const judge = new Judge();
  const fates = new Map<string, number>();
  for (let i = 0; i < IMAGES; i++) {
    const {acknowledged, tail, bytes, witness} = cutImage(log, moments, prng);
    const copy = join(work, `cut${i}`);
    await copyWith(folder, copy, name, bytes);
    writeFileSync(join(copy, WITNESS_FILE), witness);
    const said = await judge.ask(copy);
    const journalNo = Number(/^rows (\d+) /.exec(said)?.[1] ?? Number.NaN);
    const fate = said.startsWith('detected') ? 'refused' : 'opened';
    fates.set(`${tail}, ${fate}`, (fates.get(`${tail}, ${fate}`) ?? 0) + 1);
    if (fate === 'opened')
      t.true(journalNo >= acknowledged, `${acknowledged} acknowledged, ${journalNo} there`);
    rmSync(copy, {recursive: true});
  }
  judge.close();
  t.log(`${IMAGES} images: ${[...fates].map(([fate, times]) => `${fate} ${times}`).join('; ')}`);
  const refused = [...fates].filter(([fate]) => fate.endsWith('refused'));
  t.deepEqual(refused, [], 'a power cut on an honest disk needs nobody');
});
