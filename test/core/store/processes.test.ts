import { expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryFolder } from "../../support/temporary";
import { openStore } from "./support";

function writer(mode: "append" | "add" | "open" | "orphan", folder: string) {
  return Bun.spawn([process.execPath, join(import.meta.dir, "writer.ts"), mode, folder], {
    stdout: "pipe",
    stderr: mode === "orphan" ? "pipe" : "inherit",
  });
}

test("what a killed process had acknowledged is there, and nothing of it is half there", async () => {
  for (const wanted of [1, 50, 400]) {
    const folder = temporaryFolder();
    const child = writer("append", folder);
    let said = "";
    for await (const bytes of child.stdout) {
      said += new TextDecoder().decode(bytes);
      if (said.split("\n").length > wanted && !child.killed) child.kill("SIGKILL");
    }
    await child.exited;
    const acknowledged = Number(said.trimEnd().split("\n").at(-1)) + 1;
    expect(acknowledged).toBeGreaterThanOrEqual(wanted);
    const store = openStore(folder);
    const list = await store.collectionGet("ann", "notes", "log", "list");
    expect(list.length).toBeGreaterThanOrEqual(acknowledged);
    expect(list).toEqual(list.map((_, n) => n));
    expect(await store.count("ann", "notes", { n: { lt: acknowledged } })).toBe(acknowledged);
    await store.close();
  }
});

test("of processes that add the same id exactly one wins, and none fails because the file is busy", async () => {
  const folder = temporaryFolder();
  const children = [1, 2, 3].map(() => writer("add", folder));
  const won = await Promise.all(children.map(async (child) => Number(await new Response(child.stdout).text())));
  expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0, 0]);
  expect(won.reduce((sum, count) => sum + count, 0)).toBe(200);
  const store = openStore(folder);
  expect(await store.count("ann", "notes")).toBe(200);
  await store.close();
});

test("processes that make a new database at the same moment take it for new, and none for lost", async () => {
  for (let round = 0; round < 10; round++) {
    const folder = temporaryFolder();
    const children = [1, 2, 3, 4].map(() => writer("open", folder));
    expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0, 0, 0]);
  }
});

test("a process whose Worker dies says so and ends, and does not go on without it", async () => {
  const child = writer("orphan", temporaryFolder());
  expect(await child.exited).toBe(1);
  expect(await new Response(child.stderr).text()).toContain("has died, and the server ends");
});

const HELD_MS = 400;

test("a write waits for another process without holding up the loop", async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  await store.createStoreIfNotExists("notes", { n: "int" });
  const { Database } = await import("bun:sqlite");
  const other = new Database(join(folder, "skeleton.db"));
  other.run("BEGIN IMMEDIATE");
  let longest = 0;
  let last = performance.now();
  const ticking = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const added = store.add("ann", "notes", { n: 1 }, "1");
  await Bun.sleep(HELD_MS);
  expect(Bun.peek.status(added)).toBe("pending");
  other.run("COMMIT");
  expect(await added).toBe("1");
  clearInterval(ticking);
  expect(longest).toBeLessThan(HELD_MS * 0.6); // A blocked loop would show the whole time; a busy machine shows a part.
  other.close();
  await store.close();
});

test("a store that was asked whether its file is well still keeps other processes from having the file alone", async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  await store.createStoreIfNotExists("notes", { n: "int" });
  const script = `import { Database } from "bun:sqlite";
    const database = new Database(process.argv[1]);
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    try { database.run("BEGIN EXCLUSIVE"); console.log("alone"); } catch (error) { console.log(error.code); }`;
  const asked = () => Bun.spawnSync([process.execPath, "-e", script, join(folder, "skeleton.db")]).stdout.toString();
  await store.ping();
  expect(asked()).toBe("SQLITE_BUSY\n");
  await store.close();
  expect(asked()).toBe("alone\n");
});
