import { expect, test } from "bun:test";
import { openDatabase } from "../../../src/core/store/database";
import { createWriteQueue } from "../../../src/core/store/writes";
import { temporaryFolder, testConfig } from "../../support/temporary";

/** On a busy machine a group could be cut between two writes that are to fail together. */
function openQueue(groupMs = Number.POSITIVE_INFINITY) {
  const database = openDatabase(testConfig(temporaryFolder()));
  database.exec("CREATE TABLE parent (id INTEGER PRIMARY KEY)");
  database.exec("CREATE TABLE row (n INTEGER, parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)");
  const add = (n: number, parent: number | null = null) =>
    database.run("INSERT INTO row (n, parent) VALUES (?, ?)", n, parent);
  const kept = () => database.all("SELECT n FROM row ORDER BY n").map((row) => row.n);
  return { database, queue: createWriteQueue(database, () => {}, groupMs), add, kept };
}

function statuses(results: readonly PromiseSettledResult<unknown>[]): string {
  return results.map((result) => result.status).join(" ");
}

test("a write that throws halfway leaves nothing, and the writes around it stay", async () => {
  const { queue, add, kept } = openQueue();
  const results = await Promise.allSettled([
    queue.write(() => add(1)),
    queue.write(() => {
      add(2);
      throw new Error("halfway");
    }),
    queue.write(() => add(3)),
  ]);
  expect(statuses(results)).toBe("fulfilled rejected fulfilled");
  expect(kept()).toEqual([1, 3]);
});

test("nobody is told of success before the commit: when it fails, all of the group are told so", async () => {
  const { queue, add, kept } = openQueue();
  const results = await Promise.allSettled([queue.write(() => add(1)), queue.write(() => add(2, 99))]);
  expect(statuses(results)).toBe("rejected rejected");
  expect(kept()).toEqual([]);
  await queue.write(() => add(3));
  expect(kept()).toEqual([3]);
});

test("when SQLite ends the transaction itself, its group is told so and the next goes on", async () => {
  const { database, queue, add, kept } = openQueue();
  const results = await Promise.allSettled([
    queue.write(() => add(1)),
    queue.write(() => {
      database.run("ROLLBACK");
      throw new Error("disk full");
    }),
    queue.write(() => add(3)),
  ]);
  expect(statuses(results)).toBe("rejected rejected fulfilled");
  expect(kept()).toEqual([3]);
});

test("many writes of one tick share transactions, and are cut so that the loop goes on in between", async () => {
  const { queue, add, kept } = openQueue(2);
  let isDone = false;
  let turns = 0;
  const turning = (async () => {
    while (!isDone) {
      await new Promise(setImmediate);
      turns += 1;
    }
  })();
  await Promise.all(Array.from({ length: 20_000 }, (_, n) => queue.write(() => add(n))));
  isDone = true;
  await turning;
  expect(kept()).toHaveLength(20_000);
  expect(turns).toBeGreaterThan(4);
  expect(turns).toBeLessThan(2000);
});

test("writes happen in the order they were asked for", async () => {
  const { database, queue, add } = openQueue(2);
  await Promise.all(Array.from({ length: 3000 }, (_, n) => queue.write(() => add(n))));
  expect(database.all("SELECT n FROM row ORDER BY rowid").map((row) => row.n)).toEqual(
    Array.from({ length: 3000 }, (_, n) => n),
  );
});

test("the queue is drained when everything asked for has been told", async () => {
  const { queue, add, kept } = openQueue();
  await queue.drained();
  const told: number[] = [];
  for (let n = 0; n < 100; n += 1) void queue.write(() => add(n)).then(() => told.push(n));
  await queue.drained();
  expect(kept()).toHaveLength(100);
  expect(told).toHaveLength(100);
});

test("a full disk is told in a sentence, to those alone whose write needed room", async () => {
  const { database, queue, add, kept } = openQueue();
  const pages = Number(database.first("PRAGMA page_count")?.page_count);
  database.exec(`PRAGMA max_page_count = ${pages}`);
  const results = await Promise.allSettled([
    queue.write(() => add(1)),
    queue.write(() => database.exec("CREATE TABLE needs (room)")),
    queue.write(() => add(3)),
  ]);
  expect(statuses(results)).toBe("fulfilled rejected fulfilled");
  const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
  expect(refused).toEqual([expect.objectContaining({ name: "AppError", code: "unavailable" })]);
  expect(String(refused[0])).toContain("disk is full");
  expect(kept()).toEqual([1, 3]);
  database.exec(`PRAGMA max_page_count = ${pages + 10}`);
  await queue.write(() => database.exec("CREATE TABLE needs (room)"));
});
