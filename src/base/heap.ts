/**
 * Binary min-heap by a number. Equal numbers come out in the order they went in, so that a simulated
 * run has one total order.
 */
export class Heap<T> {
  readonly #items: {at: number; order: number; value: T}[] = [];
  #order = 0;

  get size(): number {
    return this.#items.length;
  }

  peekAt(): number {
    return this.#items[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  peek(): T | undefined {
    return this.#items[0]?.value;
  }

  push(at: number, value: T): void {
    const item = {at, order: this.#order++, value};
    const items = this.#items;
    let i = items.length;
    items.push(item);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = items[up];
      if (parent === undefined || !before(item, parent)) break;
      items[i] = parent;
      i = up;
    }
    items[i] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first?.value;
    let i = 0;
    for (;;) {
      let down = 2 * i + 1;
      let child = items[down];
      const right = items[down + 1];
      if (child === undefined) break;
      if (right !== undefined && before(right, child)) {
        down += 1;
        child = right;
      }
      if (!before(child, last)) break;
      items[i] = child;
      i = down;
    }
    items[i] = last;
    return first.value;
  }
}

type Entry = {readonly at: number; readonly order: number};
const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
