/** Work that is done one after the other for each key, a user's name as a rule, and beside that of all others. */

export interface Queues {
  /** Settles as the job does, which begins when all have settled that were given before. */
  run<Result>(key: string, job: () => Promise<Result>): Promise<Result>;
}

export function createQueues(): Queues {
  /** Settles with the last job of each. */
  const ends = new Map<string, Promise<void>>();
  return {
    run(key, job) {
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
