import { Database } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { continueTurn, followAfter, type Seen, sendMessage, signIn } from "./support/crash-client";
import { textOf } from "./support/read-sse";
import { collectOutput, type ServerProcess, SOURCE, startServer } from "./support/server-process";
import { setUp } from "./support/smoke";
import { temporaryFolder } from "./support/temporary";
import { until } from "./support/until";
import { reply, startUpstream } from "./support/upstream";

const PASSWORD = "one of two workers";
const TEST_MS = 30_000; // A busy machine takes some seconds to start three processes.

const servers: ServerProcess[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    const workers = workersOf(server);
    await server.stop("SIGKILL");
    await until(() => workers.every((pid) => !isAlive(pid)));
  }
});

async function start(folder: string, env: Record<string, string> = {}): Promise<ServerProcess> {
  const server = await startServer({ command: SOURCE, folder, env: { SKELETON_WORKERS: "2", ...env } });
  servers.push(server);
  return server;
}

/** Pids of the processes that a server has started. */
function workersOf({ pid }: ServerProcess): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return []; // It has ended.
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Pid of the process that runs the only turn. */
function ownerIn(folder: string): number {
  const database = new Database(join(folder, "skeleton.db"), { readonly: true });
  const sql = "SELECT pid FROM processes JOIN turn_claims ON process_id = processes.id";
  const { pid } = database.query(sql).get() as { pid: number };
  database.close();
  return pid;
}

const isLinux = process.platform === "linux";
if (!isLinux) console.log("Workers are not tested: only Linux shares a port between processes.");

test.skipIf(!isLinux)(
  "a worker that is killed leaves its reply to the other one at once, and another is started",
  async () => {
    const upstream = startUpstream();
    const folder = temporaryFolder();
    const hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
    writeFileSync(join(folder, "users.yaml"), `ann: { password_hash: "${hash}", role: user }\n`);
    const server = await start(folder, { OPENAI_BASE_URL: upstream.baseUrl, LOG_LEVEL: "ERROR" });
    const before = workersOf(server);
    expect(before).toHaveLength(2);
    const api = await signIn(server.address, PASSWORD);

    upstream.script({ parts: ["Begun, ", { wait: new Promise(() => {}) }] });
    const first = sendMessage(api, { content: "Go" });
    await until(() => textOf(first.events) === "Begun, ");
    const turnId = String(first.events[0]?.data.turn_id);
    // Each is a connection of its own, which the system gives to one or the other: all to one once in 2^11 runs.
    const followers = Array.from({ length: 12 }, () => followAfter(api, turnId, 0));
    await until(() => followers.every(({ events }) => textOf(events) === "Begun, "));
    const killedMs = performance.now();
    process.kill(ownerIn(folder), "SIGKILL");
    await Promise.all(followers.map(({ over }) => over));
    const moved = followers.filter(({ broke }) => broke === null);
    const last = ({ events }: Seen) => events.at(-1);
    expect(moved.length).toBeGreaterThan(0);
    for (const follower of moved) expect(String(last(follower)?.data.message)).toContain("Continue");
    const lateMs = Math.max(...moved.map((follower) => (last(follower)?.atMs ?? Number.NaN) - killedMs));
    console.log(`taken over ${lateMs.toFixed(0)} ms after the kill`);
    expect(lateMs).toBeLessThan(2500); // The heartbeat would be at five seconds.

    upstream.script(reply("and done."));
    await until(() => workersOf(server).length === 2);
    expect(workersOf(server)).not.toEqual(before);
    const next = continueTurn(api, turnId);
    await next.over;
    expect(next.events.at(-1)?.event).toBe("stream_end");
    expect(server.output()).toContain("A worker ended, and another one is started");
    expect(await server.stop()).toBe(0);
    await upstream.stop();
  },
  TEST_MS,
);

test.skipIf(!isLinux)(
  "workers end when their parent is killed",
  async () => {
    const server = await start(temporaryFolder(), { LOG_LEVEL: "ERROR" });
    const workers = workersOf(server);
    expect(workers).toHaveLength(2);
    await server.stop("SIGKILL");
    await until(() => !workers.some(isAlive));
  },
  TEST_MS,
);

test.skipIf(!isLinux)(
  "the first person sets up at whichever worker, once, and is signed in at all of them; the end is orderly",
  async () => {
    const server = await start(temporaryFolder(), { LOG_LEVEL: "WARNING" });
    const workers = workersOf(server);
    await setUp(server);
    const body = JSON.stringify({ username: "first-admin", password: "a long first password" });
    const headers = { "content-type": "application/json", connection: "close" };
    let token: string | undefined;
    // Who makes an account and signs in elsewhere within a quarter of a second may be too early.
    await until(async () => {
      const answer = await fetch(`${server.address}/login`, { method: "POST", headers, body });
      token = ((await answer.json()) as { access_token?: string }).access_token;
      return token;
    });
    const authorization = `Bearer ${token}`;
    for (let n = 0; n < 12; n++) {
      const answer = await fetch(`${server.address}/api/v1/models`, { headers: { ...headers, authorization } });
      expect(answer.status).toBe(200);
    }
    expect(await server.stop()).toBe(0);
    expect(workers.some(isAlive)).toBe(false);
    expect(server.output()).not.toMatch(/WARN|ERROR/);
  },
  TEST_MS,
);

test.skipIf(!isLinux)(
  "workers of an ephemeral server have the same chats, and leave nothing",
  async () => {
    const folder = temporaryFolder();
    const temporary = temporaryFolder();
    const upstream = startUpstream();
    const env = {
      SKELETON_MODE: "ephemeral",
      TMPDIR: temporary,
      LOG_LEVEL: "ERROR",
      OPENAI_BASE_URL: upstream.baseUrl,
    };
    const server = await start(folder, env);
    const headers = { "content-type": "application/json", connection: "close" };
    const body = JSON.stringify({ username: "default", password: "default" });
    const answer = await fetch(`${server.address}/login`, { method: "POST", headers, body });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    const first = sendMessage({ address: server.address, token }, { content: "Hello" });
    await first.over;
    const path = `${server.address}/api/v1/threads/${first.events[0]?.data.thread_id}/messages`;
    for (let n = 0; n < 12; n++) {
      expect((await fetch(path, { headers: { ...headers, authorization: `Bearer ${token}` } })).status).toBe(200);
    }
    expect(await server.stop()).toBe(0);
    await upstream.stop();
    expect([...new Bun.Glob("**").scanSync({ cwd: temporary, dot: true })]).toEqual([]);
  },
  TEST_MS,
);

test.skipIf(!isLinux)(
  "a port in use ends the start, with workers too",
  async () => {
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const child = Bun.spawn([...SOURCE], {
      cwd: temporaryFolder(),
      env: { SKELETON_HOST: "127.0.0.1", SKELETON_PORT: String(other.port), SKELETON_WORKERS: "2" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = collectOutput(TEST_MS, child.stdout, child.stderr);
    expect(await child.exited).toBe(1);
    expect(output.text()).toContain(`Cannot listen on SKELETON_HOST 127.0.0.1, SKELETON_PORT ${other.port}`);
    await other.stop(true);
  },
  TEST_MS,
);
