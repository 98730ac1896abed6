import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { storeContract } from "../../../src/contracts/store";
import { temporaryFolder } from "../../support/temporary";
import { openStore, storeCore } from "./support";

describe("the store keeps its contract", () => {
  for (const { name, run } of storeContract) {
    test(`in a file: ${name}`, () => run(storeCore()));
    test(`in memory: ${name}`, () => run(storeCore(temporaryFolder(), { mode: "ephemeral" })));
  }
});

describe("the file", () => {
  test("holds what was acknowledged when it is opened again", async () => {
    const folder = temporaryFolder();
    const first = openStore(folder);
    await first.createStoreIfNotExists("notes", { text: { type: "str", search: true }, list: "json_collection" });
    await first.add("ann", "notes", { text: "kept" }, "1");
    await first.collectionAppend("ann", "notes", "1", "list", [1]);
    await first.close();
    const second = openStore(folder);
    expect(await second.get("ann", "notes", "1")).toEqual({ id: "1", text: "kept" });
    expect(await second.collectionGet("ann", "notes", "1", "list")).toEqual([1]);
    expect(await second.fullTextSearch("ann", "notes", "kept")).toHaveLength(1);
    await second.close();
  });

  test("is not there for an ephemeral server", async () => {
    const folder = temporaryFolder();
    const { store } = storeCore(folder, { mode: "ephemeral" });
    await store.createStoreIfNotExists("notes", { text: "str" });
    await store.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("is named when it cannot be opened", () => {
    const folder = temporaryFolder();
    writeFileSync(
      join(folder, "skeleton.db"),
      "this is a letter and no database, although it is long enough".repeat(20),
    );
    expect(() => openStore(folder)).toThrow(join(folder, "skeleton.db"));
  });

  test("is left without a write-ahead log when it is closed", async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    await store.createStoreIfNotExists("notes", { text: "str" });
    await store.close();
    expect(readdirSync(folder)).toEqual(["skeleton.db"]);
  });
});

describe("a change of a store", () => {
  test("is backed up before, and the backup has the data as it was", async () => {
    const folder = temporaryFolder();
    const lines: string[] = [];
    const { store } = storeCore(folder, {}, (_level, line) => lines.push(line));
    await store.createStoreIfNotExists("notes", { text: "str" });
    await store.add("ann", "notes", { text: "precious" }, "1");
    expect(backups(folder)).toEqual([]);
    await store.createStoreIfNotExists("notes", { text: "str", rank: "int" });
    const [backup = ""] = backups(folder);
    expect(lines.join("\n")).toContain(backup);
    const copy = new Database(join(folder, backup), { readonly: true });
    expect(copy.query("SELECT * FROM notes").all()).toEqual([{ _row: 1, _owner: "ann", id: "1", text: "precious" }]);
    copy.close();
    await store.close();
  });

  test("is not backed up when nothing changes", async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    await store.createStoreIfNotExists("notes", { text: "str" });
    await store.createStoreIfNotExists("notes", { text: "str" });
    await store.createStoreIfNotExists("others", { text: "str" });
    expect(backups(folder)).toEqual([]);
    await store.close();
  });

  test("leaves the newest three backups", async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const all: string[] = [];
    await store.createStoreIfNotExists("notes", { a0: "str" });
    for (let n = 1; n <= 5; n += 1) {
      await store.createStoreIfNotExists("notes", { [`a${n}`]: "str" });
      all.push(...backups(folder).filter((name) => !all.includes(name)));
      await Bun.sleep(2); // A backup is named after its millisecond.
    }
    expect(all).toHaveLength(5);
    expect(backups(folder)).toEqual(all.slice(-3));
    await store.close();
  });

  test("that would destroy is refused with tables, data and backups untouched", async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    await store.createStoreIfNotExists("notes", { text: "str", list: "json_collection" });
    await store.add("ann", "notes", { text: "precious" }, "1");
    const before = schemaOf(folder);
    for (const fields of [
      { fresh: "int", text: "int" },
      { fresh: "str", list: "json" },
    ] as const) {
      await expect(store.createStoreIfNotExists("notes", fields)).rejects.toThrow(
        /"notes" keeps the field "(text|list)" as/,
      );
    }
    expect(schemaOf(folder)).toEqual(before);
    expect(backups(folder)).toEqual([]);
    expect(await store.get("ann", "notes", "1")).toEqual({ id: "1", text: "precious" });
    await store.close();
  });

  test("by another store on the same file is seen at once", async () => {
    const folder = temporaryFolder();
    const [mine, theirs] = [openStore(folder), openStore(folder)];
    await mine.createStoreIfNotExists("notes", { text: "str" });
    await theirs.add("ann", "notes", { text: "written before" }, "1");
    await theirs.createStoreIfNotExists("notes", { text: { type: "str", search: true }, rank: "int" });
    await mine.add("ann", "notes", { text: "written after", rank: 1 }, "2");
    expect(await theirs.fullTextSearch("ann", "notes", "written")).toHaveLength(2);
    await mine.close();
    await theirs.close();
  });

  test("that makes thousands of old records searchable lets the loop go on meanwhile", async () => {
    const store = openStore(temporaryFolder());
    await store.createStoreIfNotExists("notes", { text: "str" });
    const text = "a sentence of some length ".repeat(20);
    await Promise.all(Array.from({ length: 3000 }, (_, n) => store.add("ann", "notes", { text: `${text} n${n}` })));
    let ticks = 0;
    const ticking = setInterval(() => {
      ticks += 1;
    }, 1);
    await store.createStoreIfNotExists("notes", { text: { type: "str", search: true } });
    clearInterval(ticking);
    expect(ticks).toBeGreaterThan(5);
    expect(await store.fullTextSearch("ann", "notes", "n0 sentence")).toHaveLength(1);
    expect(await store.fullTextSearch("ann", "notes", "n2999")).toHaveLength(1);
    await store.close();
  });
});

describe("the search index", () => {
  test("of an earlier form is made anew, after a backup", async () => {
    const folder = temporaryFolder();
    const fields = { text: { type: "str", search: true } } as const;
    const store = openStore(folder);
    await store.createStoreIfNotExists("notes", fields);
    await Promise.all(
      Array.from({ length: 2500 }, (_, n) => store.add("ann", "notes", { text: `n${n} word` }, `${n}`)),
    );
    await store.close();
    const database = new Database(join(folder, "skeleton.db"));
    database.run('DROP TABLE "notes.words"');
    database.run('DROP TABLE "notes.blocks"');
    database.run(`CREATE VIRTUAL TABLE "notes.search" USING fts5 (body, content = '', contentless_delete = 1)`);
    database.close();
    const again = openStore(folder);
    await again.createStoreIfNotExists("notes", fields);
    expect(backups(folder)).toHaveLength(1);
    expect((await again.fullTextSearch("ann", "notes", "n19")).map(({ id }) => id).at(0)).toBe("1999");
    await again.add("ann", "notes", { text: "n1 more" }, "more");
    expect((await again.fullTextSearch("ann", "notes", "n1 more")).map(({ id }) => id)).toEqual(["more"]);
    const all = (await again.fullTextSearch("ann", "notes", "word", { limit: 3000 })).map(({ id }) => Number(id));
    expect(all).toEqual(Array.from({ length: 2500 }, (_, n) => 2499 - n));
    await again.createStoreIfNotExists("notes", fields);
    expect(backups(folder)).toHaveLength(1);
    await again.close();
  });

  test("lets the loop go on while a word that begins thousands is searched", async () => {
    const store = openStore(temporaryFolder());
    await store.createStoreIfNotExists("notes", { text: { type: "str", search: true }, n: "int" });
    const text = (n: number) => Array.from({ length: 10 }, (_, word) => `word${(n * 7 + word * 13) % 5000}`).join(" ");
    await Promise.all(Array.from({ length: 8000 }, (_, n) => store.add("ann", "notes", { text: text(n), n })));
    let ticks = 0;
    let isOver = false;
    const tick = (): void => {
      ticks += 1;
      if (!isOver) setImmediate(tick);
    };
    tick();
    expect(await store.fullTextSearch("ann", "notes", "wor", { where: { n: -1 } })).toEqual([]);
    isOver = true;
    expect(ticks).toBeGreaterThan(4);
    await store.close();
  });
});

function backups(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.includes(".backup-"))
    .sort();
}

function schemaOf(folder: string): unknown[] {
  const database = new Database(join(folder, "skeleton.db"), { readonly: true });
  const schema = [
    ...database.query("SELECT sql FROM sqlite_schema ORDER BY name").all(),
    ...database.query("SELECT * FROM _store").all(),
  ];
  database.close();
  return schema;
}

test("a few records are found by their ids without a look at all the others of their owner", async () => {
  const store = openStore(temporaryFolder());
  await store.createStoreIfNotExists("notes", { text: "str" });
  const fill = async (owner: string, count: number): Promise<string[]> =>
    Promise.all(
      Array.from({ length: count }, (_, n) => store.add(owner, "notes", { text: "word ".repeat(20) }, `${n}`)),
    );
  const best = async (owner: string, ids: readonly string[]): Promise<number> => {
    const times: number[] = [];
    for (let round = 0; round < 15; round++) {
      const started = performance.now();
      expect(await store.find(owner, "notes", { where: { id: { in: ids } } })).toHaveLength(ids.length);
      times.push(performance.now() - started);
    }
    return Math.min(...times);
  };
  const few = await fill("ann", 200);
  const many = await fill("bob", 30_000);
  const ofFew = await best("ann", few.slice(0, 100));
  const ofMany = await best(
    "bob",
    many.filter((_, at) => at % 300 === 0),
  );
  // A scan of all takes over twenty times as long.
  expect(ofMany).toBeLessThan(ofFew * 8);
  await store.close();
}, 30_000);
