// What a table has, or what is made for it now.

type Mapping<K, V> = {get(key: K): V | undefined; set(key: K, value: V): unknown};

export function getOr<K, V>(map: Mapping<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
