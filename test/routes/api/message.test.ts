import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { collectTurn, textOf } from "../../support/read-sse";
import { type Client, startServer, type TestServer } from "../../support/server";
import { reply, startUpstream, type Upstream } from "../../support/upstream";

describe("POST /api/v1/message", () => {
  let upstream: Upstream;
  let server: TestServer;
  let ann: Client;
  let bob: Client;

  beforeAll(async () => {
    upstream = startUpstream({ models: ["small-one", "large-one"] });
    server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl, openaiApiKey: "key" } });
    ann = await server.signIn("ann");
    bob = await server.signIn("bob");
  });

  beforeEach(() => upstream.otherwise(reply("Hello there.")));

  test("streams the turn: the thread first, thinking, text, and the end last, each with an id", async () => {
    upstream.script({ parts: [{ reasoningContent: "Let me" }, { reasoningContent: " see." }, "Hello", " you."] });
    const events = await collectTurn(await ann.post("/api/v1/message", { content: "Hi" }));
    const names = events.map(({ event }) => event).filter((event, index, all) => event !== all[index - 1]);
    expect(names).toEqual(["thread_id", "thinking_tokens", "message_tokens", "stream_end"]);
    expect(events[0]?.data).toMatchObject({ thread_id: expect.any(String), turn_id: expect.any(String) });
    expect(textOf(events)).toBe("Hello you.");
    expect(textOf(events, "thinking_tokens")).toBe("Let me see.");
    expect(events.at(-1)?.data.reason).toBe("stop");
    expect(events.every(({ data }) => /^\d{4}-\d\d-\d\dT.*Z$/.test(String(data.timestamp)))).toBe(true);
    const ids = events.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("sends the system prompt, the context so far and the new message upstream", async () => {
    const [start] = await collectTurn(await ann.post("/api/v1/message", { content: "First" }));
    const before = upstream.requests.length;
    await collectTurn(await ann.post("/api/v1/message", { content: "Second", thread_id: start?.data.thread_id }));
    const messages = upstream.requests[before]?.body.messages ?? [];
    expect(messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user"]);
    expect(messages.slice(1).map(({ content }) => content)).toEqual(["First", "Hello there.", "Second"]);
  });

  test("keeps what was said: the flat history has one entry for each part", async () => {
    upstream.script({ parts: [{ reasoning: "Hm." }, "Yes."] });
    const [start] = await collectTurn(await ann.post("/api/v1/message", { content: "Really?" }));
    const history = await ann.json<Record<string, unknown>[]>(`/api/v1/threads/${start?.data.thread_id}/messages`);
    expect(history.map(({ role, content }) => [role, content])).toEqual([
      ["user", "Really?"],
      ["thinking", "Hm."],
      ["assistant", "Yes."],
    ]);
    expect(history.map(({ parent_id }) => parent_id)).toEqual([null, history[0]?.id, history[1]?.id]);
  });

  test("a text that is JSON stays text, as JSON and as multipart", async () => {
    for (const content of ['{"k":1}', "[1,2]", "null", "123"]) {
      const form = new FormData();
      form.set("content", content);
      for (const response of [
        await ann.post("/api/v1/message", { content }),
        await ann.fetch("/api/v1/message", { method: "POST", body: form }),
      ]) {
        await collectTurn(response);
        expect(upstream.requests.at(-1)?.body.messages.at(-1)?.content).toBe(content);
      }
    }
  });

  test("the model, prompt and parameters of a request are used, and are the next one's default", async () => {
    const choice = { content: "Hi", model: "large-one", parameters: { temperature: 0.3 } };
    const [start] = await collectTurn(await ann.post("/api/v1/message", choice));
    await collectTurn(await ann.post("/api/v1/message", { content: "Again", thread_id: start?.data.thread_id }));
    for (const request of upstream.requests.slice(-2)) {
      expect(request.body).toMatchObject({ model: "large-one", temperature: 0.3 });
    }
  });

  test("a message can be answered again, also by another model; both answers are kept as siblings", async () => {
    const [start] = await collectTurn(await ann.post("/api/v1/message", { content: "Again?" }));
    const threadId = start?.data.thread_id;
    const path = `/api/v1/threads/${threadId}/messages`;
    const [question, first] = await ann.json<Record<string, unknown>[]>(path);
    upstream.script(reply("Another answer."));
    const again = { thread_id: threadId, parent_id: question?.id, regenerate: true, model: "large-one" };
    await collectTurn(await ann.post("/api/v1/message", again));
    expect(upstream.requests.at(-1)?.body.messages.at(-1)?.content).toBe("Again?");
    const [, second] = await ann.json<Record<string, unknown>[]>(path);
    expect(second).toMatchObject({ content: "Another answer.", model: "large-one", parent_id: first?.parent_id });
    await ann.post(`/api/v1/threads/${threadId}/head`, { message_id: first?.id });
    expect((await ann.json<Record<string, unknown>[]>(path)).at(-1)?.id).toBe(first?.id);
  });

  test("who may not use every model is answered by the first one of those they may", async () => {
    await collectTurn(await bob.post("/api/v1/message", { content: "Hi" }));
    expect(upstream.requests.at(-1)?.body.model).toBe("small-one");
  });

  test("exactly 100,000 characters are accepted, and 64,000 of parameters", async () => {
    const body = { content: "x".repeat(100_000), parameters: { stop: "x".repeat(63_989) } };
    const events = await collectTurn(await ann.post("/api/v1/message", body));
    expect(events.at(-1)?.event).toBe("stream_end");
  });

  test("what a form cannot say by a type it says in words", async () => {
    const send = (fields: Record<string, string>) => {
      const body = new FormData();
      for (const [name, value] of Object.entries({ content: "Hi", ...fields })) body.set(name, value);
      return ann.fetch("/api/v1/message", { method: "POST", body });
    };
    await collectTurn(await send({ stop_running: "true", regenerate: "false", parameters: '{"temperature":0.4}' }));
    expect(upstream.requests.at(-1)?.body).toMatchObject({ temperature: 0.4 });
  });
});
