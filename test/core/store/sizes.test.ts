import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { StoreProtocol } from "../../../src/protocols";
import { temporaryFolder } from "../../support/temporary";
import { until } from "../../support/until";
import { openStore } from "./support";

const SIZED = { text: { type: "str", sized: true } } as const;

function comesTo(store: StoreProtocol, bytes: number): Promise<number> {
  return until(async () => (await store.size("ann", "notes")) === bytes);
}

test("old records are counted beside other work, go on after a stop, and once", async () => {
  const folder = temporaryFolder();
  const first = openStore(folder);
  await first.createStoreIfNotExists("notes", { text: "str" });
  await Promise.all(
    Array.from({ length: 3000 }, (_, at) => first.add("ann", "notes", { text: "ten bytes." }, `${at}`)),
  );
  await first.close();

  const second = openStore(folder);
  await second.createStoreIfNotExists("notes", SIZED);
  // Newest first, and these are on both sides of how far it has come.
  await Promise.all([0, 1500, 2999].map((at) => second.update("ann", "notes", `${at}`, { text: "four" })));
  await Promise.all([1, 1501, 2998].map((at) => second.delete("ann", "notes", `${at}`)));
  await second.close();
  expect(await sizeIn(folder)).toBeLessThan(29_000);

  const third = openStore(folder);
  await third.createStoreIfNotExists("notes", SIZED);
  const whole = (3000 - 6) * 10 + 3 * 4;
  await comesTo(third, whole);
  await third.createStoreIfNotExists("notes", { ...SIZED, label: { type: "str", sized: true } });
  await third.add("ann", "notes", { text: "a", label: "b" });
  await comesTo(third, whole + 2);
  await third.close();
});

test("what gets another owner counts for that one", async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  await store.createStoreIfNotExists("notes", SIZED);
  await store.add("ann", "notes", { text: "12345" });
  const database = new Database(join(folder, "skeleton.db"));
  database.run("UPDATE notes SET _owner = 'bob'");
  database.close();
  expect(await store.size("ann", "notes")).toBe(0);
  expect(await store.size("bob", "notes")).toBe(5);
  await store.close();
});

test("a write that is taken back counts for nothing", async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  await store.createStoreIfNotExists("notes", SIZED);
  const tries = ["1", "1", "2"].map((id) => store.add("ann", "notes", { text: "12345" }, id));
  await Promise.allSettled(tries);
  expect(await store.size("ann", "notes")).toBe(10);
  await store.close();
});

async function sizeIn(folder: string): Promise<number> {
  const database = new Database(join(folder, "skeleton.db"), { readonly: true });
  const row = database.query<{ bytes: number }, []>("SELECT bytes FROM _sizes").get();
  database.close();
  return row?.bytes ?? 0;
}
