/** Servers on one PostgreSQL, each a process with a data folder of its own: what they share is the database, the secret and the users. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Api,
  answerCall,
  continueTurn,
  followAfter,
  get,
  type Seen,
  sendMessage,
  signIn,
} from "../../support/crash-client";
import { dataWith } from "../../support/library";
import { writePlugins } from "../../support/plugin-files";
import { noPostgres, type Postgres, startPostgres } from "../../support/postgres";
import { textOf } from "../../support/read-sse";
import { type ServerProcess, SOURCE, startServer } from "../../support/server-process";
import { until } from "../../support/until";
import { gate, reply, startUpstream, toolCall, type Upstream } from "../../support/upstream";

const PASSWORD = "many machines";
const TOOL = `import { type Plugin, t } from "skeleton";

const ask = {
  name: "ask",
  description: "Asks first.",
  parameters: t.Object({ n: t.String() }),
  approval: true,
  execute: async ({ n }) => "result of " + n,
};

export default { name: "ask", tools: [ask] } satisfies Plugin;
`;

interface Entry {
  readonly role: string;
  readonly type: string;
  readonly content: string;
}

if (noPostgres !== null) console.log(`The tests of nodes on one PostgreSQL are left out: ${noPostgres}.`);

describe.skipIf(noPostgres !== null)("nodes on one PostgreSQL", () => {
  let postgres: Postgres;
  let upstream: Upstream;
  let here: Node;
  let there: Node;
  let hash: string;
  const started: ServerProcess[] = [];

  interface Node {
    readonly server: ServerProcess;
    readonly api: Api;
  }

  async function startNode(): Promise<Node> {
    const folder = dataWith(["core/postgres.ts"], { postgres: { url: `\${DATABASE_URL}`, connections: 3 } });
    writePlugins(join(folder, "plugins"), { "tools/ask.ts": TOOL });
    writeFileSync(join(folder, "users.yaml"), `ann: { password_hash: "${hash}", role: user }\n`);
    const env = {
      DATABASE_URL: postgres.url,
      OPENAI_BASE_URL: upstream.baseUrl,
      OPENAI_API_KEY: "none",
      JWT_SECRET_KEY: "a secret that the nodes of this test share",
      LOG_LEVEL: "ERROR",
      SHUTDOWN_GRACE_S: "1",
      HEARTBEAT_S: "0.5",
    };
    const server = await startServer({ command: SOURCE, folder, env });
    started.push(server);
    return { server, api: await signIn(server.address, PASSWORD) };
  }

  beforeAll(async () => {
    hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
    postgres = await startPostgres();
    upstream = startUpstream({ models: ["small-one"] });
    [here, there] = await Promise.all([startNode(), startNode()]);
    // One secret: whoever is signed in at one is at all.
    there = { ...there, api: { ...there.api, token: here.api.token } };
  });

  afterAll(async () => {
    await Promise.all(started.map((server) => server.stop("SIGKILL")));
    await upstream.stop();
  });

  /** A reply that has begun at the node, and one who follows it at the other. */
  async function begin(node: Node, other: Node) {
    const seen = sendMessage(node.api, { content: "Go" });
    await until(() => textOf(seen.events) === "Begun, ");
    const { turn_id: turnId, thread_id: threadId } = seen.events[0]?.data ?? {};
    const follower = followAfter(other.api, String(turnId), 0);
    await until(() => textOf(follower.events) === "Begun, ").catch((e) => {
      console.log(follower, here.server.output(), there.server.output());
      throw e;
    });
    return { seen, follower, turnId: String(turnId), threadId: String(threadId) };
  }

  function last({ events }: Seen) {
    return [events.at(-1)?.event, events.at(-1)?.data.reason];
  }

  async function said({ api }: Node, threadId: string): Promise<string[]> {
    const entries = await get<Entry[]>(api, `/api/v1/threads/${threadId}/messages`);
    return entries.filter(({ role, type }) => role === "assistant" && type === "text").map(({ content }) => content);
  }

  test("a reply of one is followed and stopped at another, and goes on there", async () => {
    const held = gate();
    upstream.script({ parts: ["Begun, ", { wait: held.opened }] }, reply("and done."));
    const { seen, follower, turnId, threadId } = await begin(here, there);
    const headers = { authorization: `Bearer ${there.api.token}` };
    const stopped = await fetch(`${there.api.address}/api/v1/turns/${turnId}`, { method: "DELETE", headers });
    expect(stopped.status).toBe(200);
    await Promise.all([seen.over, follower.over]);
    expect([last(seen), last(follower)]).toEqual([
      ["stream_end", "stopped"],
      ["stream_end", "stopped"],
    ]);
    held.open();
    const more = continueTurn(there.api, turnId);
    await more.over;
    expect(last(more)).toEqual(["stream_end", "stop"]);
    expect((await said(here, threadId)).join("")).toBe("Begun, and done.");
  });

  test("behind a balancer that sends each request to another node a chat is one chat", async () => {
    const asked = new Set<string>();
    let requests = 0;
    const balancer = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      fetch({ url, method, headers, body }) {
        const { server } = [here, there][requests++ % 2] as Node;
        asked.add(server.address);
        const { pathname, search } = new URL(url);
        return fetch(server.address + pathname + search, { method, headers, body });
      },
    });
    const api = await signIn(`http://127.0.0.1:${balancer.port}`, PASSWORD);
    const headers = { authorization: `Bearer ${api.token}` };
    let threadId: unknown;
    for (const answer of ["One.", "Two.", "Three."]) {
      upstream.script(reply(answer));
      const seen = sendMessage(api, { content: "Next", ...(threadId !== undefined && { thread_id: threadId }) });
      await seen.over;
      expect([textOf(seen.events), last(seen)]).toEqual([answer, ["stream_end", "stop"]]);
      threadId = seen.events[0]?.data.thread_id;
    }
    for (const _ of [1, 2]) expect(await said({ ...here, api }, String(threadId))).toEqual(["One.", "Two.", "Three."]);
    const body = new FormData();
    body.set("file", new File(["x".repeat(300_000)], "x.txt"));
    const put = await fetch(`${api.address}/api/v1/files`, { method: "POST", headers, body });
    const { id } = (await put.json()) as { readonly id: string };
    for (const _ of [1, 2]) {
      const bytes = await (await fetch(`${api.address}/api/v1/files/${id}`, { headers })).bytes();
      expect(bytes).toHaveLength(300_000);
      const found = await get<unknown[]>(api, "/api/v1/search?q=three");
      expect(found).toHaveLength(1);
    }
    expect(asked.size).toBe(2);
    await balancer.stop(true);
  });

  test("what a tool of one asks is answered at another", async () => {
    upstream.script({ parts: toolCall("ask", { n: "1" }, { id: "call-1" }) }, reply("It is done."));
    const seen = sendMessage(here.api, { content: "Ask" });
    await until(() => seen.events.some(({ event }) => event === "approval_asked" || event === "tool_call"));
    const turnId = String(seen.events[0]?.data.turn_id);
    await until(async () => (await answerCall(there.api, turnId, "call-1", true)).ok);
    await seen.over;
    expect(seen.events.find(({ event }) => event === "tool_result")?.data.result).toBe("result of 1");
    expect(textOf(seen.events)).toBe("It is done.");
  });

  test("a database that starts anew in the middle of a reply keeps all of it, and new ones work after", async () => {
    const held = gate();
    upstream.script({ parts: ["Begun, ", { wait: held.opened }, "and done."] }, reply("Once more."));
    const { seen, follower, threadId } = await begin(here, there);
    await postgres.stop();
    held.open();
    await postgres.start();
    await Promise.all([seen.over, follower.over]);
    expect([textOf(seen.events), textOf(follower.events)]).toEqual(["Begun, and done.", "Begun, and done."]);
    expect(await said(there, threadId)).toEqual(["Begun, and done."]);
    const next = sendMessage(there.api, { content: "Again", thread_id: threadId });
    await next.over;
    expect(textOf(next.events)).toBe("Once more.");
  });

  test("a node that stood still for too long adds nothing to a reply that another one has ended", async () => {
    const frozen = await startNode();
    const held = gate();
    upstream.script({ parts: ["Begun, ", { wait: held.opened }, "and too late."] }, reply("Once more."));
    const { seen, follower, threadId } = await begin(frozen, there);
    await Bun.sleep(300); // Until it is saved.
    process.kill(frozen.server.pid, "SIGSTOP");
    await follower.over;
    expect(last(follower)[0]).toBe("error");
    process.kill(frozen.server.pid, "SIGCONT");
    held.open();
    await seen.over;
    expect(textOf(seen.events)).toBe("Begun, ");
    const next = sendMessage(frozen.api, { content: "Again", thread_id: threadId });
    await next.over;
    expect(await said(there, threadId)).toEqual(["Begun, ", "Once more."]);
  });

  test("a node that is killed leaves what was shown, and another one ends its reply and goes on with it", async () => {
    const doomed = await startNode();
    const held = gate();
    upstream.script({ parts: ["Begun, ", { wait: held.opened }] }, reply("and done."));
    const { follower, turnId, threadId } = await begin(doomed, there);
    await Bun.sleep(300); // Shown for longer than what a crash may lose.
    await doomed.server.stop("SIGKILL");
    await follower.over;
    held.open();
    expect(last(follower)[0]).toBe("error");
    expect(await said(there, threadId)).toEqual(["Begun, "]);
    const more = continueTurn(here.api, turnId);
    await more.over;
    expect((await said(there, threadId)).join("")).toBe("Begun, and done.");
  });
});
