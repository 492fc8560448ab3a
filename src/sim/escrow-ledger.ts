// What single results may be taken on: as many of a node with an app as checks that it passed allow, and none before
// it was right so often, or after it was wrong. The numbers are written down here once more, not shared with
// the master: 10 in a row, and 20 for each check.

import type {NodeId} from '../base/types.ts';
import {holds} from './fabric.ts';

const TRUSTED_AFTER = 10;
const PER_CHECK = 20;

type Account = {validatedInRow: number; singles: number; checks: number};

export class EscrowLedger {
  readonly #accounts = new Map<string, Account>();
  /** Of the commit under way, whose rows do not tell what came first: looked at when it is over. */
  #singles: (() => void)[] = [];
  #wrong: Account[] = [];
  readonly #right = new Set<string>();

  #of(nodeId: NodeId, appId: string): Account {
    const key = nodeId + appId;
    const found = this.#accounts.get(key);
    if (found) return found;
    const made = {validatedInRow: 0, singles: 0, checks: 0};
    this.#accounts.set(key, made);
    return made;
  }

  /** Several nodes computed it. */
  decided(appId: string, agreeing: ReadonlySet<NodeId>, disagreeing: ReadonlySet<NodeId>): void {
    for (const nodeId of agreeing) {
      const account = this.#of(nodeId, appId);
      account.validatedInRow += 1;
      account.checks += 1;
      this.#right.add(nodeId + appId);
    }
    for (const nodeId of disagreeing) this.#wrong.push(this.#of(nodeId, appId));
  }

  /** @param isAtOnce it is decided in the turn of its check: nothing has to be compared before */
  single(nodeId: NodeId, appId: string, name: string, isAtOnce: boolean): void {
    this.#singles.push(() => {
      const isRight = !isAtOnce || this.#right.has(nodeId + appId);
      holds(isRight, 'S2', () => `${name}: node ${nodeId} alone, and no check of it agrees`);
      this.#count(nodeId, appId, name);
    });
  }

  committed(): void {
    for (const count of this.#singles.splice(0)) count();
    this.#right.clear();
    for (const account of this.#wrong.splice(0))
      Object.assign(account, {validatedInRow: 0, singles: 0, checks: 0});
  }

  #count(nodeId: NodeId, appId: string, name: string): void {
    const account = this.#of(nodeId, appId);
    account.singles += 1;
    const {validatedInRow, singles, checks} = account;
    const story = (): string =>
      `${name}: node ${nodeId} alone, ${validatedInRow} validated, ${singles} singles of ${checks} checks`;
    holds(validatedInRow >= TRUSTED_AFTER, 'S2', story);
    holds(singles <= checks * PER_CHECK, 'S2', story);
  }
}
