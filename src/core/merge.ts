/** Several async iterables as one, each item as soon as its source has it. */

export async function* merge<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const pending = new Map<AsyncIterator<T>, Promise<Arrival<T>>>();
  const ask = (iterator: AsyncIterator<T>) => {
    pending.set(
      iterator,
      iterator.next().then((result) => ({ iterator, result })),
    );
  };
  for (const source of sources) ask(source[Symbol.asyncIterator]());
  try {
    while (pending.size > 0) {
      const { iterator, result } = await Promise.race(pending.values());
      if (result.done) pending.delete(iterator);
      else {
        yield result.value;
        ask(iterator);
      }
    }
  } finally {
    // The reader left early, or a source threw: let the others clean up, without waiting for one that is stuck.
    for (const [iterator, next] of pending) {
      next.catch(() => {});
      iterator.return?.().then(undefined, () => {});
    }
  }
}

interface Arrival<T> {
  readonly iterator: AsyncIterator<T>;
  readonly result: IteratorResult<T>;
}
