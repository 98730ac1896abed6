/** Work that is done one after the other, or a few at a time. */

export function createQueues() {
  /** Settles with the last job of each. */
  const ends = new Map<string, Promise<void>>();
  return {
    /** Settles as the job does, which begins when all have settled that were given before under the same key, a user's name as a rule. */
    run<Result>(key: string, job: () => Promise<Result>): Promise<Result> {
      const done = (ends.get(key) ?? Promise.resolve()).then(job);
      const end = done.then(
        () => {},
        () => {},
      );
      ends.set(key, end);
      void end.then(() => ends.get(key) === end && ends.delete(key));
      return done;
    },
  };
}

/** So many jobs at a time, in the order they came, and one of each key: a hundred of one user hold nobody else up. */
export function createLanes(count: number) {
  const line: { readonly key: unknown; readonly begin: () => void }[] = [];
  const busy = new Set<unknown>();

  const beginNext = (): void => {
    if (busy.size >= count) return;
    const at = line.findIndex(({ key }) => !busy.has(key));
    const [next] = at < 0 ? [] : line.splice(at, 1);
    if (!next) return;
    busy.add(next.key);
    next.begin();
  };

  return {
    /** How many jobs have not begun. */
    waiting: () => line.length,
    /** Settles as the job does, which begins when a lane is free and no other job of the same key is at work. */
    async run<Result>(key: unknown, job: () => Promise<Result>): Promise<Result> {
      const { promise, resolve } = Promise.withResolvers<void>();
      line.push({ key, begin: resolve });
      beginNext();
      await promise;
      try {
        return await job();
      } finally {
        busy.delete(key);
        beginNext();
      }
    },
  };
}
