/** What took work to make and may be wanted again, by its key. */

export interface Recent<T> {
  get(key: string): T | undefined;
  set(key: string, it: T): void;
}

/** What nobody has asked for the longest goes when all is larger than `most`. */
export function createRecent<T>(most: number, sizeOf: (key: string, it: T) => number): Recent<T> {
  const kept = new Map<string, T>();
  let size = 0;
  const forget = (key: string): void => {
    const it = kept.get(key);
    if (it !== undefined && kept.delete(key)) size -= sizeOf(key, it);
  };
  return {
    get(key) {
      const it = kept.get(key);
      if (it === undefined) return undefined;
      // The map begins with what nobody has asked for the longest.
      kept.delete(key);
      kept.set(key, it);
      return it;
    },
    set(key, it) {
      forget(key);
      kept.set(key, it);
      size += sizeOf(key, it);
      for (const oldest of kept.keys()) {
        if (size <= most) break;
        forget(oldest);
      }
    },
  };
}

/** What `make` gives of a key, made once as long as it is among the `most` keys that were asked for last. */
export function remembered<T>(most: number, make: (key: string) => T): (key: string) => T {
  const recent = createRecent<T>(most, () => 1);
  return (key) => {
    const known = recent.get(key);
    if (known !== undefined) return known;
    const made = make(key);
    recent.set(key, made);
    return made;
  };
}
