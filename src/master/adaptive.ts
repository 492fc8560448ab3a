// Adaptive replication: whose single result counts without a second one, and how often it is checked all the same.
// Pure: numbers in, numbers out.
//
// After BOINC (AdaptiveReplication, sched/sched_version.cpp): a node is trusted with an app after so many validated
// results in a row, and then checked with a probability that falls as 1/n. Two things are mended. BOINC decides before
// the work is done and takes each single result at once; here single results wait in escrow, and one of each
// group, chosen after they came and by dice that no node can foresee, is computed by others too. If it agrees the
// group counts; if not all of the node that still waits is computed by others. And the probability has a floor.

import type {Policy} from '../core/policy.ts';

/** Validated results in a row, with one app, that make a node trusted with it. */
export const TRUSTED_AFTER = 10;
/** However long a node was right, one result of so many is checked: 5 %. */
const PER_CHECK_MAX = 20;

type Adaptive = Pick<Policy, 'trustAfter' | 'checkEvery'>;

export const isTrusted = (
  validatedInRow: number,
  {trustAfter = TRUSTED_AFTER}: Adaptive,
): boolean => validatedInRow >= trustAfter;

/** Results of a trusted node of which one is checked: by default 10 … 20. */
export const perCheck = (validatedInRow: number, {checkEvery = PER_CHECK_MAX}: Adaptive): number =>
  Math.min(checkEvery, Math.max(1, validatedInRow));

/** Whether a canonical result of such a batch may rest on one node alone: then a revocation looks through them. */
export const mayStandAlone = ({minQuorum, redundancy}: Policy): boolean =>
  minQuorum === 1 || redundancy === 'adaptive';
