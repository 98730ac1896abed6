import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
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
} from "../support/crash-client";
import { writePlugins } from "../support/plugin-files";
import { textOf } from "../support/read-sse";
import { type ServerProcess, SOURCE, startServer } from "../support/server-process";
import { temporaryFolder } from "../support/temporary";
import { until } from "../support/until";
import { type Part, reply, startUpstream, toolCall, type Upstream } from "../support/upstream";

const PASSWORD = "about to stand still";
const HEARTBEAT_S = 0.4; // Dead after 1.6 s of silence: longer than a busy machine holds up a process that lives.
const LIMIT_MS = 60_000;

/** Notes each run in a file. */
const NOTING = `
import { appendFileSync } from "node:fs";
import { type Plugin, t } from "skeleton";

const note = (name, approval) => ({
  name,
  description: "",
  parameters: t.Object({ text: t.String() }),
  approval,
  async execute({ text }) {
    appendFileSync("notes.txt", text + "\\n");
    return "noted";
  },
});

export default { name: "noting", tools: [note("note", false), note("ask", true)] } satisfies Plugin;
`;

interface Entry {
  readonly id: string;
  readonly role: string;
  readonly content: string;
  readonly turn_id: string;
}

describe("a process that stood still while another one took its turns over", () => {
  let upstream: Upstream;
  let folder: string;
  let servers: ServerProcess[];
  let [still, other] = [] as unknown as [Api, Api];

  const pause = () => process.kill(servers[0]?.pid ?? 0, "SIGSTOP");
  const wake = () => process.kill(servers[0]?.pid ?? 0, "SIGCONT");
  const notes = () => (existsSync(join(folder, "notes.txt")) ? readFileSync(join(folder, "notes.txt"), "utf8") : "");
  const statusOf = async (turnId: string) => (await get<{ status: string }>(other, `/api/v1/turns/${turnId}`)).status;
  const takenOver = async (turnId: string): Promise<void> => {
    await until(async () => (await statusOf(turnId)) !== "running");
    expect(await statusOf(turnId)).toBe("interrupted");
  };
  const sees = async (seen: Seen, is: (name: string) => boolean): Promise<void> => {
    await until(() => seen.events.some(({ event }) => is(event)));
  };

  beforeEach(async () => {
    upstream = startUpstream();
    folder = temporaryFolder();
    const hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
    writeFileSync(join(folder, "users.yaml"), `ann: { password_hash: "${hash}", role: user }\n`);
    writePlugins(join(folder, "plugins"), { "tools/noting.ts": NOTING });
    const env = { OPENAI_BASE_URL: upstream.baseUrl, LOG_LEVEL: "ERROR", HEARTBEAT_S: String(HEARTBEAT_S) };
    servers = [];
    for (let n = 0; n < 2; n++) servers.push(await startServer({ command: SOURCE, folder, env }));
    [still, other] = (await Promise.all(servers.map(({ address }) => signIn(address, PASSWORD)))) as [Api, Api];
  });

  afterEach(async () => {
    for (const server of servers) await server.stop("SIGKILL");
    await upstream.stop();
  });

  test(
    "adds nothing to them, runs no tool of theirs, and tells its followers what the store says",
    async () => {
      upstream.script({ parts: longReply() });
      upstream.script(reply("Another reply."));
      const first = sendMessage(still, { content: "Go" });
      await until(() => textOf(first.events).length >= 100);
      const { turn_id: turnId = "", thread_id: threadId = "" } = first.events[0]?.data ?? {};
      const follower = followAfter(still, turnId, 0);
      await sees(follower, (name) => name === "message_tokens");
      pause();
      await takenOver(turnId);
      // The thread goes on elsewhere, and all that the model says meanwhile waits for the one that sleeps.
      const next = sendMessage(other, { content: "Go on", thread_id: threadId });
      await next.over;
      expect(textOf(next.events)).toBe("Another reply.");
      await upstream.requests[0]?.sent;
      const before = await get<Entry[]>(other, `/api/v1/threads/${threadId}/messages`);
      wake();

      const there = followAfter(other, turnId, 0);
      await Promise.all([first.over, follower.over, there.over]);
      const kept = before.filter((entry) => entry.turn_id === turnId && entry.role === "assistant");
      const text = kept.map(({ content }) => content).join("");
      expect(text.length).toBeGreaterThan(0);
      for (const { events } of [first, follower, there]) {
        const since = events.slice(events.findLastIndex(({ event }) => event === "reset") + 1);
        expect(textOf(since)).toBe(text);
        expect(events.filter(({ event }) => event === "error" || event === "stream_end")).toHaveLength(1);
        expect(String(events.at(-1)?.data.message)).toContain("Continue");
      }
      // It lives on, and has changed nothing.
      upstream.script(reply("Here again."));
      expect(await get<Entry[]>(still, `/api/v1/threads/${threadId}/messages`)).toEqual(before);
      const last = sendMessage(still, { content: "And you?", thread_id: threadId });
      await last.over;
      expect(textOf(last.events)).toBe("Here again.");
      expect(await get<Entry[]>(other, `/api/v1/threads/${threadId}/messages`)).toMatchObject([...before, {}, {}]);
      expect(await statusOf(turnId)).toBe("interrupted");
      expect(notes()).toBe("");
    },
    LIMIT_MS,
  );

  test(
    "takes no answer to a call that waited in one",
    async () => {
      upstream.script({ parts: toolCall("ask", { text: "too late" }, { id: "call_1" }) });
      upstream.script({ parts: toolCall("ask", { text: "asked again" }, { id: "call_2" }) });
      upstream.script(reply("Noted."));
      const first = sendMessage(still, { content: "Go" });
      await sees(first, (name) => name === "approval_asked");
      const turnId = String(first.events[0]?.data.turn_id);
      // Who begins to follow is told what is in the store, so the question is there by then.
      await sees(followAfter(still, turnId, 0), (name) => name === "approval_asked");
      pause();
      await takenOver(turnId);
      const again = continueTurn(other, turnId);
      await sees(again, (name) => name === "approval_asked");
      const late = answerCall(still, turnId, "call_1", true);
      wake();
      expect((await late).ok).toBe(false);
      expect((await answerCall(other, turnId, "call_1", true)).status).toBe(409);
      expect((await answerCall(other, String(again.events[0]?.data.turn_id), "call_2", true)).status).toBe(200);
      await Promise.all([first.over, again.over]);
      expect(textOf(again.events)).toBe("Noted.");
      expect(first.events.filter(({ event }) => event === "error")).toHaveLength(1);
      expect(notes()).toBe("asked again\n");
    },
    LIMIT_MS,
  );
});

async function* longReply(): AsyncGenerator<Part> {
  for (let n = 0; n < 300; n++) {
    yield `${n} `;
    yield { pauseMs: 5 };
  }
  yield* toolCall("note", { text: "run by the one that slept" });
}
