// Who waits for something that many want and that one could take all of: the one who had the least of it so
// far comes first; what one wants itself goes in its own order.

export class FairQueue<T> {
  readonly #waiting = new Map<string, T[]>();
  readonly #spentMs = new Map<string, number>();

  push(who: string, item: T): void {
    const items = this.#waiting.get(who);
    if (items) items.push(item);
    else this.#waiting.set(who, [item]);
  }

  shift(): T | undefined {
    let next: string | undefined;
    for (const who of this.#waiting.keys())
      if (next === undefined || this.#spentBy(who) < this.#spentBy(next)) next = who;
    if (next === undefined) return undefined;
    const items = this.#waiting.get(next);
    const item = items?.shift();
    if (!items?.length) this.#waiting.delete(next);
    return item;
  }

  spent(who: string, ms: number): void {
    this.#spentMs.set(who, this.#spentBy(who) + ms);
  }

  clear(): void {
    this.#waiting.clear();
  }

  #spentBy(who: string): number {
    return this.#spentMs.get(who) ?? 0;
  }
}
