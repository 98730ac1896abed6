/**
 * Work that many ask for at once is done once for all of them: who asks while it is under way waits for the next time,
 * which begins after they asked, so that nobody is given what is older than the question.
 */

export interface Together<T> {
  /** What `work` gives, which begins after this call and is shared with all who ask for the same key until then. */
  ask(key: string, work: () => Promise<T>): Promise<T>;
}

export function createTogether<T>(): Together<T> {
  const working = new Map<string, Promise<T>>();
  const next = new Map<string, Promise<T>>();

  const begin = (key: string, work: () => Promise<T>): Promise<T> => {
    const result = work().finally(() => {
      if (working.get(key) === result) working.delete(key);
    });
    working.set(key, result);
    return result;
  };

  return {
    ask(key, work) {
      const current = working.get(key);
      if (!current) return begin(key, work);
      const waiting = next.get(key);
      if (waiting) return waiting;
      const result = current
        .catch(() => {})
        .then(() => {
          next.delete(key);
          return begin(key, work);
        });
      next.set(key, result);
      return result;
    },
  };
}
