import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { storeContract } from "../../../src/contracts/store";
import type { StoreProtocol } from "../../../src/protocols";
import { temporaryFolder } from "../../support/temporary";
import { until } from "../../support/until";
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

describe("an empty file where a database was", () => {
  const lose = {
    "with no byte": (path: string) => truncateSync(path, 0),
    "that is not there": (path: string) => rmSync(path),
    "without a table": (path: string) => {
      rmSync(path);
      const database = new Database(path);
      database.run("CREATE TABLE gone (x)");
      database.run("DROP TABLE gone");
      database.close();
    },
  };
  const leave = {
    "a backup": (folder: string) => writeFileSync(join(folder, "skeleton.db.backup-2026-01-01"), ""),
    "what was there before a restore": (folder: string) => mkdirSync(join(folder, "before-restore-2026-01-01")),
    "a log": (folder: string) => writeFileSync(join(folder, "skeleton.db-wal"), "some pages"),
    uploads: (folder: string) => mkdirSync(join(folder, "uploads", "ab"), { recursive: true }),
  };
  for (const [how, loseIt] of Object.entries(lose)) {
    for (const [what, leaveIt] of Object.entries(leave)) {
      if (how === "without a table" && what === "a log") continue; // It is opened first, and then the log is its own.
      test(`is refused, and nothing touched: one ${how}, beside ${what}`, async () => {
        const folder = await usedFolder();
        loseIt(join(folder, "skeleton.db"));
        leaveIt(folder);
        const before = contentOf(folder);
        expect(() => openStore(folder)).toThrow(/although it was in use.*Put the database back/);
        expect(contentOf(folder)).toEqual(before);
      });
    }
    test(`is said to be taken as new when nothing is left of that: one ${how}`, async () => {
      const folder = await usedFolder();
      loseIt(join(folder, "skeleton.db"));
      mkdirSync(join(folder, "uploads", "incoming"), { recursive: true });
      writeFileSync(join(folder, "users.yaml"), "");
      const lines: string[] = [];
      const { store } = storeCore(folder, {}, (level, line) => lines.push(`${level} ${line}`));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(how === "that is not there" ? /^info .*Made a new database/ : /^warn .*empty file/);
      await store.createStoreIfNotExists("notes", { text: "str" });
      await store.close();
    });
  }

  test("is not what a database is called that lacks a table, or belongs to another program", async () => {
    const folder = await usedFolder();
    const database = new Database(join(folder, "skeleton.db"));
    database.run('DROP TABLE "notes.items"');
    database.close();
    expect(() => openStore(folder)).toThrow("tables are missing: notes.items");
    const other = temporaryFolder();
    const foreign = new Database(join(other, "skeleton.db"));
    foreign.run("CREATE TABLE songs (title)");
    foreign.close();
    const before = readFileSync(join(other, "skeleton.db"));
    expect(() => openStore(other)).toThrow("another program");
    expect(readFileSync(join(other, "skeleton.db"))).toEqual(before);
    const python = new Database(join(other, "skeleton.db"));
    python.run("CREATE TABLE _stores (name TEXT PRIMARY KEY, schema_json TEXT NOT NULL)");
    python.close();
    expect(() => openStore(other)).toThrow("the Python Skeleton, whose chats cannot be read. Move it");
  });
});

test("a file that goes, is replaced or is overwritten while it is open is told by ping, in a sentence", async () => {
  const changes = [
    (path: string) => rmSync(path),
    (path: string) => {
      writeFileSync(`${path}.other`, readFileSync(path));
      renameSync(`${path}.other`, path);
    },
    (path: string) => truncateSync(path, 0),
    (path: string) => writeFileSync(path, "garbage ".repeat(2000)),
  ];
  for (const change of changes) {
    const folder = temporaryFolder();
    const store = openStore(folder);
    await store.createStoreIfNotExists("notes", { text: "str" });
    await store.ping();
    change(join(folder, "skeleton.db"));
    await expect(store.ping()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("owner"),
    });
    await store.close().catch(() => {});
  }
});

/** With a database that has a record, and no server. */
async function usedFolder(): Promise<string> {
  const folder = temporaryFolder();
  const store = openStore(folder);
  await store.createStoreIfNotExists("notes", { text: "str", list: "json_collection" });
  await store.add("ann", "notes", { text: "precious" });
  await store.close();
  return folder;
}

function contentOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    names.map((entry) => [
      join(entry.parentPath, entry.name),
      entry.isFile() ? readFileSync(join(entry.parentPath, entry.name), "latin1") : "folder",
    ]),
  );
}

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
    const megabytes = Math.ceil(statSync(join(folder, backup)).size / 1e6);
    expect(lines.join("\n")).toMatch(new RegExp(`${backup} megabytes=${megabytes}$`, "m"));
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

  test("leaves one backup per start, whatever it extends, and those of the two starts before", async () => {
    const folder = temporaryFolder();
    const all: string[] = [];
    for (let start = 0; start < 5; start += 1) {
      await Bun.sleep(2); // Starts and backups are told apart by their milliseconds.
      const store = openStore(folder);
      for (const name of ["notes", "others", "more"]) {
        await store.createStoreIfNotExists(name, { text: "str", [`a${start}`]: "str" });
        await store.createStoreIfNotExists(name, { [`b${start}`]: "str" });
      }
      await store.close();
      all.push(...backups(folder).filter((name) => !all.includes(name)));
    }
    expect(all).toHaveLength(5);
    expect(backups(folder)).toEqual(all.slice(-3));
    // The shape that the start found, and not one between two of its changes.
    const copy = new Database(join(folder, all.at(-1) ?? ""), { readonly: true });
    const shapes = copy.query<{ fields: string }, []>("SELECT fields FROM _store").all();
    expect(shapes.map(({ fields }) => Object.keys(JSON.parse(fields)).at(-1))).toEqual(["b3", "b3", "b3"]);
    copy.close();
  });

  test("of two servers that start together leaves the backups of both", async () => {
    const folder = temporaryFolder();
    const first = openStore(folder);
    await first.createStoreIfNotExists("notes", { text: "str" });
    const all = [first, ...Array.from({ length: 4 }, () => openStore(folder))];
    for (const [n, store] of all.entries()) {
      await store.createStoreIfNotExists("notes", { [`a${n}`]: "str" });
      await Bun.sleep(2); // As above.
    }
    expect(backups(folder)).toHaveLength(5);
    await Promise.all(all.map((store) => store.close()));
  });

  test("is left undone when its backup cannot be written", async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    await store.createStoreIfNotExists("notes", { text: "str" });
    const before = schemaOf(folder);
    // Nothing can be copied from a file that is gone; what is open is there still.
    rmSync(join(folder, "skeleton.db"));
    await expect(store.createStoreIfNotExists("notes", { rank: "int" })).rejects.toThrow("Cannot write the backup");
    expect(backups(folder)).toEqual([]);
    expect(JSON.stringify(before)).not.toContain("rank");
    expect((await store.findStore("notes"))?.fields).toEqual({ text: { type: "str" } });
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
    await found(store, "n0 sentence");
    clearInterval(ticking);
    expect(ticks).toBeGreaterThan(5);
    expect(await store.fullTextSearch("ann", "notes", "n2999")).toHaveLength(1);
    await store.close();
  });
});

describe("the search index", () => {
  test("that was lost is made anew", async () => {
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
    database.close();
    const again = openStore(folder);
    await again.createStoreIfNotExists("notes", fields);
    await found(again, "n0 word");
    expect((await again.fullTextSearch("ann", "notes", "n19")).map(({ id }) => id).at(0)).toBe("1999");
    await again.add("ann", "notes", { text: "n1 more" }, "more");
    expect((await again.fullTextSearch("ann", "notes", "n1 more")).map(({ id }) => id)).toEqual(["more"]);
    const all = (await again.fullTextSearch("ann", "notes", "word", { limit: 3000 })).map(({ id }) => Number(id));
    expect(all).toEqual(Array.from({ length: 2500 }, (_, n) => 2499 - n));
    await again.createStoreIfNotExists("notes", fields);
    await again.close();
  });

  test.each([
    ["Straße", "STRASSE"],
    ["Œuvre", "oeuvre"],
    ["Łódź", "lodz"],
    ["ἀρχή", "ΑΡΧΗ"],
    ["ёлка", "ЕЛКА"],
    ["أحمد", "احمد"],
    ["ज़रूरत", "जरूरत"],
  ])("has %s and %s as one word", async (one, other) => {
    const store = openStore(temporaryFolder());
    await store.createStoreIfNotExists("notes", SEARCHED);
    await store.add("ann", "notes", { text: one }, "one");
    await store.add("ann", "notes", { text: other }, "other");
    for (const word of [one, other]) expect(await store.fullTextSearch("ann", "notes", word)).toHaveLength(2);
    expect(await store.fullTextSearch("ann", "notes", "й")).toEqual([]);
    await store.close();
  });

  test("of words in an earlier form is made anew beside everything else, without a backup, and finds the old ones meanwhile", async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    await store.createStoreIfNotExists("notes", SEARCHED);
    await Promise.all(
      Array.from({ length: 2500 }, (_, n) => store.add("ann", "notes", { text: `n${n} oﬃce word` }, `${n}`)),
    );
    await store.close();
    const database = new Database(join(folder, "skeleton.db"));
    const blocks = () => database.query('SELECT * FROM "notes.blocks"').all();
    const before = blocks();
    // As the words were indexed then.
    const { first } = before[0] as { first: number };
    const body = "o616e6ex1yword o616e6ex1yoﬃce".replaceAll("x1y", `x${first}y`);
    database.run('INSERT OR REPLACE INTO "notes.words" (rowid, body) VALUES (1, ?)', [body]);
    database.run("DROP TABLE _search");
    const again = openStore(folder);
    await again.createStoreIfNotExists("notes", SEARCHED);
    const find = async (text: string) => (await again.fullTextSearch("ann", "notes", text, { limit: 3000 })).length;
    expect(await find("word")).toBe(2500);
    expect(await find("office")).toBe(2499);
    await found(again, "n0 office");
    expect(await find("office")).toBe(2500);
    expect(backups(folder)).toEqual([]);
    expect(blocks()).toEqual(before);
    database.close();
    await again.close();
  });

  test("of long texts in one block, as an earlier form has it, is made anew in several", async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    await store.createStoreIfNotExists("notes", SEARCHED);
    for (let n = 0; n < 100; n++) await store.add("ann", "notes", { text: `n${n} ${"word ".repeat(2000)}` }, `${n}`);
    await store.close();
    const database = new Database(join(folder, "skeleton.db"));
    const blocks = () => database.query('SELECT count(*) AS n FROM "notes.blocks"').get() as { n: number };
    expect(blocks().n).toBeGreaterThan(4);
    database.run('DELETE FROM "notes.blocks" WHERE first > 1');
    database.run("UPDATE _search SET form = 2");
    const again = openStore(folder);
    await again.createStoreIfNotExists("notes", SEARCHED);
    const find = async () => (await again.fullTextSearch("ann", "notes", "word", { limit: 200 })).map(({ id }) => +id);
    await until(async () => (await find()).length === 100);
    expect(blocks().n).toBeGreaterThan(4);
    expect(await find()).toEqual(Array.from({ length: 100 }, (_, n) => 99 - n));
    database.close();
    await again.close();
  });

  test("that was lost is made anew beside everything else, newest first, without a backup, and both ends are said", async () => {
    const folder = temporaryFolder();
    await fillAndLoseIndex(folder, 4000);
    const lines: string[] = [];
    const { store } = storeCore(folder, {}, (_level, line) => lines.push(line));
    await store.createStoreIfNotExists("notes", SEARCHED);
    expect(lines.filter((line) => line.includes("is complete"))).toEqual([]);
    await store.add("ann", "notes", { text: "n-new word" }, "new");
    expect(await store.fullTextSearch("ann", "notes", "new word")).toHaveLength(1);
    await found(store, "n3999");
    expect(await store.fullTextSearch("ann", "notes", "n0 word")).toEqual([]);
    await found(store, "n0 word");
    await until(() => lines.some((line) => line.includes("is complete")));
    expect(lines.filter((line) => line.includes("is being made")).join()).toMatch(/ store=notes records=4000$/);
    expect(lines.filter((line) => line.includes("is complete")).join()).toMatch(
      / store=notes records=4000 seconds=\d+$/,
    );
    expect(backups(folder)).toEqual([]);
    const all = (await store.fullTextSearch("ann", "notes", "word", { limit: 5000 })).map(({ id }) => id);
    expect(all).toEqual(["new", ...Array.from({ length: 4000 }, (_, n) => `${3999 - n}`)]);
    await store.close();
  });

  test("that is half made is gone on with at the next start, by as many processes as there are", async () => {
    const folder = temporaryFolder();
    await fillAndLoseIndex(folder, 4000);
    const stopped = openStore(folder);
    await stopped.createStoreIfNotExists("notes", SEARCHED);
    await found(stopped, "n3999");
    await stopped.close();
    const stores = [openStore(folder), openStore(folder)];
    for (const store of stores) await store.createStoreIfNotExists("notes", SEARCHED);
    for (const store of stores) await found(store, "n0 word");
    for (const store of stores)
      expect(await store.fullTextSearch("ann", "notes", "word", { limit: 5000 })).toHaveLength(4000);
    for (const store of stores) await store.close();
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

const SEARCHED = { text: { type: "str", search: true } } as const;

/** Records of ann's, each with its number as a word, and nothing that says where a word is. */
async function fillAndLoseIndex(folder: string, count: number): Promise<void> {
  const store = openStore(folder);
  await store.createStoreIfNotExists("notes", SEARCHED);
  await Promise.all(Array.from({ length: count }, (_, n) => store.add("ann", "notes", { text: `n${n} word` }, `${n}`)));
  await store.close();
  const database = new Database(join(folder, "skeleton.db"));
  database.run('DROP TABLE "notes.words"');
  database.close();
}

/** Waits until a record of ann's is found by its words. */
function found(store: StoreProtocol, words: string): Promise<number> {
  return until(async () => (await store.fullTextSearch("ann", "notes", words)).length > 0);
}

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
