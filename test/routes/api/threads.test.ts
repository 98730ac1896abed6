import { beforeAll, describe, expect, test } from "bun:test";
import { collectTurn } from "../../support/read-sse";
import { type Client, startServer } from "../../support/server";
import { reply, startUpstream, toolCall, type Upstream } from "../../support/upstream";

interface ThreadJson {
  readonly id: string;
  readonly title: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly head_id: string;
}

interface MessageJson {
  readonly id: string;
  readonly content: string;
}

describe("threads over HTTP", () => {
  let upstream: Upstream;
  let ann: Client;
  let bob: Client;

  beforeAll(async () => {
    upstream = startUpstream({ models: ["small-one"] });
    upstream.otherwise(reply("A walrus, of course."));
    const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl } });
    ann = await server.signIn("ann");
    bob = await server.signIn("bob");
  });

  const send = async (content: string, more: object = {}): Promise<string> => {
    const [start] = await collectTurn(await ann.post("/api/v1/message", { content, ...more }));
    return String(start?.data.thread_id);
  };
  const history = (id: string) => ann.json<MessageJson[]>(`/api/v1/threads/${id}/messages`);

  test("a thread is titled by its first line, listed first, renamed, and found by its new name", async () => {
    const id = await send("What is grey and has tusks?\nThink.");
    const [first] = await ann.json<ThreadJson[]>("/api/v1/threads");
    expect(first).toMatchObject({ id, title: "What is grey and has tusks?" });
    const renamed = await ann.post(`/api/v1/threads/${id}`, { title: "Riddle", metadata: { pinned: true } });
    expect(await renamed.json()).toMatchObject({ id, title: "Riddle", metadata: { pinned: true } });
    const hits = await ann.json<{ id: string; snippet: string }[]>("/api/v1/search?q=riddle");
    expect(hits[0]?.id).toBe(id);
  });

  test("an archived thread leaves list and search, stays readable, and can be brought back", async () => {
    const id = await send("Axolotl");
    expect(await ann.json<unknown>(`/api/v1/threads/${id}`, { method: "DELETE" })).toEqual({ archived: true });
    expect((await ann.json<ThreadJson[]>("/api/v1/threads")).map((thread) => thread.id)).not.toContain(id);
    expect(await ann.json<unknown[]>("/api/v1/search?q=axolotl")).toEqual([]);
    expect((await history(id))[0]?.content).toBe("Axolotl");
    expect((await ann.json<ThreadJson[]>("/api/v1/threads?archived=true")).map((thread) => thread.id)).toContain(id);
    await ann.post(`/api/v1/threads/${id}`, { archived: false });
    expect((await ann.json<ThreadJson[]>("/api/v1/threads")).map((thread) => thread.id)).toContain(id);
  });

  test("a field that is not in the schema is left out, whatever it is called", async () => {
    const id = await send("To be named");
    const body = '{"title":"Named","other":1,"constructor":1,"toString":1,"__proto__":{"archived":true}}';
    const headers = { "content-type": "application/json" };
    const response = await ann.fetch(`/api/v1/threads/${id}`, { method: "POST", body, headers });
    expect(await response.json()).toMatchObject({ title: "Named", archived: false });
  });

  test("threads are pinned and tagged, and listed by tag", async () => {
    const [older, newer] = [await send("Older"), await send("Newer")];
    const pinned = await ann.post(`/api/v1/threads/${older}`, { pinned: true, tags: ["trip", " trip ", "home"] });
    expect(await pinned.json()).toMatchObject({ pinned: true, tags: ["trip", "home"], metadata: {} });
    await ann.post(`/api/v1/threads/${newer}`, { tags: ["trip"] });
    const list = async (query: string) =>
      (await ann.json<ThreadJson[]>(`/api/v1/threads?${query}`)).map(({ id }) => id);
    expect(await list("tag=trip")).toEqual([newer, older]);
    expect(await list("tag=trip&pinned_first=true")).toEqual([older, newer]);
    expect(await list("tag=home")).toEqual([older]);
    expect((await list("limit=1"))[0]).toBe(newer);
    expect(await ann.json<string[]>("/api/v1/tags")).toEqual(["home", "trip"]);
    expect(await bob.json<string[]>("/api/v1/tags")).toEqual([]);
    for (const [tag, status] of [
      ["x".repeat(51), 400],
      ["🙂".repeat(50), 200],
      ["🙂".repeat(51), 400],
    ] as const) {
      expect((await ann.post(`/api/v1/threads/${newer}`, { tags: [tag] })).status).toBe(status);
    }
  });

  test("metadata and parameters are taken within bounds, the metadata as a whole", async () => {
    const id = await send("Bounds");
    const change = async (fields: object) => {
      const answer = await ann.post(`/api/v1/threads/${id}`, fields);
      return [answer.status, ((await answer.json()) as { detail?: string }).detail];
    };
    expect(await change({ metadata: { a: "x".repeat(9_000) } })).toEqual([200, undefined]);
    expect(await change({ metadata: { b: "x".repeat(9_000) } })).toEqual([
      400,
      expect.stringMatching(/^The metadata of a thread may have 16000 characters of JSON, not 18\d\d\d\.$/),
    ]);
    expect(await change({ metadata: { a: null, b: "x".repeat(9_000) } })).toEqual([200, undefined]);
    const deep = JSON.parse(`{"a":${"[".repeat(3_000)}${"]".repeat(3_000)}}`);
    expect(await change({ metadata: deep })).toEqual([400, "The body nests deeper than 64 levels."]);
    expect(await change({ parameters: deep })).toEqual([400, "The body nests deeper than 64 levels."]);
  });

  test("arguments of a tool that nest too deep come as the text that the model wrote", async () => {
    const shown = async (levels: number) => {
      const args = `{"a":${"[".repeat(levels)}${"]".repeat(levels)}}`;
      upstream.script({ parts: toolCall("ping", args) });
      const events = await collectTurn(await ann.post("/api/v1/message", { content: "Ping" }));
      const entries = await ann.json<{ arguments?: unknown }[]>(
        `/api/v1/threads/${events[0]?.data.thread_id}/messages`,
      );
      const told = events.find(({ event }) => event === "tool_call")?.data.arguments;
      return [told, entries.find((entry) => "arguments" in entry)?.arguments].map((it) =>
        it === args ? "text" : typeof it,
      );
    };
    expect(await shown(60)).toEqual(["object", "object"]);
    expect(await shown(3_000)).toEqual(["text", "text"]);
  });

  test("pages of the list follow each other without a gap", async () => {
    for (let count = 0; count < 5; count++) await send(`Page ${count}`);
    const all = (await ann.json<ThreadJson[]>("/api/v1/threads?limit=1000")).map(({ id }) => id);
    const paged: string[] = [];
    for (let before = ""; ; before = `&before=${paged.at(-1)}`) {
      const page = await ann.json<ThreadJson[]>(`/api/v1/threads?limit=2${before}`);
      paged.push(...page.map(({ id }) => id));
      if (page.length < 2) break;
    }
    expect(paged).toEqual(all);
  });

  test("an edited message is a sibling; either branch can be shown; a fork is a thread of its own", async () => {
    const id = await send("One");
    await send("Two", { thread_id: id });
    const [one, answer, two] = await history(id);
    await send("Zwei", { thread_id: id, parent_id: answer?.id });
    expect((await history(id)).map(({ content }) => content)).toEqual([
      "One",
      answer?.content ?? "",
      "Zwei",
      answer?.content ?? "",
    ]);
    await ann.post(`/api/v1/threads/${id}/head`, { message_id: two?.id });
    expect((await history(id)).map(({ content }) => content)).toEqual([
      "One",
      answer?.content ?? "",
      "Two",
      answer?.content ?? "",
    ]);
    const fork = (await (await ann.post(`/api/v1/threads/${id}/fork`, { message_id: one?.id })).json()) as ThreadJson;
    expect(fork.id).not.toBe(id);
    expect((await history(fork.id)).map(({ content }) => content)).toEqual(["One"]);
  });
});
