import { expect, test } from "bun:test";
import { createLog } from "../../../src/basics/log";
import { createCollections, type FoldPauses } from "../../../src/core/store/collections";
import { openDatabase, type StoreDatabase } from "../../../src/core/store/database";
import { type CollectionKey, createStaging } from "../../../src/core/store/staging";
import { createCheckpoints } from "../../../src/core/store/writer";
import { createWriteQueue } from "../../../src/core/store/writes";
import { createRandom } from "../../support/random";
import { temporaryFolder, testConfig } from "../../support/temporary";
import { until } from "../../support/until";

function openItems(folder: string, pauses?: FoldPauses, logged: () => void = () => {}) {
  const database = openDatabase(testConfig(folder));
  database.exec(
    "CREATE TABLE IF NOT EXISTS logs (_row INTEGER PRIMARY KEY, _owner TEXT, id TEXT, UNIQUE (_owner, id))",
  );
  database.exec(`CREATE TABLE IF NOT EXISTS "logs.items" (
    record INTEGER NOT NULL REFERENCES logs (_row) ON DELETE CASCADE, field TEXT, position INTEGER, value TEXT,
    PRIMARY KEY (record, field, position)
  ) WITHOUT ROWID`);
  createStaging(database);
  database.serve();
  const log = createLog("error", logged);
  const checkpoints = createCheckpoints(database.path, log);
  const queue = createWriteQueue(database, checkpoints.written);
  const collections = createCollections({ database, writes: queue, checkpoints, log, windowMs: 0 }, pauses);
  const append = (id: string, field: string, ...values: string[]) =>
    collections.append({ ...place(id, field), where: ANY, lines: values.join("\n"), count: values.length });
  const read = (id: string, field: string, from = 0, limit = -1) => collections.read(place(id, field), from, limit);
  const add = (id: string) => queue.write(() => database.run("INSERT INTO logs (_owner, id) VALUES ('ann', ?)", id));
  const remove = (id: string) =>
    queue.write(() => {
      const row = Number(database.first("SELECT _row FROM logs WHERE id = ?", id)?._row);
      database.run("DELETE FROM logs WHERE _row = ?", row);
      collections.forget("logs", row);
      return row;
    });
  const close = async () => {
    await collections.close();
    await queue.drained();
    await checkpoints.close();
    database.close();
  };
  return { database, queue, collections, append, read, add, remove, close };
}

const ANY = { sql: "", values: [] };

function place(id: string, field: string): CollectionKey {
  return { store: "logs", owner: "ann", id, field };
}

function stagedCount(database: StoreDatabase): number {
  return Number(database.first("SELECT count(*) AS count FROM _staged")?.count);
}

test("items are read once and in order, wherever they lie and whichever process folded them", async () => {
  const random = createRandom(7);
  for (let round = 0; round < 20; round++) {
    const folder = temporaryFolder();
    const processes = [openItems(folder), openItems(folder)] as const;
    const pick = () => processes[random.integer(0, 1) as 0 | 1];
    const expected = new Map<string, string[]>();
    for (const id of ["a", "b", "c"]) await pick().add(id);
    const folding: Promise<void>[] = [];
    for (let n = 0; n < 150; n++) {
      const id = ["a", "b", "c"][random.integer(0, 2)] ?? "a";
      const field = random.integer(0, 1) === 0 ? "text" : "other";
      const values = Array.from({ length: random.integer(0, 3) }, (_, at) => `"${n}.${at}"`);
      await pick().append(id, field, ...values);
      expected.set(`${id}.${field}`, [...(expected.get(`${id}.${field}`) ?? []), ...values]);
      // Not waited for: appends and reads go on while two of them move the same items.
      if (random.chance(0.1)) folding.push(pick().collections.fold());
      const [from, limit] = [random.integer(0, 19), random.integer(0, 19)];
      const items = expected.get(`${id}.${field}`) ?? [];
      expect(pick().read(id, field)).toEqual(items);
      expect(pick().read(id, field, from, limit)).toEqual(items.slice(from, from + limit));
    }
    await Promise.all(folding);
    await pick().collections.fold();
    expect(stagedCount(processes[0].database)).toBe(1);
    for (const [key, items] of expected) {
      const [id = "", field = ""] = key.split(".");
      expect(pick().read(id, field)).toEqual(items);
    }
    for (const { close } of processes) await close();
  }
});

test("a record that gets the row of a deleted one has none of its items", async () => {
  const { database, collections, append, read, add, remove, close } = openItems(temporaryFolder());
  await add("first");
  await append("first", "text", "1", "2");
  const folding = collections.fold();
  const row = await remove("first");
  await add("second");
  expect(database.first("SELECT _row FROM logs WHERE id = 'second'")).toEqual({ _row: row });
  await append("second", "text", "3");
  expect(read("second", "text")).toEqual(["3"]);
  await folding;
  await collections.fold();
  expect(read("second", "text")).toEqual(["3"]);
  await close();
});

test("a file of a version that staged a row per item goes on, with what that version had not moved yet", async () => {
  const folder = temporaryFolder();
  const before = openItems(folder);
  await before.add("1");
  before.database.exec("DROP TABLE _staged");
  before.database.exec(`CREATE TABLE _appended (
    n INTEGER PRIMARY KEY, store TEXT NOT NULL, record INTEGER NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL
  ) STRICT`);
  for (const n of [7, 8]) before.database.run(`INSERT INTO "logs.items" VALUES (1, 'text', ?, ?)`, n, `${n}`);
  // One that was moved and not removed, one of a record that was deleted, two that were not moved.
  const rows = [
    [8, 1],
    [9, 0],
    [10, 1],
    [11, 1],
  ] as const;
  for (const [n, record] of rows)
    before.database.run("INSERT INTO _appended VALUES (?, 'logs', ?, 'text', ?)", n, record, `${n}`);
  await before.close();
  const { append, read, collections, close } = openItems(folder);
  expect(read("1", "text")).toEqual(["7", "8", "10", "11"]);
  await append("1", "text", "12");
  await collections.fold();
  expect(read("1", "text")).toEqual(["7", "8", "10", "11", "12"]);
  await close();
});

test("moving many items lets the loop go on, and ends soon when the store is closed", async () => {
  const { collections, append, add, read, database, close } = openItems(temporaryFolder());
  const values = Array.from({ length: 10_000 }, (_, n) => `${n}`);
  await add("1");
  await append("1", "text", ...values);
  let turns = 0;
  const ticking = setInterval(() => turns++, 1);
  await collections.fold();
  clearInterval(ticking);
  expect(turns).toBeGreaterThan(5);
  expect(stagedCount(database)).toBe(1);
  await append("1", "text", ...values);
  const folding = collections.fold();
  await collections.close();
  await folding;
  expect(read("1", "text")).toEqual([...values, ...values]);
  expect(stagedCount(database)).toBe(2);
  await close();
});

test("items that could not be moved because the disk was full are moved once there is room, without another append", async () => {
  const failed = Promise.withResolvers<void>();
  const pauses = { foldMs: 5, againMs: 20 };
  const { database, append, read, add, close } = openItems(temporaryFolder(), pauses, failed.resolve);
  await add("1");
  const values = Array.from({ length: 20 }, (_, n) => JSON.stringify(`${n}`.repeat(500)));
  database.exec("CREATE TABLE ballast (bytes BLOB)");
  const pages = () => Number(database.first("PRAGMA page_count")?.page_count);
  const folded = () => Number(database.first(`SELECT count(*) AS n FROM "logs.items"`)?.n);
  await append("1", "text", ...values);
  database.exec(`PRAGMA max_page_count = ${pages()}`);
  await failed.promise;
  expect(folded()).toBe(0);
  database.exec(`PRAGMA max_page_count = ${pages() + 100}`);
  await until(() => folded() === values.length);
  expect(read("1", "text")).toEqual(values);
  await close();
});
