// Tables that grow by what others say keep only their newest entries.

/** A Map or a Set: both walk their keys in the order in which they came in. */
type Entries<K> = {
  readonly size: number;
  keys(): IterableIterator<K>;
  delete(key: K): boolean;
};

/** Takes the oldest entries away until no more than `most` are left; `onDropped` is told each of them. */
export function keepNewest<K>(
  entries: Entries<K>,
  most: number,
  onDropped?: (key: K) => void,
): void {
  if (entries.size <= most) return;
  for (const oldest of entries.keys()) {
    entries.delete(oldest);
    onDropped?.(oldest);
    if (entries.size <= most) return;
  }
}
