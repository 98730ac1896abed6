import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ModelProtocol } from "../../../src/protocols";
import { until } from "../../support/until";
import { deadUrl, gate, httpError, startUpstream, type Upstream } from "../../support/upstream";
import { modelCall, modelCore, modelOf, OWNER_KEY, openaiCore } from "../../support/upstream-core";

let first: Upstream;
let second: Upstream;

beforeAll(() => {
  first = startUpstream();
  second = startUpstream({ apiKey: OWNER_KEY });
});
beforeEach(() => {
  first.models(["a", "both"]);
  second.models(["both", "b"]);
});
afterAll(() => Promise.all([first.stop(), second.stop()]));

/** A model of the endpoints that a models.yaml describes. */
function modelFrom(yaml: string) {
  const { core, logged } = modelCore();
  const path = join(core.config.dataPath, "models.yaml");
  writeFileSync(path, yaml);
  return { model: modelOf(core, { SECOND_KEY: OWNER_KEY }), path, logged };
}

const bothEndpoints = () => `
first: { base_url: "${first.baseUrl}", parameters: { temperature: 0.1, top_p: 0.9 } }
second:
  base_url: "${second.baseUrl}"
  api_key_env: SECOND_KEY
`;

async function send(model: ModelProtocol, id: string, parameters = {}) {
  return Array.fromAsync(model.stream(modelCall({ model: id, parameters }), new AbortController().signal));
}

test("models of several endpoints are listed in order, and a name that is taken is prefixed", async () => {
  const { model } = modelFrom(bothEndpoints());
  expect(await model.list()).toEqual(["a", "both", "second/both", "b"]);
});

test("a call goes to the endpoint that offers the model, with that one's key and own name for it", async () => {
  const { model } = modelFrom(bothEndpoints());
  await send(model, "both");
  expect(first.requests.at(-1)?.body.model).toBe("both");
  expect(first.requests.at(-1)?.headers.get("authorization")).toBeNull();
  await send(model, "second/both");
  expect(second.requests.at(-1)?.body.model).toBe("both");
  expect(second.requests.at(-1)?.headers.get("authorization")).toBe(`Bearer ${OWNER_KEY}`);
});

test("an unknown model is refused without asking any endpoint", async () => {
  const { model } = modelFrom(bothEndpoints());
  const before = first.requests.length + second.requests.length;
  await expect(send(model, "none")).rejects.toThrow("No endpoint offers the model none.");
  expect(first.requests.length + second.requests.length).toBe(before);
});

test("an endpoint that is down hides only its own models, and the owner is told once", async () => {
  const { model, logged } = modelFrom(`dead: { base_url: "${deadUrl()}" }\n${bothEndpoints()}`);
  for (let n = 0; n < 3; n++) expect(await model.list()).toEqual(["a", "both", "second/both", "b"]);
  expect(logged.filter((line) => line.includes("endpoint=dead"))).toHaveLength(1);
});

const PAGE = "<html><head><title>Sign in to the gateway</title></head></html>";
const NO_LISTS = [
  {
    answer: httpError(401, "no such key"),
    says: "does not accept the key of this server (HTTP 401). It says: no such key",
  },
  { answer: httpError(404, "nothing here"), says: "has no list of models (HTTP 404). Its address is wrong, or" },
  { answer: httpError(503, "still loading"), says: "(HTTP 503). It says: still loading" },
  { answer: { status: 200, body: PAGE }, says: "is not a list of models. It says: Sign in to the gateway" },
  { answer: { status: 200, body: { data: [] } }, says: "answers, and offers no models" },
];
for (const { answer, says } of NO_LISTS) {
  test(`an administrator can be told why an endpoint offers nothing: ${says}`, async () => {
    first.models(answer);
    const { model } = modelFrom(
      `lost: { base_url: "${first.baseUrl}" }\ngood: { base_url: "${second.baseUrl}", models: [x] }`,
    );
    expect(await model.list()).not.toContain("a");
    const told = await model.missing?.();
    expect(told).toHaveLength(1);
    expect(told?.[0]).toContain(says);
    expect(told?.[0]).toContain("“lost”");
    expect(told?.[0]).toContain("models.yaml");
  });
}

test("what is told of an endpoint without a list has its address, and neither its key nor a password in it", async () => {
  first.models(httpError(401, `the key ${OWNER_KEY} is unknown`));
  const address = first.baseUrl.replace("http://", "http://ann:pass@");
  const { model } = modelFrom(`lost: { base_url: "${address}", api_key_env: SECOND_KEY }`);
  await model.list();
  const told = (await model.missing?.())?.join() ?? "";
  expect(told).toContain(`(${first.baseUrl})`);
  expect(told).not.toContain(OWNER_KEY);
  expect(told).not.toContain("pass");
});

test("nothing is told of endpoints that offer models, nor of servers of this machine that nobody configured", async () => {
  const { model } = modelFrom(bothEndpoints());
  await model.list();
  expect(await model.missing?.()).toEqual([]);
  const guessing = modelOf(modelCore().core, {}, { dead: deadUrl() });
  expect(await guessing.list()).toEqual([]);
  expect(await guessing.missing?.()).toEqual([]);
});

const ODD_LISTS = [
  httpError(500, "no"),
  { status: 200, body: "<html>" },
  { status: 200, body: { data: "x" } },
  { status: 200, body: { data: [null, { id: 3 }, { id: " " }, { id: "x\ny" }] } },
];
for (const odd of ODD_LISTS) {
  test(`a list such as ${JSON.stringify(odd.body)} offers nothing and harms nothing`, async () => {
    first.models(odd);
    expect(await modelFrom(bothEndpoints()).model.list()).toEqual(["both", "b"]);
  });
}

const LISTS: (readonly [body: object | string, ids: readonly string[]])[] = [
  [
    [{ id: "x" }, { id: "y" }],
    ["x", "y"],
  ],
  [
    ["x", "y"],
    ["x", "y"],
  ],
  [{ models: [{ name: "x" }, { model: "y" }] }, ["x", "y"]],
  [{ object: "list", data: { x: { owner: "o" }, y: {} } }, ["x", "y"]],
  [{ body: [{ model_id: "x" }] }, ["x"]],
  [{ data: { models: [{ model_name: "x" }] } }, ["x"]],
  ['\uFEFF{"data":[{"id":"x"}]}', ["x"]],
  [{ data: [] }, []],
];
for (const [body, ids] of LISTS) {
  test(`a list such as ${JSON.stringify(body)} is understood`, async () => {
    first.models({ status: 200, body });
    const { model, logged } = modelFrom(bothEndpoints());
    expect(await model.list()).toEqual([...ids, "both", "b"]);
    expect(logged.filter((line) => line.includes("gives no list"))).toEqual([]);
  });
}

test("headers of the owner go with each request, and none of their secrets into a failure", async () => {
  const { model } = modelFrom(`
first: { base_url: "${first.baseUrl}", headers: { X-Title: Ours, api-key: "\${SECOND_KEY}" } }
`);
  first.script(httpError(422, `no such key: ${OWNER_KEY}`));
  const failed = await send(model, "a").catch((error) => String(error.message));
  expect(failed).toContain("no such key");
  expect(failed).not.toContain(OWNER_KEY);
  const { headers } = first.requests.at(-1) ?? {};
  expect([headers?.get("x-title"), headers?.get("api-key"), headers?.get("authorization")]).toEqual([
    "Ours",
    OWNER_KEY,
    null,
  ]);
});

test("lists are asked for once however many pages want them, and then kept", async () => {
  const model = modelOf(openaiCore(first).core);
  const before = first.listRequests;
  const hold = gate();
  first.models(async () => {
    await hold.opened;
    return ["late"];
  });
  const waiting = Promise.all([model.list(), model.list(), model.describe?.("late")]);
  hold.open();
  expect((await waiting).slice(0, 2)).toEqual([["late"], ["late"]]);
  await model.list();
  expect(first.listRequests - before).toBe(1);
});

test("an endpoint that hangs holds a page up for three seconds once, not every time", async () => {
  const hold = gate();
  first.models(async () => {
    await hold.opened;
    return ["late"];
  });
  const { model } = modelFrom(bothEndpoints());
  expect(await model.list()).toEqual(["both", "b"]);
  const start = performance.now();
  expect(await model.list()).toEqual(["both", "b"]);
  expect(performance.now() - start).toBeLessThan(1000);
  hold.open();
});

test("named models are offered without asking, and described as the owner says", async () => {
  const before = first.listRequests;
  const { model } = modelFrom(`
- name: named
  base_url: "${first.baseUrl}"
  parameters: { temperature: 0.1, top_p: 0.9 }
  models: [{ id: big, context_length: 8192, capabilities: [vision, tools], parameters: { top_p: 0.5 } }, small]
`);
  expect(await model.list()).toEqual(["big", "small"]);
  expect(await model.describe?.("big")).toEqual({
    id: "big",
    contextLength: 8192,
    capabilities: ["vision", "tools"],
    parameters: { temperature: 0.1, top_p: 0.5 },
  });
  expect(await model.describe?.("none")).toBeNull();
  expect(first.listRequests).toBe(before);
});

test("the call's parameters win over the model's, and those over the endpoint's", async () => {
  const { model } = modelFrom(`
named:
  base_url: "${first.baseUrl}"
  parameters: { temperature: 0.1, top_p: 0.1, seed: 1 }
  models: [{ id: big, parameters: { top_p: 0.2, temperature: 0.2 } }]
`);
  await send(model, "big", { temperature: 0.3 });
  expect(first.requests.at(-1)?.body).toMatchObject({ temperature: 0.3, top_p: 0.2, seed: 1 });
});

test("a wrong entry of models.yaml is named in the log, and the others work", async () => {
  const { model, logged } = modelFrom(`first: { base_url: "${first.baseUrl}" }\nodd: { base_url: 3 }`);
  expect(await model.list()).toEqual(["a", "both"]);
  expect(logged.filter((line) => line.includes('endpoint "odd": base_url has to be an address'))).toHaveLength(1);
});

test("a change of models.yaml is in use within a second, and when it is gone the variables count", async () => {
  const { core } = openaiCore(first);
  const path = join(core.config.dataPath, "models.yaml");
  writeFileSync(path, `named: { base_url: "${first.baseUrl}", models: [one] }`);
  const model = modelOf(core);
  expect(await model.list()).toEqual(["one"]);
  writeFileSync(path, `named: { base_url: "${first.baseUrl}", models: [one, two] }`);
  await until(async () => (await model.list()).includes("two"));
  rmSync(path);
  await until(async () => (await model.list()).includes("a"));
});

test("servers of this machine are used when nothing is configured, and their silence is not logged", async () => {
  const { core, logged } = modelCore();
  const model = modelOf(core, {}, { silent: deadUrl(), ollama: first.baseUrl });
  expect(await model.list()).toEqual(["a", "both"]);
  expect((await send(model, "a")).at(-1)).toEqual({ type: "finish", reason: "stop" });
  expect(logged).toEqual([]);
});
