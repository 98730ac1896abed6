import { beforeAll, describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import { collectTurn, textOf } from "../support/read-sse";
import { type Client, startServer } from "../support/server";
import {
  deadUrl,
  FAULTS,
  type FaultName,
  httpError,
  reply,
  startUpstream,
  toolCall,
  type Upstream,
} from "../support/upstream";

const KEY = "sk-the-owners-own-key-0123456789";
const FIRST_BYTE_S = 2;
const IDLE_S = 1.5; // More than the first call of a process takes on a busy machine.

interface Expected {
  /** What the error says; null = the turn ends normally. */
  readonly error: RegExp | null;
  /** What is kept, of the reply that failed. */
  readonly kept?: string;
  /** Model calls of the turn. */
  readonly calls?: number;
}

const HALF = "Half of ";
const NEXT = "Fine again.";

const TABLE: Record<FaultName, Expected> = {
  unauthorized: { error: /does not accept the key/ },
  forbidden: { error: /does not allow/ },
  notFound: { error: /does not have the model/ },
  badRequest: { error: /refuses the request .*temperature must be at most 2/ },
  rateLimited: { error: /Try again in 7 seconds/ },
  serverError: { error: /problem of its own \(HTTP 500\)/ },
  badGateway: { error: /problem of its own \(HTTP 502\)/ },
  cutAtOnce: { error: /closes the connection|broke before/ },
  cut: { error: /broke before the reply was complete/, kept: "Half of the " },
  hang: { error: /sent nothing for 2 seconds.*MODEL_FIRST_BYTE_TIMEOUT_S/ },
  hangAfterText: { error: /sent nothing more for 1.5 seconds/, kept: HALF },
  malformedChunk: { error: /not an answer of a model/, kept: HALF },
  errorInStream: { error: /The engine is overloaded/, kept: HALF },
  longLine: { error: null, kept: "0123456789abcdef".repeat((3 * 1024 * 1024) / 16) },
  doneWithoutFinish: { error: null, kept: "All of it." },
  finishWithoutDone: { error: null, kept: "All of it." },
  endWithNeither: { error: /broke before the reply was complete/, kept: HALF },
  emptyReply: { error: /ended without an answer/ },
  emptyBody: { error: /broke before the reply was complete/ },
  brokenToolCall: { error: null, kept: NEXT, calls: 2 },
  unknownTool: { error: null, kept: NEXT, calls: 2 },
};

describe("an upstream fault", () => {
  let upstream: Upstream;
  let ann: Client;

  beforeAll(async () => {
    upstream = startUpstream({ apiKey: KEY });
    const limits = { modelFirstByteTimeoutS: FIRST_BYTE_S, modelIdleTimeoutS: IDLE_S };
    const config = { openaiBaseUrl: upstream.baseUrl, openaiApiKey: KEY, ...limits };
    ann = await (await startServer({ config })).signIn();
  });

  test.each(Object.entries(TABLE))(
    "%s ends the turn once, keeps the text, has Retry on the page, and the next turn is fine",
    async (name, expected) => {
      const before = upstream.requests.length;
      upstream.script(FAULTS[name as FaultName]);
      upstream.otherwise(reply(NEXT));
      const response = await ann.post("/api/v1/message", { content: "Go" });
      const events = await collectTurn(response);
      const ends = events.filter(({ event }) => event === "error" || event === "stream_end");
      expect(ends).toHaveLength(1);
      expect(ends[0]).toBe(events.at(-1));
      expect(ends[0]?.event).toBe(expected.error ? "error" : "stream_end");
      if (expected.error) expect(ends[0]?.data.message).toMatch(expected.error);
      expect(textOf(events)).toBe(expected.kept ?? "");
      expect(upstream.requests.length - before).toBe(expected.calls ?? 1);

      const threadId = events[0]?.data.thread_id;
      const history = await ann.json<Entry[]>(`/api/v1/threads/${threadId}/messages`);
      expect(
        history
          .filter(({ role }) => role === "assistant")
          .map(({ content }) => content)
          .join(""),
      ).toBe(expected.kept ?? "");
      expect(history.map(({ parent_id }) => parent_id)).toEqual([null, ...history.slice(0, -1).map(({ id }) => id)]);
      if (expected.error && expected.kept) expect(history.at(-1)?.cut).toBe("failed");
      const shown = JSON.stringify([events, history]);
      for (const secret of [KEY, "sk-secret", "a secr", "<html", "alert(1)", "at async", ".ts:"])
        expect(shown).not.toContain(secret);

      const page = await (await ann.fetch(`/t/${threadId}`, { headers: { accept: "text/html" } })).text();
      const offered = ["Continue", "Retry"].filter((word) => page.includes(` hx-swap="none">${word}</button>`));
      expect(offered).toEqual(expected.error ? (expected.kept ? ["Continue", "Retry"] : ["Retry"]) : []);

      const next = await collectTurn(await ann.post("/api/v1/message", { content: "And now?", thread_id: threadId }));
      expect(textOf(next)).toBe(NEXT);
      expect(upstream.requests.at(-1)?.body.messages.at(-1)?.content).toEndWith("And now?");
    },
  );

  test("an endpoint that nobody listens on fails the turn with a sentence, and nothing secret is logged", async () => {
    const lines: string[] = [];
    const { write } = process.stderr;
    process.stderr.write = ((line: string) => lines.push(line) > 0) as typeof write;
    try {
      const config = { openaiBaseUrl: deadUrl(), openaiApiKey: KEY, logLevel: "debug" as const };
      const client = await (await startServer({ config })).signIn();
      const refused = await client.post("/api/v1/message", { content: "My secret question" });
      expect(refused.status).toBe(503);
      expect(await refused.text()).toContain("nothing answers at its address");
    } finally {
      process.stderr.write = write;
    }
    expect(lines.join("")).not.toMatch(/owners-own-key|secret question/);
  });
});

test("without a list of models an administrator is told which endpoint says what, and others that it does not work", async () => {
  const upstream = startUpstream();
  upstream.models(httpError(401, "bad key"));
  const config = { openaiBaseUrl: upstream.baseUrl, openaiApiKey: KEY };
  const server = await startServer({ config });
  const ann = await server.signIn();
  const body = new URLSearchParams({ content: "Hi", model: "" });
  const onPage = () => ann.fetch("/t", { method: "POST", body, headers: { "hx-request": "true" } });
  const answers = [
    await ann.post("/api/v1/message", { content: "Hi" }),
    await ann.post("/api/v1/message", { content: "Hi", model: "gpt" }),
    await onPage(),
  ];
  for (const answer of answers) {
    expect(answer.status).toBe(503);
    const said = await answer.text();
    for (const part of ["“openai”", upstream.baseUrl, "HTTP 401", "It says: bad key", "OPENAI_API_KEY"])
      expect(said).toContain(part);
    expect(said).not.toContain(KEY);
  }
  const refused = await (await server.signIn("bob")).post("/api/v1/message", { content: "Hi" });
  expect(refused.status).toBe(503);
  const said = await refused.text();
  expect(said).toContain("does not work at the moment");
  expect(said).not.toMatch(/openai|401|127\.0\.0\.1/);
});

test("an endpoint that refuses the connection in the middle of a turn fails it, and what the tool gave is kept", async () => {
  const upstream = startUpstream();
  const unplug = { name: "unplug", description: "", parameters: Type.Object({}) };
  const execute = async () => {
    await upstream.stop();
    return "It is dark.";
  };
  const config = { openaiBaseUrl: upstream.baseUrl, openaiApiKey: KEY, modelMaxRetries: 0 };
  const plugins = [{ name: "unplugging", tools: [{ ...unplug, execute }] }];
  const ann = await (await startServer({ config, plugins })).signIn();
  upstream.script({ parts: ["I pull. ", ...toolCall("unplug", {})] });
  const events = await collectTurn(await ann.post("/api/v1/message", { content: "Go" }));
  expect(events.filter(({ event }) => event === "error" || event === "stream_end")).toHaveLength(1);
  expect(events.at(-1)?.data.message).toMatch(/cannot be reached|not reachable|does not answer/);
  expect(JSON.stringify(events)).not.toContain(KEY);
  const history = await ann.json<Entry[]>(`/api/v1/threads/${events[0]?.data.thread_id}/messages`);
  expect(history.map(({ role, content }) => [role, content])).toEqual([
    ["user", "Go"],
    ["assistant", "I pull. "],
    ["tool", "It is dark."],
  ]);
  const turn = await ann.json<object>(`/api/v1/turns/${events[0]?.data.turn_id}`);
  expect(turn).toMatchObject({ status: "failed" });
});

interface Entry {
  readonly id: string;
  readonly parent_id: string | null;
  readonly role: string;
  readonly content: string;
  readonly cut?: string;
}
