import { beforeEach, expect, test } from "bun:test";
import { parseEndpoints } from "../../src/core/model/models-yaml";
import type { Plugin } from "../../src/protocols";
import { atEnd } from "../support/at-end";
import { growth } from "../support/cost";
import { dataWith } from "../support/library";
import { startServer } from "../support/server";
import { reply, startUpstream } from "../support/upstream";

const LONG = `small-${"a".repeat(300_000)}`;

/** The longest name that `auth` was asked about. */
let longest = 0;
/** What the endpoint of another plugin offers beside its own. */
const lister: Plugin = {
  name: "lister",
  provide: {
    auth: (_core, base) => ({
      ...base,
      async requestAllowed(user, model) {
        longest = Math.max(longest, model.length);
        return base.requestAllowed(user, model);
      },
    }),
    model: (_core, base) => ({ ...base, list: async () => [LONG, ...(await base.list())] }),
  },
};

const upstream = startUpstream({ models: ["small-1"] });
atEnd(() => upstream.stop());
const server = await startServer({
  dataPath: dataWith(["functions/openai-endpoint.ts"]),
  config: { openaiBaseUrl: upstream.baseUrl },
  plugins: [lister],
});
const bob = await server.signIn("bob");
upstream.script(reply("Hello."));
await (await bob.post("/api/v1/message", { content: "Hello" })).text();
const [thread] = await bob.json<{ id: string }[]>("/api/v1/threads");
const [question] = await bob.json<{ id: string }[]>(`/api/v1/threads/${thread?.id}/messages`);

beforeEach(() => {
  longest = 0;
});

const post = (path: string, fields: Record<string, string>) =>
  bob.fetch(path, { method: "POST", body: new URLSearchParams(fields), redirect: "manual" });

const WAYS: Record<string, () => Promise<Response>> = {
  "the API": () => bob.post("/api/v1/message", { content: "Hello", model: LONG }),
  "a form of the API": () => post("/api/v1/message", { content: "Hello", model: LONG }),
  "a change of a thread": () => bob.post(`/api/v1/threads/${thread?.id}`, { model: LONG.slice(0, 9000) }),
  "the page's form": () => post("/t", { content: "Hello", model: LONG }),
  "the form of a chat": () => post(`/t/${thread?.id}/messages`, { content: "Hello", model: LONG }),
  "another model for a reply": () =>
    post(`/t/${thread?.id}/retry?parent=${question?.id}&model=${LONG.slice(0, 9000)}`, {}),
  "the OpenAI endpoint": () =>
    bob.post("/_plugin/openai/v1/chat/completions", { model: LONG, messages: [{ role: "user", content: "Hello" }] }),
};

test.each(Object.entries(WAYS))(
  "%s refuses a model's name that is too long, and no mask is held against it",
  async (_, ask) => {
    const response = await ask();
    expect([400, 404, 422]).toContain(response.status);
    expect((await response.text()).length).toBeLessThan(20_000);
    expect(longest).toBeLessThanOrEqual(256);
  },
);

test("a name that is as long as one may be is asked about", async () => {
  const name = "small-".padEnd(256, "a");
  expect((await bob.post("/api/v1/message", { content: "Hello", model: name })).status).toBe(400);
  expect(longest).toBe(256);
});

test("a plugin's model with such a name is not offered, and one of models.yaml is named as a fault", async () => {
  expect(await bob.json<string[]>("/api/v1/models")).toEqual(["small-1"]);
  const entry = { name: "own", base_url: "http://localhost:1/v1", models: ["a".repeat(257)] };
  expect(parseEndpoints([entry], () => null).problems[0]).toContain("more than 256 characters");
});

test("an address of data is read in proportion to its length, whatever stands in front of its data", async () => {
  const { token } = bob;
  const page = `${server.url}/_plugin/openai/v1/chat/completions`;
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const send = (url: string) => {
    const content = [{ type: "image_url", image_url: { url } }];
    const body = JSON.stringify({ model: "small-1", messages: [{ role: "user", content }] });
    return fetch(page, { method: "POST", headers, body }).then(async (answer) => [answer.status, await answer.text()]);
  };
  const shapes = ["data:a/", "data:a/b;base64", `data:${"a/".repeat(9)}`];
  for (const shape of shapes) expect((await send(shape + "a;base64".repeat(30)))[0]).toBe(400);
  for (const shape of shapes) {
    const times = await growth((size) => send(shape + ";base64/a".repeat(size / 9)), 250_000);
    expect([shape, times < 3.3]).toEqual([shape, true]);
  }
}, 30_000);
