import { expect, test } from "bun:test";
import { merge } from "../../src/core/message-processor";

/** A source whose items come when `give` says so. */
function source<T>() {
  const waiting: ((result: IteratorResult<T>) => void)[] = [];
  const state = { asked: 0, isReturned: false };
  const answer = (result: IteratorResult<T>) => waiting.shift()?.(result);
  const iterable: AsyncIterable<T> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        state.asked++;
        return new Promise((resolve) => waiting.push(resolve));
      },
      return: async () => {
        state.isReturned = true;
        return { done: true, value: undefined };
      },
    }),
  };
  const give = (value: T) => answer({ done: false, value });
  const end = () => answer({ done: true, value: undefined });
  return { iterable, state, give, end };
}

async function* counting(letter: string, count: number): AsyncGenerator<string> {
  for (let number = 1; number <= count; number++) yield `${letter}${number}`;
}

test("gives every item of every source, those of one source in their order", async () => {
  const items = await Array.fromAsync(merge([counting("a", 50), counting("b", 3), counting("c", 20)]));
  expect(items).toHaveLength(73);
  for (const letter of "abc") {
    const own = items.filter((item) => item.startsWith(letter));
    expect(own).toEqual(own.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1))));
  }
});

test("no sources are an end at once", async () => {
  expect(await Array.fromAsync(merge([]))).toEqual([]);
});

test("gives each item as soon as its source has it, whichever source that is", async () => {
  const [a, b] = [source<string>(), source<string>()];
  const merged = merge([a.iterable, b.iterable]);
  let next = merged.next();
  b.give("b1");
  expect((await next).value).toBe("b1");
  next = merged.next();
  b.give("b2");
  expect((await next).value).toBe("b2");
  next = merged.next();
  a.give("a1");
  expect((await next).value).toBe("a1");
  next = merged.next();
  a.end();
  b.end();
  expect((await next).done).toBe(true);
});

test("a source that is always ready does not keep others from being heard", async () => {
  const items: string[] = [];
  for await (const item of merge([counting("a", 1000), counting("b", 1)])) items.push(item);
  expect(items.indexOf("b1")).toBeLessThan(10);
});

test("a reader that leaves early ends every source, and does not wait for one that is stuck", async () => {
  const [open, stuck] = [source<string>(), source<string>()];
  let isCleaned = false;
  const cleaning = async function* () {
    try {
      for (;;) yield "item";
    } finally {
      isCleaned = true;
    }
  };
  for await (const _ of merge([cleaning(), open.iterable, stuck.iterable])) break;
  expect([isCleaned, open.state.isReturned, stuck.state.isReturned]).toEqual([true, true, true]);
});

test("a generator that never gives an item and never ends does not hold up who leaves", async () => {
  const endless = async function* (): AsyncGenerator<string> {
    await new Promise(() => {});
  };
  const items: string[] = [];
  for await (const item of merge([endless(), counting("a", 2)])) {
    items.push(item);
    if (items.length === 2) break;
  }
  expect(items).toEqual(["a1", "a2"]);
});

test("a source that throws ends it with that error, after what came before, and the others are ended", async () => {
  const other = source<string>();
  const failing = async function* () {
    yield "before";
    throw new Error("broken");
  };
  const items: string[] = [];
  const reading = (async () => {
    for await (const item of merge([other.iterable, failing()])) items.push(item);
  })();
  await expect(reading).rejects.toThrow("broken");
  expect(items).toEqual(["before"]);
  expect(other.state.isReturned).toBe(true);
});

test("asks a source for its next item only when the one before was taken", async () => {
  const fast = source<string>();
  const merged = merge([fast.iterable]);
  const next = merged.next();
  fast.give("one");
  await next;
  expect(fast.state.asked).toBe(1);
});
