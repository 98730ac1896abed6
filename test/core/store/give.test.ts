import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { StoreProtocol } from "../../../src/protocols";
import { projectFolder } from "../../support/project";
import { temporaryFolder } from "../../support/temporary";
import { openStore } from "./support";

const NOTES = { n: "int", text: { type: "str", search: true } } as const;

async function fill(store: StoreProtocol, from: number, to: number, ownerOf: (n: number) => string): Promise<void> {
  await store.createStoreIfNotExists("notes", NOTES);
  for (let at = from; at < to; at += 500) {
    const some = Array.from({ length: Math.min(500, to - at) }, (_, n) => at + n);
    await Promise.all(some.map((n) => store.add(ownerOf(n), "notes", { n, text: `word of ${ownerOf(n)}` })));
  }
}

/** How many records of the owner are in each block of the search index. */
function blocksOf(folder: string, owner: string): number[] {
  const database = new Database(join(folder, "skeleton.db"), { readonly: true });
  const firsts = database
    .query<{ first: number }, [string]>('SELECT first FROM "notes.blocks" WHERE owner = ? ORDER BY first')
    .all(owner)
    .map(({ first }) => first);
  const counts = firsts.map((first, at) => {
    const sql = "SELECT count(*) AS n FROM notes WHERE _owner = ? AND _row >= ? AND _row < ?";
    const end = firsts[at + 1] ?? Number.MAX_SAFE_INTEGER;
    return database.query<{ n: number }, [string, number, number]>(sql).get(owner, first, end)?.n ?? 0;
  });
  database.close();
  return counts;
}

test("thousands that come between those of another are found newest first, in blocks of the usual size", async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  // One of ann's to nine of bob's, so that all of bob's come into one or two of her blocks.
  await fill(store, 0, 4000, (n) => (n % 10 === 0 ? "ann" : "bob"));
  expect(await store.give?.("bob", "ann", "notes")).toBe(3600);
  const found = await store.fullTextSearch("ann", "notes", "word", { limit: 4000, select: ["n"] });
  expect(found.map(({ n }) => n)).toEqual(Array.from({ length: 4000 }, (_, n) => 3999 - n));
  const blocks = blocksOf(folder, "ann");
  expect(blocks.reduce((sum, count) => sum + count)).toBe(4000);
  expect(Math.max(...blocks)).toBeLessThanOrEqual(2000);
  expect(blocksOf(folder, "bob")).toEqual([]);
  await fill(store, 4000, 4001, () => "ann");
  expect((await store.fullTextSearch("ann", "notes", "word", { limit: 1 }))[0]?.n).toBe(4000);
}, 20_000);

test("long texts that come between those of another are split into blocks of few", async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  await store.createStoreIfNotExists("notes", NOTES);
  const text = "word ".repeat(2000);
  for (let n = 0; n < 100; n++) await store.add(n % 10 === 0 ? "ann" : "bob", "notes", { n, text });
  await store.give?.("bob", "ann", "notes");
  const found = await store.fullTextSearch("ann", "notes", "word", { limit: 100, select: ["n"] });
  expect(found.map(({ n }) => n)).toEqual(Array.from({ length: 100 }, (_, n) => 99 - n));
  expect(Math.max(...blocksOf(folder, "ann"))).toBeLessThanOrEqual(40);
});

test("others read and write while much is given, and what the giver still writes goes along", async () => {
  const folder = temporaryFolder();
  const [store, server] = [openStore(folder), openStore(folder)];
  await fill(store, 0, 3000, () => "bob");
  const waits: number[] = [];
  let isDone = false;
  const giving = (store.give?.("bob", "ann", "notes") ?? Promise.resolve(0)).finally(() => {
    isDone = true;
  });
  for (let n = 0; !isDone; n++) {
    const begun = performance.now();
    await server.add(n === 3 ? "bob" : "eve", "notes", { n, text: "meanwhile" });
    waits.push(performance.now() - begun);
  }
  expect(await giving).toBe(3000);
  expect(await store.count("bob", "notes")).toBe(0);
  expect(await store.count("ann", "notes")).toBe(3001);
  // Were all given in one write, there would be one long wait.
  expect(waits.length).toBeGreaterThan(20);
}, 20_000);

test("what a process that died has given stays given, and the next one gives the rest", async () => {
  const folder = temporaryFolder();
  await fill(openStore(folder), 0, 3000, () => "bob");
  const source = JSON.stringify(join(projectFolder, "src/core/store/index.ts"));
  const config = { mode: "persistent", dataPath: folder };
  const script = `
    const { createStore } = await import(${source});
    const store = createStore({ config: ${JSON.stringify(config)}, log: { info() {}, warn() {}, error() {} } });
    void store.give("bob", "ann", "notes");
    while ((await store.count("ann", "notes")) < 500) await Bun.sleep(1);
    process.kill(process.pid, "SIGKILL");`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "ignore", stderr: "ignore" });
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  const store = openStore(folder);
  const [given, left] = [await store.count("ann", "notes"), await store.count("bob", "notes")];
  expect(given + left).toBe(3000);
  expect(left).toBeGreaterThan(0);
  expect(await store.give?.("bob", "ann", "notes")).toBe(left);
  const found = await store.fullTextSearch("ann", "notes", "word", { limit: 3001, select: ["n"] });
  expect(found.map(({ n }) => n)).toEqual(Array.from({ length: 3000 }, (_, n) => 2999 - n));
}, 20_000);
