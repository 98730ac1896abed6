import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../src/basics/log";
import { runUsers } from "../src/users";
import { projectFolder } from "./support/project";
import { PASSWORD, startServer, type TestServer } from "./support/server";
import { temporaryFolder, testConfig } from "./support/temporary";
import { authCore } from "./support/test-core";
import { until } from "./support/until";
import { reply, startUpstream, type Upstream } from "./support/upstream";

async function command(folder: string, ...args: string[]) {
  const lines: string[] = [];
  const config = testConfig(folder);
  const code = await runUsers(args, {
    config,
    log: createLog("error", () => {}),
    isTerminal: false,
    out: (line) => lines.push(line),
    error: (line) => lines.push(line),
    readSecret: async () => null,
    openStore: async () => {
      const { store } = authCore(
        config,
        createLog("error", () => {}),
      );
      return { store, close: () => store.close() };
    },
  });
  return { code, text: lines.join("\n") };
}

interface Scene {
  readonly server: TestServer;
  readonly upstream: Upstream;
  readonly folder: string;
  run(...args: string[]): ReturnType<typeof command>;
}

async function scene(): Promise<Scene> {
  const upstream = startUpstream({ models: ["small-one"] });
  upstream.otherwise(reply("An answer about walruses."));
  const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl, heartbeatS: 0.5 } });
  const folder = server.core.config.dataPath;
  return { server, upstream, folder, run: (...args) => command(folder, ...args) };
}

/** A chat with a file in it. */
async function chat(
  server: TestServer,
  username: string,
  content: string,
): Promise<{ threadId: string; fileId: string }> {
  const person = await server.signIn(username);
  const body = new FormData();
  body.set("content", content);
  body.append("files", new File([`${content} in a file`], "note.txt", { type: "text/plain" }));
  const events = await (await person.fetch("/api/v1/message", { method: "POST", body })).text();
  const threadId = /"thread_id":"([^"]+)"/.exec(events)?.[1] ?? "";
  const messages = await person.json<{ files?: { id: string }[] }[]>(`/api/v1/threads/${threadId}/messages`);
  return { threadId, fileId: messages.flatMap(({ files }) => files ?? [])[0]?.id ?? "" };
}

/** What the person sees of it. */
async function seen(server: TestServer, username: string) {
  const person = await server.signIn(username);
  const threads = await person.json<{ id: string }[]>("/api/v1/threads");
  const found = await person.json<{ id: string }[]>("/api/v1/search?q=walruses");
  return { threads: threads.map(({ id }) => id).sort(), found: found.map(({ id }) => id).sort() };
}

describe("a user who is deleted while the server runs", () => {
  test("leaves everything under a name that nobody can have: a new one of the name starts empty", async () => {
    const { server, run, folder } = await scene();
    const users = readFileSync(join(folder, "users.yaml"));
    const { threadId, fileId } = await chat(server, "bob", "The walruses of bob");
    const { code, text } = await run("--delete", "bob");
    expect([code, text.split("\n")]).toEqual([
      0,
      [
        "Removed bob.",
        "1 chat of bob and all else they had are kept as bob~1, a name that nobody can have.",
        'To give them to somebody: users --give-to NAME --from "bob~1"',
      ],
    ]);
    expect((await run("--kept")).text).toMatch(/^bob~1 {2}20\d\d-\S+Z {2}1 chat$/);

    writeFileSync(join(folder, "users.yaml"), users);
    await until(() => server.core.auth.find?.("bob"));
    expect(await seen(server, "bob")).toEqual({ threads: [], found: [] });
    const bob = await server.signIn("bob");
    for (const path of [`/api/v1/threads/${threadId}/messages`, `/api/v1/files/${fileId}`, `/t/${threadId}`]) {
      expect((await bob.fetch(path)).status).toBe(404);
    }
    const page = await bob.fetch("/", { headers: { accept: "text/html" } });
    expect(await page.text()).not.toContain("walruses");

    for (const name of ["bob\x7f1", "bob\x7f"]) {
      expect(await run("-u", name, "-p", PASSWORD)).toMatchObject({ code: 1 });
    }
    await chat(server, "bob", "The walruses of another bob");
    expect((await run("--delete", "bob")).text).toContain("kept as bob~2");
    expect((await run("--kept")).text.split("\n")).toHaveLength(2);
  }, 20_000);

  test("has what they left given to somebody, who finds it beside their own, with its files", async () => {
    const { server, run } = await scene();
    const [hers, his] = [await chat(server, "ann", "Her walruses"), await chat(server, "bob", "The walruses of bob")];
    await server.core.store.createStoreIfNotExists("settings", { colour: "str" });
    for (const [owner, colour] of [
      ["ann", "red"],
      ["bob", "blue"],
    ] as const) {
      await server.core.store.add(owner, "settings", { colour }, "mine");
    }
    await run("--delete", "bob");
    expect(await run("--give-to", "ann", "--from", "bob~1")).toEqual({
      code: 0,
      text: "1 chat of bob~1 and all else that was kept are ann's now.",
    });
    const both = [hers.threadId, his.threadId].sort();
    expect(await seen(server, "ann")).toEqual({ threads: both, found: both });
    const ann = await server.signIn("ann");
    expect(await (await ann.fetch(`/api/v1/files/${his.fileId}`)).text()).toBe("The walruses of bob in a file");
    expect((await ann.post("/api/v1/message", { content: "Go on", thread_id: his.threadId })).status).toBe(200);
    expect((await server.core.store.get("ann", "settings", "mine"))?.colour).toBe("red");
    expect((await run("--kept")).text).toBe("Nothing is kept of users who were removed.");
    expect(await run("--give-to", "ann", "--from", "bob~1")).toMatchObject({ code: 1 });
  }, 20_000);

  test("gives all to somebody at once, when that is said", async () => {
    const { server, run } = await scene();
    const { threadId } = await chat(server, "bob", "The walruses of bob");
    expect((await run("--delete", "bob", "--give-to", "eve")).text).toContain('no other user "eve"');
    expect((await run("--delete", "bob", "--give-to", "bob")).code).toBe(1);
    expect((await run("--list")).text).toContain("bob");
    expect(await run("--delete", "bob", "--give-to", "ann")).toEqual({
      code: 0,
      text: "Removed bob.\nWhat bob had is ann's now.",
    });
    expect((await seen(server, "ann")).threads).toEqual([threadId]);
  }, 20_000);

  test("whose entry was taken out by hand before is put away in the same way", async () => {
    const { server, run, folder } = await scene();
    await chat(server, "bob", "The walruses of bob");
    const path = join(folder, "users.yaml");
    writeFileSync(path, readFileSync(path, "utf8").replace(/^bob: .*$/m, ""));
    expect((await run("--delete", "bob")).text).toStartWith("1 chat of bob and all else they had are kept as bob~1");
    expect(await run("--delete", "bob")).toMatchObject({ code: 1, text: expect.stringContaining('no user "bob"') });
  }, 20_000);

  test("loses the reply that is being written: it is kept as interrupted, and whoever gets the chat goes on with it", async () => {
    const { server, upstream, run } = await scene();
    upstream.otherwise({ parts: ["Half of", { wait: new Promise(() => {}) }] });
    const turn = await server.core.turns.start({ username: "bob", role: "user" }, { content: "Go" });
    await upstream.request(1);
    await Bun.sleep(200); // Until what was shown is saved.
    await run("--delete", "bob", "--give-to", "ann");
    const ann = { username: "ann", role: "admin" } as const;
    await until(async () => (await server.core.turns.get(ann, turn.id))?.status === "interrupted");
    await until(async () => (await server.core.turns.running(ann)).length === 0);
    const client = await server.signIn("ann");
    const messages = await client.json<{ content: string }[]>(`/api/v1/threads/${turn.threadId}/messages`);
    expect(messages.map(({ content }) => content)).toEqual(["Go", "Half of"]);
    upstream.otherwise(reply("More."));
    expect((await client.post("/api/v1/message", { content: "On", thread_id: turn.threadId })).status).toBe(200);
  }, 30_000);
});

test("the command finds the store that a server uses, beside it, and leaves nothing running", async () => {
  const { server, folder } = await scene();
  await chat(server, "bob", "The walruses of bob");
  const child = Bun.spawn([process.execPath, join(projectFolder, "src/main.ts"), "users", "--delete", "bob"], {
    cwd: folder,
    env: { PATH: "/nonexistent", DATA_PATH: folder },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect([await child.exited, error]).toEqual([0, ""]);
  expect(out).toContain("1 chat of bob");
  expect((await server.core.store.find(null, "processes")).length).toBe(1);
}, 20_000);

test("a users file that is not the server's is edited, and nobody's data is touched", async () => {
  const { server, folder } = await scene();
  await chat(server, "bob", "The walruses of bob");
  const other = join(temporaryFolder(), "people.yaml");
  writeFileSync(other, readFileSync(join(folder, "users.yaml")));
  const { text } = await command(folder, "-f", other, "--delete", "bob");
  expect(text).toBe("Removed bob.\nWhat they have was left alone: this is not the users file of the configuration.");
  expect((await seen(server, "bob")).threads).toHaveLength(1);
}, 20_000);
