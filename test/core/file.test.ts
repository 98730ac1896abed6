import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileContract } from "../../src/contracts/file";
import { createFile, filesIn } from "../../src/core/file";
import type { Core, FileProtocol } from "../../src/protocols";
import { temporaryFolder } from "../support/temporary";
import { storeCore } from "./store/support";

function fileCore(folder = temporaryFolder()): Core {
  const core = storeCore(folder, { quotaBytes: 0 });
  return Object.assign(core, { file: createFile(core) });
}

function put(file: FileProtocol, user: string, text: string) {
  return file.put(user, { name: "note.txt", type: "text/plain", data: new Blob([text]) });
}

describe("files keep their contract", () => {
  for (const { name, run } of fileContract) test(name, () => run(fileCore()));
});

describe("files whose bytes a plugin keeps elsewhere keep their contract", () => {
  for (const { name, run } of fileContract) test(name, () => run(elsewhere().core));
});

/** As a plugin has it: each piece comes by itself. */
function elsewhere() {
  const places = new Map<string, Uint8Array>();
  const core = storeCore(temporaryFolder(), { quotaBytes: 0 });
  const file = filesIn(core, {
    write: async (place, data) => void places.set(place, await data.bytes()),
    has: async (place) => places.has(place),
    async read(place) {
      const bytes = places.get(place);
      return bytes ? piecesOf(bytes) : null;
    },
    remove: async (place) => void places.delete(place),
  });
  return { core: Object.assign(core, { file }), places };
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.slice(at, at + 1000);
}

test("bytes that are kept elsewhere are put once, fetched once for all who open them, and removed with their last user", async () => {
  const { core, places } = elsewhere();
  const [one, two] = [await put(core.file, "ann", "the same"), await put(core.file, "bob", "the same")];
  expect([...places.keys()]).toEqual([expect.stringMatching(/^[\da-f]{2}\/[\da-f]{2}\/[\da-f-]+$/)]);
  const opened = await Promise.all([core.file.open("ann", one.id), core.file.open("bob", two.id)]);
  expect(new Set(opened.map((blob) => (blob as Bun.BunFile).name)).size).toBe(1);
  expect(await new Response(opened[0]).text()).toBe("the same");
  for (const [user, { id }] of [
    ["ann", one],
    ["bob", two],
  ] as const)
    await core.file.remove(user, id);
  expect(places.size).toBe(0);
});

test("the same bytes lie once under their hash, and are gone with their last user", async () => {
  const { file, config } = fileCore();
  const [one, two] = [await put(file, "ann", "the same"), await put(file, "bob", "the same")];
  const [path = "", ...others] = kept(config.uploadDir);
  expect(others).toEqual([]);
  expect(path).toStartWith(join(one.sha256.slice(0, 2), one.sha256.slice(2, 4), one.sha256));
  await file.remove("ann", one.id);
  expect(kept(config.uploadDir)).toEqual([path]);
  await file.remove("bob", two.id);
  expect(kept(config.uploadDir)).toEqual([]);
});

test("servers that share the folders put and remove the same bytes without losing any", async () => {
  const folder = temporaryFolder();
  const [here, there] = [fileCore(folder), fileCore(folder)];
  for (let round = 0; round < 20; round += 1) {
    const old = await Promise.all([put(here.file, "ann", "shared"), put(there.file, "ann", "shared")]);
    const [mine, yours] = await Promise.all([
      put(here.file, "bob", "shared"),
      put(there.file, "cleo", "shared"),
      ...old.map(({ id }, index) => (index ? here : there).file.remove("ann", id)),
    ]);
    expect(await (await there.file.open("bob", mine.id))?.text()).toBe("shared");
    expect(await (await here.file.open("cleo", yours.id))?.text()).toBe("shared");
    expect(kept(here.config.uploadDir)).toHaveLength(1);
    await Promise.all([here.file.remove("bob", mine.id), there.file.remove("cleo", yours.id)]);
    expect(kept(here.config.uploadDir)).toEqual([]);
  }
});

test("nothing is left of an upload that breaks off, and the next one succeeds", async () => {
  const { file, config } = fileCore();
  const path = join(temporaryFolder(), "source");
  writeFileSync(path, "x".repeat(1000));
  const broken = Bun.file(path);
  expect(broken.size).toBe(1000);
  rmSync(path);
  await expect(file.put("ann", { name: "x", type: "text/plain", data: broken })).rejects.toThrow();
  expect(readdirSync(join(config.uploadDir, "incoming"))).toEqual([]);
  expect(kept(config.uploadDir)).toEqual([]);
  expect((await put(file, "ann", "whole")).size).toBe(5);
});

test("what a crash left of an upload is removed at start, and one that is going on is not", async () => {
  const first = fileCore();
  await put(first.file, "ann", "x");
  const incoming = join(first.config.uploadDir, "incoming");
  for (const name of ["old", "fresh"]) writeFileSync(join(incoming, name), "part");
  utimesSync(join(incoming, "old"), new Date(0), new Date(0));
  await put(fileCore(first.config.dataPath).file, "ann", "y");
  expect(readdirSync(incoming)).toEqual(["fresh"]);
});

test("bytes that the owner deleted by hand are null, and come back with the next upload of the same", async () => {
  const { file, config, log } = fileCore();
  log.warn = () => undefined;
  const before = await put(file, "ann", "precious");
  for (const path of kept(config.uploadDir)) rmSync(join(config.uploadDir, path));
  expect(await file.open("ann", before.id)).toBeNull();
  expect((await file.get("ann", before.id))?.size).toBe(8);
  await put(file, "bob", "precious");
  expect(await (await file.open("ann", before.id))?.text()).toBe("precious");
});

test("an ephemeral server keeps no file in the upload folder, and none after its end", async () => {
  const folder = temporaryFolder();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "file-process.ts"), folder], { stdout: "pipe" });
  const [place = "", text] = (await new Response(child.stdout).text()).trim().split("\n");
  expect(await child.exited).toBe(0);
  expect(text).toBe("ephemeral");
  expect(place).toStartWith(join(tmpdir(), "skeleton-files-"));
  expect(existsSync(place)).toBe(false);
  expect(readdirSync(folder)).toEqual([]);
});

/** Paths of the bytes in the folder. */
function kept(uploads: string): string[] {
  return readdirSync(uploads, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith("incoming"))
    .map((entry) => join(entry.parentPath, entry.name).slice(uploads.length + 1));
}

test("a content that a crash left goes", async () => {
  const { file, store } = fileCore(temporaryFolder());
  for (const text of ["one", "one", "three"]) await put(file, "ann", text);
  expect(await file.size("ann")).toBe("one".length + "three".length);
  const hour = 60 * 60_000;
  const long = { size: 100, since: new Date(Date.now() - hour).toISOString() };
  await store.add("ann", "file_contents", long, "0".repeat(64));
  await store.add("ann", "file_contents", { ...long, since: new Date().toISOString() }, "1".repeat(64));
  expect(await file.size("ann")).toBe(8 + 100);
});
