import { beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { allowedParameters } from "../../src/basics/allowed";
import type { JsonObject } from "../../src/protocols";
import { atEnd } from "../support/at-end";
import { dataWith } from "../support/library";
import { collectTurn } from "../support/read-sse";
import { type Client, startServer, type TestServer } from "../support/server";
import { reply, startUpstream, type UpstreamBody } from "../support/upstream";

/** Of text, because in a literal `__proto__` would be no field. */
const HOSTILE: JsonObject = JSON.parse(`{
  "temperature": 0.5, "stop": ["END"], "logit_bias": { "50256": -100 },
  "model": "large-1", "Model": "large-1", "MODEL": "large-1", "mode\uff4c": "large-1", "me\u017fsages": [], "\u017ftream": false,
  "messages": [], "stream": false, "Stream": false, "stream_options": { "include_usage": false }, "tools": [{ "type": "x" }],
  "functions": [{ "name": "f" }], "n": 5, "N": 5,
  "models": ["large-1"], "fallbacks": ["large-1"], "route": "fallback", "provider": { "order": ["dear"] }, "plugins": [{ "id": "web" }],
  "Temperature": 2, "temperature ": 2, "__proto__": { "models": ["large-1"] }, "constructor": { "prototype": {} },
  "extra_body": { "model": "large-1", "n": 5, "extra_body": { "N": 5, "kept": 1 }, "kept": 2 }
}`);

const PROMPTS = JSON.stringify({
  default: { content: "", parameters: { models: ["large-1"], top_p: 0.5, n: 3 } },
});
const MODELS = (baseUrl: string) =>
  JSON.stringify([
    {
      name: "it",
      base_url: baseUrl,
      parameters: { route: "owner", n: 2 },
      models: [{ id: "small-1", allow_parameters: ["logit_bias", "n"] }, "large-1"],
    },
  ]);

const upstream = startUpstream({ models: ["small-1", "large-1"] });
atEnd(() => upstream.stop());
let server: TestServer;
let ann: Client;
let bob: Client;

beforeAll(async () => {
  const dataPath = dataWith(["functions/openai-endpoint.ts"]);
  writeFileSync(join(dataPath, "system_prompts.yaml"), PROMPTS);
  writeFileSync(join(dataPath, "models.yaml"), MODELS(upstream.baseUrl));
  server = await startServer({ dataPath });
  [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];
});

/** What of a request is neither the server's own nor said by the owner's file. */
function sentParameters(sentRoute = "owner"): object {
  const body: Partial<UpstreamBody> = upstream.requests.at(-1)?.body ?? {};
  const { model, messages, stream, stream_options, route, ...parameters } = body;
  expect([model, stream, stream_options, route]).toEqual(["small-1", true, { include_usage: true }, sentRoute]);
  expect(messages).toBeArray();
  return parameters;
}

const MASKED = { temperature: 0.5, stop: ["END"], logit_bias: { "50256": -100 }, top_p: 0.5 };

async function send(client: Client, body: object) {
  upstream.script(reply("Hello."));
  return collectTurn(await client.post("/api/v1/message", { content: "Hello", model: "small-1", ...body }));
}

const form = (path: string, fields: Record<string, string> = {}) =>
  bob.fetch(path, { method: "POST", body: new URLSearchParams(fields), redirect: "manual" });

/** Waits for the turn that a form of the page started. */
async function sentByForm(threadId: string, path: string, fields?: Record<string, string>): Promise<void> {
  const count = upstream.requests.length;
  upstream.script(reply("Hello."));
  expect((await form(path, fields)).status).toBe(303);
  await (await upstream.request(count + 1)).sent;
  const [turnId] = (await server.core.turns.list({ username: "bob", role: "user" }, threadId))
    .map(({ id }) => id)
    .slice(-1);
  await (await bob.fetch(`/api/v1/turns/${turnId}/events`)).text();
}

test("whoever may not use every model sets what is allowed, and is told once of the rest", async () => {
  const events = await send(bob, { parameters: HOSTILE });
  expect(sentParameters()).toEqual(MASKED);
  const notices = events.filter(({ event }) => event === "notice").map(({ data }) => String(data.content));
  expect(notices).toHaveLength(1);
  expect(notices[0]).toStartWith(
    'Parameters that are not yours to set were not sent to the model: "models", "n", "model"',
  );
  expect(notices[0]).toMatch(/ and \d+ more\.$/);
  expect(notices[0]?.length).toBeLessThan(800);
  expect(events.at(-1)?.event).toBe("stream_end");
});

test("the same holds for what a chat remembers, and for each form of the page that goes on with it", async () => {
  const [, started] = [await send(bob, {}), (await bob.json<{ id: string }[]>("/api/v1/threads"))[0]];
  const id = started?.id ?? "";
  await bob.json(`/api/v1/threads/${id}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ parameters: HOSTILE }),
  });
  await sentByForm(id, `/t/${id}/messages`, { content: "And?", model: "small-1" });
  expect(sentParameters()).toEqual(MASKED);
  const [question] = await bob.json<{ id: string }[]>(`/api/v1/threads/${id}/messages`);
  await sentByForm(id, `/t/${id}/retry?parent=${question?.id}`);
  expect(sentParameters()).toEqual(MASKED);
  await sentByForm(id, `/t/${id}/edit?message=${question?.id}`, { content: "Once more" });
  expect(sentParameters()).toEqual(MASKED);
});

test("and for a reply that goes on after it was stopped", async () => {
  const count = upstream.requests.length;
  upstream.script({ parts: ["Half ", { wait: new Promise<never>(() => {}) }] });
  const response = await bob.post("/api/v1/message", { content: "Hello", model: "small-1", parameters: HOSTILE });
  await upstream.request(count + 1);
  const { id } = (await bob.json<{ id: string }[]>("/api/v1/threads"))[0] ?? { id: "" };
  const [turn] = await server.core.turns.list({ username: "bob", role: "user" }, id);
  await bob.fetch(`/api/v1/turns/${turn?.id}`, { method: "DELETE" });
  await response.text();
  upstream.script(reply("whole."));
  await (await bob.post(`/api/v1/turns/${turn?.id}/continue`, {})).text();
  expect(sentParameters()).toEqual(MASKED);
});

test("and for a form of the API", async () => {
  upstream.script(reply("Hello."));
  const fields = { content: "Hello", model: "small-1", parameters: JSON.stringify(HOSTILE) };
  await (await form("/api/v1/message", fields)).text();
  expect(sentParameters()).toEqual(MASKED);
});

test("nobody sets what the server says itself, in whatever letters, or how many answers there are", async () => {
  await send(ann, { parameters: HOSTILE });
  const sent = sentParameters("fallback");
  expect(Object.keys(sent).filter((name) => /^(?:model|messages|stream.*|tools|functions|n)$/i.test(name))).toEqual([]);
  expect(Object.keys(sent).filter((name) => name.normalize("NFKC") !== name)).toEqual([]);
  expect(sent).toMatchObject({
    ...MASKED,
    models: ["large-1"],
    Temperature: 2,
    extra_body: { extra_body: { kept: 1 }, kept: 2 },
  });
});

test("many or large parameters cost no more than reading them", () => {
  const user = { username: "bob", role: "user", modelMask: "small-.*" } as const;
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`${n}${"\u017f".repeat(10)}`, n]));
  const times = (work: () => void): number => {
    const taken = Array.from({ length: 5 }, () => {
      const begun = performance.now();
      work();
      return performance.now() - begun;
    });
    return taken.toSorted((a, b) => a - b)[2] ?? 0;
  };
  const text = JSON.stringify(many);
  const reading = times(() => void JSON.parse(text));
  expect(times(() => void allowedParameters(user, many, null))).toBeLessThan(10 * reading);
  expect(allowedParameters(user, many, null).leftOut).toHaveLength(100_000);
});
