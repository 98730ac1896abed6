import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { version } from "../package.json";
import { writeBackup } from "../src/backup";
import { type Manifest, sha256Of } from "../src/backup/manifest";
import { moveAll, restoreBackup } from "../src/backup/restore";
import { ownData, shareData } from "../src/data-lock";
import { serve } from "../src/serve";
import { storeCore } from "./core/store/support";
import { PASSWORD, startServer, type TestServer } from "./support/server";
import { SOURCE, startServer as startProcess } from "./support/server-process";
import { temporaryFolder, testConfig } from "./support/temporary";
import { startCore } from "./support/test-core";
import { reply, startUpstream, type Upstream } from "./support/upstream";

const HELLO = new Blob(["hello, upload"]);

/** Every file below the folder, by path, with its bytes. */
function contentOf(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(files.sort().map((path) => [path.slice(folder.length + 1), readFileSync(path, "latin1")]));
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
}

function changeManifest(folder: string, change: (manifest: Record<string, unknown>) => object): void {
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(change({ ...manifestOf(folder) })));
}

/** A copy of a folder that a test may break. */
function copyOf(folder: string): string {
  const copy = join(temporaryFolder(), "copy");
  for (const [path, bytes] of Object.entries(contentOf(folder))) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    writeFileSync(join(copy, path), bytes, "latin1");
  }
  return copy;
}

describe("a backup of a server that runs", () => {
  let upstream: Upstream;
  let server: TestServer;
  let dataPath: string;
  let threadId: string;
  let fileId: string;
  const backup = join(temporaryFolder(), "new", "backup");

  beforeAll(async () => {
    upstream = startUpstream({ models: ["small-one"] });
    dataPath = temporaryFolder();
    writeFileSync(join(dataPath, "models.yaml"), `small: { base_url: "${upstream.baseUrl}" }\n`);
    writeFileSync(join(dataPath, "jwt.secret"), "the secret of this server, of forty characters");
    server = await startServer({ dataPath, config: { jwtSecretKey: null } });
    const ann = await server.signIn();
    upstream.script(reply("A reply to keep."));
    const response = await ann.post("/api/v1/message", { content: "About aardvarks" });
    threadId = /"thread_id":"([^"]+)"/.exec(await response.text())?.[1] ?? "";
    fileId = (await server.core.file.put("ann", { name: "a.txt", type: "text/plain", data: HELLO })).id;
    await writeBackup(server.core.config, backup);
  });

  afterAll(() => upstream.stop());

  test("has the database, the uploads and the owner's files, each with its size and hash, and is private", async () => {
    const { files, version: made } = manifestOf(backup);
    const paths = files.map(({ path }) => path);
    expect(paths.slice(0, 4)).toEqual(["skeleton.db", "users.yaml", "jwt.secret", "models.yaml"]);
    expect(paths.slice(4)).toEqual([expect.stringMatching(/^uploads\/..\/..\/[0-9a-f]{64}-/)]);
    expect(made).toBe(version);
    for (const { path, size, sha256 } of files) {
      expect([statSync(join(backup, path)).size, await sha256Of(join(backup, path))]).toEqual([size, sha256]);
      expect(statSync(join(backup, path)).mode & 0o077).toBe(0);
    }
    expect(Object.keys(contentOf(backup))).toHaveLength(files.length + 1);
    expect(statSync(backup).mode & 0o077).toBe(0);
  });

  test("restored elsewhere is the same server: sessions, chats, search and files", async () => {
    const elsewhere = temporaryFolder();
    const config = testConfig(elsewhere, { jwtSecretKey: null });
    const { aside } = await restoreBackup(config, backup);
    expect(aside).toEqual([]);
    expect(Object.keys(contentOf(elsewhere)).filter((path) => /restor/.test(path))).toEqual([]);
    const ann = await server.signIn();
    const restored = await startServer({ dataPath: elsewhere, config: { jwtSecretKey: null }, hasUsers: false });
    const headers = { authorization: `Bearer ${ann.token}` };
    const get = (path: string) => fetch(restored.url + path, { headers });
    const messages = (await (await get(`/api/v1/threads/${threadId}/messages`)).json()) as { content: string }[];
    expect(messages.map(({ content }) => content)).toEqual(["About aardvarks", "A reply to keep."]);
    expect(await (await get("/api/v1/search?q=aardv")).json()).toHaveLength(1);
    expect(await (await get(`/api/v1/files/${fileId}`)).text()).toBe("hello, upload");
    expect(await (await get("/api/v1/models")).json()).toEqual(["small-one"]);
    expect((await restored.signIn("bob")).token).not.toBe("");
  });

  test("forgets the processes that ran then, so that nobody waits for them", () => {
    const database = new Database(join(backup, "skeleton.db"), { readonly: true });
    expect(database.query("SELECT * FROM processes").all()).toEqual([]);
    database.close();
  });

  test("keeps what was there beside, also what the backup has not got", async () => {
    const other = await startServer({ config: { jwtSecretKey: null } });
    const { config, file } = other.core;
    await file.put("ann", { name: "b.txt", type: "text/plain", data: new Blob(["another upload"]) });
    writeFileSync(join(config.dataPath, "plugins.yaml"), "metrics: {}\n");
    await other.stop();
    const before = contentOf(config.dataPath);
    const { aside } = await restoreBackup(config, backup);
    expect(aside.map((path) => path.slice(config.dataPath.length + 1).replace(/\d.*/, "N"))).toEqual([
      "before-restore-N",
      "uploads/.before-restore-N",
    ]);
    const [files = "", uploads = ""] = aside;
    const kept = { ...contentOf(files) };
    for (const [path, bytes] of Object.entries(contentOf(uploads))) kept[`uploads/${path}`] = bytes;
    // What the backup has just so, such as users.yaml here, stayed where it was.
    const { "skeleton.lock": _, ...there } = before;
    for (const path of Object.keys(there)) if (path === "users.yaml") delete there[path];
    expect(kept).toEqual(there);
    const now = contentOf(config.dataPath);
    for (const { path } of manifestOf(backup).files) expect(now[path]).toBe(readFileSync(join(backup, path), "latin1"));
    expect(now["plugins.yaml"]).toBeUndefined();
    await (await startCore({ dataPath: config.dataPath })).store.ping();
  });

  const broken: Record<string, [change: (folder: string) => unknown, refusal: RegExp]> = {
    "without a manifest": [(folder) => rmSync(join(folder, "manifest.json")), /no whole backup.*interrupted/],
    "with half a manifest": [(folder) => truncateSync(join(folder, "manifest.json"), 100), /cannot be read/],
    "with a manifest of something else": [
      (folder) => changeManifest(folder, () => ({ name: "x" })),
      /not the manifest/,
    ],
    "of a newer version": [
      (folder) => changeManifest(folder, (manifest) => ({ ...manifest, version: "99.0.0" })),
      /made by Skeleton 99\.0\.0/,
    ],
    "of a newer form": [(folder) => changeManifest(folder, (manifest) => ({ ...manifest, format: 2 })), /newer one/],
    "that names a file elsewhere": [
      (folder) =>
        changeManifest(folder, (it) => ({ ...it, files: [...(it.files as []), entry("uploads/../../evil")] })),
      /no part of a backup/,
    ],
    "that names a file of another kind": [
      (folder) => changeManifest(folder, (it) => ({ ...it, files: [...(it.files as []), entry("evil.ts")] })),
      /no part of a backup/,
    ],
    "without the database": [
      (folder) => changeManifest(folder, (it) => ({ ...it, files: (it.files as []).slice(1) })),
      /names no database/,
    ],
    "whose upload has another byte": [(folder) => flip(join(folder, uploadOf(folder))), /uploads\/.* was changed/],
    "whose upload is shorter": [(folder) => truncateSync(join(folder, uploadOf(folder)), 5), /has 5 bytes and not 13/],
    "whose upload is gone": [(folder) => rmSync(join(folder, uploadOf(folder))), /uploads\/.* is missing/],
    "whose database has another byte": [(folder) => flip(join(folder, "skeleton.db")), /skeleton\.db was changed/],
    "whose database is damaged, by a manifest that fits": [
      async (folder) => {
        const path = join(folder, "skeleton.db");
        const bytes = readFileSync(path);
        bytes.fill(0x55, 4096 * 2, 4096 * 6);
        writeFileSync(path, bytes);
        const sha256 = await sha256Of(path);
        changeManifest(folder, (it) => ({
          ...it,
          files: (it.files as Manifest["files"]).map((old) => (old.path === "skeleton.db" ? { ...old, sha256 } : old)),
        }));
      },
      /skeleton\.db is damaged/,
    ],
  };
  const entry = (path: string) => ({ path, size: 0, sha256: "0".repeat(64) });
  const uploadOf = (folder: string) => manifestOf(folder).files.at(-1)?.path ?? "";
  const flip = (path: string) => {
    const bytes = readFileSync(path);
    const at = bytes.length >> 1;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  };
  for (const [what, [change, refusal]] of Object.entries(broken)) {
    test(`${what} is refused, and nothing is touched`, async () => {
      const folder = copyOf(backup);
      await change(folder);
      const target = copyOf(backup);
      rmSync(join(target, "manifest.json"));
      const before = contentOf(target);
      await expect(restoreBackup(testConfig(target), folder)).rejects.toThrow(refusal);
      const { "skeleton.lock": _, ...after } = contentOf(target);
      expect(after).toEqual(before);
    });
  }

  test("is not made where something is, nor among the uploads, nor of what is not there or has no room", async () => {
    const full = temporaryFolder();
    writeFileSync(join(full, "mine.txt"), "mine");
    const { config } = server.core;
    await expect(writeBackup(config, full)).rejects.toThrow("not empty");
    await expect(writeBackup(config, config.usersFile)).rejects.toThrow("is a file");
    expect(contentOf(full)).toEqual({ "mine.txt": "mine" });
    const within = join(config.uploadDir, "backup");
    await expect(writeBackup(config, within)).rejects.toThrow("among the uploads");
    expect(existsSync(within)).toBe(false);
    await expect(writeBackup({ ...config, mode: "ephemeral" }, join(full, "x"))).rejects.toThrow("ephemeral");
    const empty = testConfig(temporaryFolder());
    await expect(writeBackup(empty, join(full, "x"))).rejects.toThrow("There is no");
    expect(contentOf(empty.dataPath)).toEqual({});
    await expect(writeBackup({ ...config, uploadDir: config.dataPath }, join(full, "x"))).rejects.toThrow(
      "of their own",
    );
  });

  test("is not begun when the disk has no room for it", async () => {
    const copy = copyOf(backup);
    mkdirSync(join(copy, "uploads"), { recursive: true });
    const sparse = join(copy, "uploads", "large");
    writeFileSync(sparse, "");
    truncateSync(sparse, 8e12);
    const folder = join(temporaryFolder(), "backup");
    await expect(writeBackup(testConfig(copy), folder)).rejects.toThrow(/needs 8000\.\d+ GB and has room for/);
    expect(existsSync(folder)).toBe(false);
  });

  test("that fails leaves nothing that could be taken for one", async () => {
    const copy = copyOf(backup);
    const bytes = readFileSync(join(copy, "skeleton.db"));
    bytes.fill(0x55, 4096, bytes.length);
    writeFileSync(join(copy, "skeleton.db"), bytes);
    const [fresh, empty] = [join(temporaryFolder(), "backup"), temporaryFolder()];
    await expect(writeBackup(testConfig(copy), fresh)).rejects.toThrow();
    await expect(writeBackup(testConfig(copy), empty)).rejects.toThrow();
    expect([existsSync(fresh), readdirSync(empty)]).toEqual([false, []]);
  });

  test("says which uploads are missing already", async () => {
    const copy = copyOf(backup);
    rmSync(join(copy, uploadOf(copy)));
    rmSync(join(copy, "manifest.json"));
    const folder = join(temporaryFolder(), "backup");
    const { missing } = await writeBackup(testConfig(copy), folder);
    expect(missing).toEqual([uploadOf(backup).replace("uploads/", "")]);
    await restoreBackup(testConfig(temporaryFolder()), folder);
  });
});

test("a backup made while files come and go has each file that its database names, and none that was removed before", async () => {
  const core = await startCore({ dataPath: temporaryFolder() });
  const put = (n: number, bytes: number) =>
    core.file.put("ann", { name: `${n}`, type: "text/plain", data: new Blob([`${n} `.repeat(bytes / 2)]) });
  const first: string[] = [];
  for (let n = 0; n < 40; n++) first.push((await put(n, 200_000)).id);
  const folder = join(temporaryFolder(), "backup");
  let isDone = false;
  let changes = 0;
  const changing = (async () => {
    for (let n = 1000; !isDone; n++) {
      const { id } = await put(n, 100);
      if (n % 3 === 0) await core.file.remove("ann", id);
      if (n % 50 === 0) await core.file.remove("ann", first.pop() ?? "");
      changes++;
    }
  })();
  const { missing } = await writeBackup(core.config, folder);
  isDone = true;
  await changing;
  expect(changes).toBeGreaterThan(10);
  const database = new Database(join(folder, "skeleton.db"), { readonly: true });
  const named = database
    .query<{ place: string }, []>("SELECT place FROM file_bytes")
    .all()
    .map(({ place }) => place);
  database.close();
  const there = manifestOf(folder).files.flatMap(({ path }) => (path.startsWith("uploads/") ? path.slice(8) : []));
  // One that was being removed when the database was copied is named there and gone before its turn comes.
  expect(missing.length).toBeLessThan(3);
  expect(named.filter((place) => !there.includes(place))).toEqual([...missing]);
  const unnamed = there.filter((place) => !named.includes(place));
  expect(unnamed.filter((place) => !existsSync(join(core.config.uploadDir, place)))).toEqual([]);
});

test("of moves one after the other, one that fails takes back those before it", async () => {
  const folder = temporaryFolder();
  const at = (name: string) => join(folder, name);
  writeFileSync(at("a"), "a");
  writeFileSync(at("b"), "b");
  const moves = [
    [at("a"), at("c")],
    [at("b"), at("a")],
    [at("none"), at("d")],
  ] as const;
  await expect(moveAll(moves)).rejects.toThrow("Nothing was changed");
  expect(contentOf(folder)).toEqual({ a: "a", b: "b" });
});

test("the data folder is shared by many, or owned by one", () => {
  const folder = temporaryFolder();
  const [one, two] = [shareData(folder), shareData(folder)];
  expect(ownData(folder)).toBeNull();
  one.release();
  expect(ownData(folder)).toBeNull();
  two.release();
  const owner = ownData(folder);
  expect(owner).not.toBeNull();
  expect(() => shareData(folder)).toThrow("being restored");
  expect(ownData(folder)).toBeNull();
  owner?.release();
  shareData(folder).release();
  expect(readdirSync(folder)).toEqual(["skeleton.lock"]);
  expect(() => shareData(join(folder, "skeleton.lock"))).toThrow("Cannot lock the data folder");
});

test("the commands work beside a server that runs, restore refuses one, and not one that was killed", async () => {
  const folder = temporaryFolder();
  const hash = Bun.password.hashSync(PASSWORD, { algorithm: "bcrypt", cost: 4 });
  writeFileSync(join(folder, "users.yaml"), `ann: { password_hash: "${hash}" }\n`);
  const run = async (...args: readonly string[]) => {
    const child = Bun.spawn([...SOURCE, ...args], { cwd: folder, env: {}, stdout: "pipe", stderr: "pipe" });
    const [out, error, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { code, text: out + error };
  };
  const server = await startProcess({ command: SOURCE, folder });
  const made = await run("backup", "saved");
  expect(made).toMatchObject({ code: 0 });
  expect(made.text).toMatch(
    /^Backed up to \S+\/saved: the database \(\d+\.\d MB\), 0 uploads \(0\.0 MB\), users\.yaml, jwt\.secret\.$/m,
  );
  expect(made.text).toContain("Not in it: the environment");
  const refused = await run("restore", "saved");
  expect(refused).toEqual({ code: 1, text: expect.stringContaining("Stop the server first") });
  expect(readdirSync(folder).filter((name) => name.startsWith("before-"))).toEqual([]);
  await server.stop("SIGKILL");
  writeFileSync(join(folder, "users.yaml"), "");
  const restored = await run("restore", "saved");
  expect(restored).toEqual({
    code: 0,
    text: expect.stringMatching(/^Restored the backup of[\s\S]*What was there is in \S+before-restore-/),
  });
  expect(readFileSync(join(folder, "users.yaml"), "utf8")).toContain("ann");
  expect((await run("backup")).code).toBe(2);
  expect((await run("restore", "a", "b")).text).toContain("Usage: skeleton restore FOLDER");
  const again = await startProcess({ command: SOURCE, folder });
  expect(ownData(folder)).toBeNull();
  await again.stop();
  const owner = ownData(folder);
  const late = await run("serve");
  expect(late).toEqual({ code: 1, text: expect.stringContaining("A backup is being restored") });
  owner?.release();
}, 60_000);

test("a server whose data folder cannot be locked starts all the same", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "skeleton.lock"));
  const serving = await serve(testConfig(folder));
  expect((await fetch(`${serving.url}/health`)).status).toBe(200);
  await serving.stop();
});

test("a database that the server does not use is no backup of it", async () => {
  const { config, store } = storeCore();
  await store.createStoreIfNotExists("notes", { text: "str" });
  const server = shareData(config.dataPath);
  await writeBackup(config, join(temporaryFolder(), "backup"));
  await store.close();
  const folder = join(temporaryFolder(), "backup");
  await expect(writeBackup(config, folder)).rejects.toThrow("keeps its data elsewhere");
  expect(existsSync(folder)).toBe(false);
  server.release();
  await writeBackup(config, folder);
});

test("a server of a version without a lock is noticed by its open database", async () => {
  const { config, store } = await startCore({ dataPath: temporaryFolder() });
  const folder = join(temporaryFolder(), "backup");
  await writeBackup(config, folder);
  await store.ping();
  await expect(restoreBackup(config, folder)).rejects.toThrow("open. Stop it first");
});
