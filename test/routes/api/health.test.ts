import { expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Core, Plugin, StoreProtocol } from "../../../src/protocols";
import { createLook } from "../../../src/routes/api/health";
import { startServer } from "../../support/server";
import { SOURCE, startServer as startProcess } from "../../support/server-process";
import { temporaryFolder } from "../../support/temporary";
import { failingStore, startCore } from "../../support/test-core";
import { until } from "../../support/until";

const AT_ONCE = { freshMs: 0, limitMs: 4000 };

function storePlugin(change: (base: StoreProtocol) => Partial<StoreProtocol>): Plugin {
  return { name: "other-store", provide: { store: (_core, base) => ({ ...base, ...change(base) }) } };
}

/** The sentence of a look, or "well". */
async function lookAt(core: Core, times = AT_ONCE): Promise<string> {
  return outcomeOf(createLook(core, times));
}

function outcomeOf(look: () => Promise<void>): Promise<string> {
  return look().then(
    () => "well",
    (error) => `${error.code}: ${error.message}`,
  );
}

test("a server whose store answers is well, and says so to anyone", async () => {
  const server = await startServer();
  const response = await fetch(`${server.url}/health`);
  expect([response.status, await response.json()]).toEqual([200, { status: "ok" }]);
});

test("a server whose store does not answer says 503 and why, shows nothing of the cause, and logs it once", async () => {
  const broken = storePlugin(() => ({
    ping: async () => {
      throw new Error("disk on fire at /secret/path");
    },
  }));
  const logged: string[] = [];
  const server = await startServer({ plugins: [broken], logged });
  for (let n = 0; n < 5; n++) {
    const response = await fetch(`${server.url}/health`);
    expect(response.status).toBe(503);
    expect(await response.text()).toBe('{"detail":"The store cannot be read or written; the server\'s log says why."}');
  }
  expect(logged.filter((line) => line.includes("secret"))).toHaveLength(1);
});

test("a store that can be read and not written is unwell, until it can", async () => {
  let fails = false;
  const logged: string[] = [];
  const core = await startCore({ plugins: [failingStore((store) => fails && store === "health_probe")], logged });
  const look = createLook(core, AT_ONCE);
  expect(await outcomeOf(look)).toBe("well");
  fails = true;
  expect(await outcomeOf(look)).toStartWith("unavailable: The store cannot be read or written");
  expect(await outcomeOf(look)).toStartWith("unavailable");
  expect(logged.filter((line) => line.includes("database or disk is full"))).toHaveLength(1);
  fails = false;
  expect(await outcomeOf(look)).toBe("well");
});

test("however many ask, one record is written in five seconds", async () => {
  let writes = 0;
  const counting = storePlugin((base) => ({
    add: async (...args) => {
      writes++;
      return base.add(...args);
    },
    update: async (...args) => {
      writes++;
      return base.update(...args);
    },
  }));
  const server = await startServer({ plugins: [counting] });
  writes = 0;
  for (let n = 0; n < 20; n++) await Promise.all(Array.from({ length: 20 }, () => fetch(`${server.url}/health`)));
  // The first one finds no record to update; the heartbeat of the process may be among them.
  expect(writes).toBeGreaterThan(1);
  expect(writes).toBeLessThan(5);
});

test("a store that hangs is told after a while, and not asked again before it has answered", async () => {
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  const hanging = storePlugin((base) => ({
    ping: async () => {
      asked++;
      await gate.promise;
      return base.ping();
    },
  }));
  const look = createLook(await startCore({ plugins: [hanging] }), { freshMs: 0, limitMs: 400 });
  const late = "unavailable: The store does not answer in time.";
  expect(await Promise.all([outcomeOf(look), outcomeOf(look)])).toEqual([late, late]);
  const begun = performance.now();
  expect(await outcomeOf(look)).toBe(late);
  expect(performance.now() - begun).toBeLessThan(200);
  expect(asked).toBe(1);
  gate.resolve();
  await until(async () => (await outcomeOf(look)) !== late);
  expect(await outcomeOf(look)).toBe("well");
});

test("two processes that look for the first time at once are both well", async () => {
  const dataPath = temporaryFolder();
  const cores = await Promise.all([startCore({ dataPath }), startCore({ dataPath })]);
  expect(await Promise.all(cores.map((core) => lookAt(core)))).toEqual(["well", "well"]);
});

test("a database that is removed or overwritten under the server is told in a sentence", async () => {
  for (const change of [rmSync, (path: string) => writeFileSync(path, "garbage ".repeat(1000))]) {
    const dataPath = temporaryFolder();
    const core = await startCore({ dataPath });
    expect(await lookAt(core)).toBe("well");
    change(join(dataPath, "skeleton.db"));
    expect(await lookAt(core)).toMatch(
      /^unavailable: The database file (was removed|is damaged).* Its owner has to stop/,
    );
  }
});

/** A disk of this size for one process and what it starts, where the machine allows that; null = it does not. */
async function smallDisk(folder: string, megabytes: number): Promise<readonly string[] | null> {
  const script = `mount -t tmpfs -o size=${megabytes}m tmpfs "$0" && cd "$0" && exec "$@"`;
  const command = ["/usr/bin/unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", script, folder];
  const tried = await Bun.spawn([...command, "true"], { stdout: "ignore", stderr: "ignore" }).exited;
  return tried === 0 ? command : null;
}

test("a full disk is told in a sentence", async () => {
  const folder = join(temporaryFolder(), "disk");
  mkdirSync(folder);
  const command = await smallDisk(folder, 8).catch(() => null);
  if (!command) {
    console.log("No small disk can be mounted here, so a full one is not tested.");
    return;
  }
  const env = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", DATA_PATH: folder };
  const server = await startProcess({ command: [...command, ...SOURCE], folder, env });
  const filler = `/proc/${server.pid}/root${folder}/filler`;
  expect(() => writeFileSync(filler, Buffer.alloc(16e6))).toThrow("ENOSPC");
  let response = await fetch(`${server.address}/health`);
  await until(async () => {
    response = await fetch(`${server.address}/health`);
    return response.status !== 200;
  });
  expect([response.status, ((await response.json()) as { detail: string }).detail]).toEqual([
    503,
    expect.stringContaining("disk is full"),
  ]);
  await server.stop("SIGKILL");
}, 60_000);
