// What the operator of a seed does with keys and apps, and who forges them. Dice of its own: what the seed draws
// beside it stays.

import {Prng} from '../base/prng.ts';
import {between} from './dice.ts';

export type KeyChange =
  /** A new app key beside the old one, and the app signed anew. */
  | 'app'
  /** The app keys beside the newest are named no longer, once its app is published. */
  | 'drop'
  | 'root'
  /** A newer version of the app. */
  | 'release';

export type KeyPlan = {
  readonly changes: readonly {readonly at: number; readonly what: KeyChange}[];
  /** Until the master is started with what the root signed, on average. Milliseconds. */
  readonly restartMs: number;
  /** Batches of an app whose key is dropped are cancelled; else those that may fail soon are left to fail. */
  readonly isTidy: boolean;
  /** An old backup of the master's folder holds the trust document of its day too. */
  readonly backupHasTrust: boolean;
  /** Mean time between two deeds of somebody who forges trust documents and apps; 0 = nobody. */
  readonly forgeMs: number;
  /** Share of the blobs of apps that come to a node as something else. */
  readonly tamper: number;
  /** How long a blob of an app is on its way, on average. Milliseconds. */
  readonly transferMs: number;
};

/** Any number: it only keeps these dice from others of the same seed. */
const SALT = 0xa99;
const SECOND_MS = 1_000;

/** Mostly what people do: a new key, the app under it, and then the old key goes. */
const STORIES: readonly (readonly KeyChange[])[] = [
  ['app', 'drop'],
  ['app', 'drop'],
  ['app', 'root', 'drop'],
  ['root', 'app', 'drop', 'release'],
  ['release', 'app', 'release', 'drop'],
  ['app', 'drop', 'app', 'drop'],
  ['root', 'root', 'app'],
  ['app', 'app', 'app', 'drop', 'root'],
  ['release', 'release'],
];

/** Nothing in half of the seeds. */
export function drawKeys(seed: number, safetyMs: number): KeyPlan | undefined {
  const prng = new Prng(seed ^ SALT);
  if (prng.chance(0.5)) return undefined;
  const story = prng.pick(STORIES);
  const times = story.map(() => SECOND_MS + prng.fraction() * safetyMs * 0.9).sort((a, b) => a - b);
  return {
    changes: story.map((what, i) => ({at: times[i] ?? 0, what})),
    restartMs: prng.fraction() * 4 * SECOND_MS,
    isTidy: prng.chance(0.5),
    backupHasTrust: prng.chance(0.5),
    forgeMs: prng.chance(0.6) ? between(prng, 200, 2_000) : 0,
    tamper: prng.chance(0.5) ? prng.fraction() * 0.3 : 0,
    transferMs: prng.chance(0.5) ? prng.fraction() * 2 * SECOND_MS : 20,
  };
}
