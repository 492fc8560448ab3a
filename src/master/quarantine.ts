// Who is kept from the work of an app, and how he comes back. Pure: values in, values out.
//
//   free ── 3 wrong results, or 8 errors, in a row ──▶ benched ── its time is over ──▶ on probation
//     ▲                                                    ▲                              │
//     │                                                    └──── anything else ───────────┤ one workunit
//     └──────────────────────────── agreed ───────────────────────────────────────────────┘ at a time
//
// Only workunits that came to a canonical result count: there others did what this node did not. An app that
// fails everywhere blames nobody. Each bench is twice as long as the one before, up to a day; 64 results in a
// row that agree make it a first one again.

import {DAY_MS, MINUTE_MS} from '../base/units.ts';

/** What a node's part in a decided workunit was. */
export type Outcome = 'agreed' | 'disagreed' | 'erred';

/** Of one node with one app. */
export type Conduct = {
  /** In a row, without a result that agreed between them. */
  readonly disagreed: number;
  readonly erred: number;
  readonly agreed: number;
  /** Benches since it was last trusted. */
  readonly times: number;
  /** '' = free. */
  readonly reason: string;
  readonly since: number;
  /** End of the bench; it is on probation from then on. */
  readonly until: number;
};

export const DISAGREED_MAX = 3;
export const ERRED_MAX = 8;
const TRUSTED_AGAIN = 64;
const BENCH_MS_MIN = 10 * MINUTE_MS;
const BENCH_MS_MAX = DAY_MS;

export const FREE: Conduct = {
  disagreed: 0,
  erred: 0,
  agreed: 0,
  times: 0,
  reason: '',
  since: 0,
  until: 0,
};

export type Standing = 'free' | 'benched' | 'probation';

export function standingOf({reason, until}: Conduct, now: number): Standing {
  if (reason === '') return 'free';
  return now < until ? 'benched' : 'probation';
}

/** The conduct after one more outcome. @param now of the cluster's clock, ms */
export function judge(before: Conduct, outcome: Outcome, now: number): Conduct {
  if (standingOf(before, now) === 'benched') return before; // of work that it had before
  if (outcome === 'agreed') return agreedOnce(before);
  const after = {
    ...before,
    agreed: 0,
    disagreed: before.disagreed + (outcome === 'disagreed' ? 1 : 0),
    erred: before.erred + (outcome === 'erred' ? 1 : 0),
  };
  const reason = reasonOf(before, after, outcome);
  return reason === undefined ? after : benched(after, reason, now);
}

function agreedOnce(before: Conduct): Conduct {
  const agreed = before.agreed + 1;
  if (agreed >= TRUSTED_AGAIN) return FREE;
  return {...FREE, agreed, times: before.times};
}

function reasonOf(before: Conduct, after: Conduct, outcome: Outcome): string | undefined {
  if (before.reason !== '')
    return outcome === 'disagreed' ? 'wrong again on probation' : 'an error again on probation';
  if (after.disagreed >= DISAGREED_MAX)
    return `${after.disagreed} results in a row that others contradict`;
  if (after.erred >= ERRED_MAX) return `${after.erred} errors in a row where others had results`;
  return undefined;
}

function benched(before: Conduct, reason: string, now: number): Conduct {
  const ms = Math.min(BENCH_MS_MAX, BENCH_MS_MIN * 2 ** Math.min(before.times, 30));
  const times = before.times + 1;
  return {disagreed: 0, erred: 0, agreed: 0, times, reason, since: now, until: now + ms};
}
