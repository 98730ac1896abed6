import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SQL } from "bun";
import { createLog } from "../../../src/basics/log";
import { checkPlugins } from "../../../src/contracts/check";
import { type Installed, install } from "../../../src/plugins";
import type { Core, Json } from "../../../src/protocols";
import { startCable } from "../../support/cable";
import { dataWith } from "../../support/library";
import { noPostgres, type Postgres, startPostgres } from "../../support/postgres";
import { projectFolder } from "../../support/project";
import { temporaryFolder, testConfig } from "../../support/temporary";
import { FIRST, SECOND } from "../../support/tls-pairs";
import { until } from "../../support/until";

const PLUGIN = join(projectFolder, "plugin_library/core/postgres.ts");
if (noPostgres !== null) console.log(`The tests of postgres.ts are left out: ${noPostgres}.`);

describe.skipIf(noPostgres !== null)("PostgreSQL", () => {
  let postgres: Postgres;
  const opened: Installed[] = [];

  beforeAll(async () => {
    postgres = await startPostgres();
  });

  afterEach(async () => {
    for (const installed of opened.splice(0)) await installed.stop(0);
  });

  /** A node in this process. All of one `schema` share their data. */
  async function node(schema: string, settings: object = {}): Promise<Core> {
    const dataPath = dataWith(["core/postgres.ts"], {
      postgres: { url: postgres.url, schema, connections: 2, ...settings },
    });
    const pluginsPath = join(dataPath, "plugins");
    const installed = await install({ config: testConfig(dataPath, { pluginsPath }), log: createLog("error") });
    opened.push(installed);
    return installed.core;
  }

  /** Ends every connection to the database but the one that does so. */
  async function cutOff(): Promise<void> {
    const sql = new SQL({ url: postgres.url, max: 1 });
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`;
    await sql.close();
  }

  test("every promise of store, bus, limit and file is kept, and nothing is left of the check", async () => {
    const dataPath = temporaryFolder();
    writeFileSync(join(dataPath, "plugins.yaml"), JSON.stringify({ postgres: { url: postgres.url, connections: 2 } }));
    const lines: string[] = [];
    await checkPlugins([PLUGIN], testConfig(dataPath), (line) => void lines.push(line));
    const kept = (protocol: string) =>
      expect.stringMatching(new RegExp(`^ {2}ok {4}${protocol} keeps its \\d+ promises$`));
    const provides = "  ok    postgres: provides store, bus, limit, file; settings; required";
    expect(lines).toEqual([PLUGIN, provides, kept("store"), kept("bus"), kept("limit"), kept("file")]);
    const sql = new SQL({ url: postgres.url, max: 1 });
    expect(
      await sql`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'check%' OR nspname = 'skeleton'`,
    ).toHaveLength(0);
    await sql.close();
  }, 120_000);

  test("what one node writes another reads, finds and counts, also what it declares later", async () => {
    const [here, there] = [await node("shared"), await node("shared")];
    await here.store.createStoreIfNotExists("notes", { text: { type: "str", search: true } });
    await here.store.add("ann", "notes", { text: "from here" }, "1");
    expect(await there.store.get("ann", "notes", "1")).toEqual({ id: "1", text: "from here" });
    expect(await there.store.fullTextSearch("ann", "notes", "her")).toHaveLength(1);
    await here.store.createStoreIfNotExists("notes", { text: "str", n: "int" });
    expect(await there.store.update("ann", "notes", "1", { n: 3 })).toBe(true);
    expect(await there.store.find("ann", "notes", { where: { n: 3 } })).toEqual([{ id: "1", text: "from here", n: 3 }]);
    await here.limit.take("key", 1, 60);
    expect((await there.limit.take("key", 1, 60)).allowed).toBe(false);
    const { id } = await here.file.put("ann", { name: "a", type: "text/plain", data: new Blob(["x".repeat(600_000)]) });
    expect(await (await there.file.open("ann", id))?.slice(599_990).text()).toBe("x".repeat(10));
  });

  test("an epoch that was read is still the same when what depends on it is kept", async () => {
    const [here, there] = [await node("epochs"), await node("epochs")];
    await here.store.createStoreIfNotExists("turns_of_test", { epoch: "int", log: "json_collection" });
    for (let round = 0; round < 20; round += 1) {
      const id = await here.store.add("ann", "turns_of_test", { epoch: 0 });
      const append = (item: number) =>
        here.store.collectionAppend("ann", "turns_of_test", id, "log", [item], { epoch: 0 });
      const late = Array.from({ length: 10 }, (_, n) => append(n));
      const taken = there.store
        .update("ann", "turns_of_test", id, { epoch: 1 })
        .then(() => there.store.collectionGet("ann", "turns_of_test", id, "log"));
      const saved = await Promise.all(late);
      // Whatever was kept was there when the new owner looked.
      expect(await taken).toEqual(await here.store.collectionGet("ann", "turns_of_test", id, "log"));
      expect(saved.filter(Boolean)).toHaveLength((await taken).length);
    }
  });

  test("messages of any length come to other nodes in order", async () => {
    const [here, there] = [await node("bus"), await node("bus")];
    const got: Json[] = [];
    await there.bus.subscribe("topic", (message) => void got.push(message));
    const messages = Array.from({ length: 60 }, (_, n) => `${n} ${"ä\0😀".repeat((n % 4) * 2000)}`);
    // Some at once, and some while others are under way.
    for (let at = 0; at < messages.length; at += 5) {
      const some = messages.slice(at, at + 5).map((message) => here.bus.publish("topic", message));
      if (at % 3 === 0) await Promise.all(some);
      else await Bun.sleep(at % 4);
    }
    await until(() => got.length === messages.length);
    expect(got).toEqual(messages);
  });

  test("what is written and said while connections are cut is there once, and in order", async () => {
    const cable = await startCable(postgres.url);
    const cabled = postgres.url.replace(/:\d+\/postgres$/, `:${new URL(cable.url).port}/postgres`);
    const [here, there] = [await node("cut", { url: cabled }), await node("cut")];
    await here.store.createStoreIfNotExists("logs", { lines: "json_collection" });
    await here.store.add("ann", "logs", {}, "1");
    const got: Json[] = [];
    await there.bus.subscribe("topic", (message) => void got.push(message));
    const writes: Promise<unknown>[] = [];
    for (let n = 0; n < 60; n += 1) {
      writes.push(here.store.collectionAppend("ann", "logs", "1", "lines", [n]), here.bus.publish("topic", n));
      if (n % 20 === 10) await cutOff();
      // Between a commit and its answer, as it happens.
      if (n % 7 === 3) cable.pull();
      if (n % 7 === 4) cable.plugIn();
      await Bun.sleep(5);
    }
    cable.plugIn();
    await Promise.all(writes);
    const all = Array.from({ length: 60 }, (_, n) => n);
    expect(await there.store.collectionGet("ann", "logs", "1", "lines")).toEqual(all);
    await here.bus.publish("topic", "end");
    await until(() => got.includes("end"));
    await until(() => all.every((n) => got.includes(n)));
    expect(got).toHaveLength(61);
  });

  test("calls wait while the database is away, and tell in a sentence when that lasts too long", async () => {
    const [patient, hasty] = [await node("away"), await node("away", { wait_s: 0 })];
    await patient.store.createStoreIfNotExists("notes", { text: "str" });
    await hasty.store.createStoreIfNotExists("notes", { text: "str" });
    await postgres.stop();
    const waiting = patient.store.add("ann", "notes", { text: "kept" }, "1");
    for (const call of [
      hasty.store.add("ann", "notes", {}),
      hasty.store.get("ann", "notes", "1"),
      hasty.store.ping(),
    ]) {
      const error = await call.catch((it: unknown) => it);
      expect(error).toMatchObject({
        code: "unavailable",
        message: expect.stringMatching(/database cannot be reached/),
      });
      expect(Bun.inspect(error)).not.toContain(postgres.password);
    }
    await postgres.start();
    await waiting;
    expect(await hasty.store.get("ann", "notes", "1")).toEqual({ id: "1", text: "kept" });
  });

  test("a connection can be one that is secret, to the server that the certificate is of", async () => {
    const ca = join(temporaryFolder(), "ca.pem");
    const tls = (certificate: string, host: string) => {
      writeFileSync(ca, certificate);
      return { url: `${postgres.url.replace("127.0.0.1", host)}?sslmode=verify-full`, ca };
    };
    const core = await node("secret", tls(FIRST.cert, "127.0.0.1"));
    expect(await core.store.findStore("threads")).toMatchObject({ name: "threads" });
    await expect(node("secret", tls(SECOND.cert, "127.0.0.1"))).rejects.toThrow(/self.signed certificate/);
  });

  test("tables of a later version, and a password that is wrong, end the start in a sentence without a secret", async () => {
    await node("later");
    const sql = new SQL({ url: postgres.url, max: 1 });
    await sql.unsafe("INSERT INTO later._version VALUES (99)");
    await sql.close();
    const refusal = (promise: Promise<unknown>) =>
      promise.then(
        () => "it started",
        (error) => Bun.inspect(error),
      );
    expect(await refusal(node("later"))).toMatch(/schema \\?"later\\?" are of version 99, made by a later version/);
    const wrong = await refusal(node("shared", { password: "not-the-password" }));
    expect(wrong).toMatch(/password authentication failed/);
    expect(wrong).not.toMatch(new RegExp(`${postgres.password}|not-the-password`));
  });
});
