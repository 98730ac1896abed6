/**
 * What the server refuses: one table of scenarios, and what holds of each route by itself, so that a new one is in it without a word. Whatever
 * is refused leaves what is stored as it was, sends nothing to a model, and answers with a sentence that shows nothing of the server.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Kind, type TProperties, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { InternalRoute } from "elysia";
import { createApp } from "../../src/app";
import type { Plugin, User } from "../../src/protocols";
import { PIXEL } from "../support/pixel";
import { readTurn } from "../support/read-sse";
import { type Client, startServer, type TestServer } from "../support/server";
import { gate, reply, startUpstream, toolCall } from "../support/upstream";

const asking: Plugin = {
  name: "asking",
  tools: [{ name: "ask_first", description: "", parameters: t.Object({}), approval: true, execute: async () => "ran" }],
};

const upstream = startUpstream({ models: ["small-a", "large-a"] });
const config = { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl };
const server: TestServer = await startServer({ config, plugins: [asking] });
const { core } = server;
const held = gate();
afterAll(() => {
  held.open();
  upstream.stop();
});

const PAGE = { accept: "text/html" };
const HTMX = { ...PAGE, "hx-request": "true" };
const EVIL = { origin: "https://evil.example" };

/** Who asks: with a token, or by the cookie of a browser. Bob may use models whose names begin with `small-`. */
type Who = "ann" | "bob" | "nobody" | "ann's browser";
let ann: Client;
let bob: Client;

/** What ann has, and one chat of bob's. Their ids stand in braces in the table. */
const ids: Record<string, string> = { nowhere: "00000000-0000-7000-8000-000000000000" };

beforeAll(async () => {
  [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];
  const mine = await begin(ann, "Mine");
  const [question, answer] = await core.thread.messages("ann", mine.thread);
  const bobs = await begin(bob, "Of bob");
  const [bobsQuestion] = await core.thread.messages("bob", bobs.thread);
  const { id: file } = await core.file.put("ann", { name: "a.png", type: "image/png", data: new Blob([PIXEL]) });
  upstream.script({ parts: toolCall("ask_first", {}) });
  const asked = await begin(ann, "Ask", "approval_asked");
  upstream.script({ parts: ["Writing ", { wait: held.opened }] });
  const busy = await begin(ann, "Write", "message_tokens");
  const [writing] = await core.thread.messages("ann", busy.thread);
  Object.assign(ids, {
    thread: mine.thread,
    turn: mine.turn,
    question: question?.id ?? "",
    answer: answer?.id ?? "",
    bobs: bobs.thread,
    bobsQuestion: bobsQuestion?.id ?? "",
    file,
    asking: asked.thread,
    askingTurn: asked.turn,
    call: asked.call,
    busy: busy.thread,
    busyQuestion: writing?.id ?? "",
  });
});

/** Sends a message, and reads until an event of that name has come. */
async function begin(client: Client, content: string, until = "stream_end") {
  if (until === "stream_end") upstream.script(reply("An answer."));
  let [thread, turn, call] = ["", "", ""];
  for await (const { event, data } of readTurn(await client.post("/api/v1/message", { content }))) {
    if (data.thread_id) thread = data.thread_id;
    if (data.turn_id) turn = data.turn_id;
    call = String(data.call_id ?? call);
    if (event === until) break;
  }
  return { thread, turn, call };
}

type Body = Record<string, unknown> | string | FormData | URLSearchParams;

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body?: Body | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An object goes as JSON, unless the headers are those of a page, which sends forms; a text goes as broken JSON. */
function ask(who: Who, { method, path, body, headers = {} }: Asked, known = ids): Promise<Response> {
  const named = (text: string) => text.replace(/\{(\w+)\}/g, (all, name) => known[name] ?? all);
  const sent = new Headers(headers);
  if (who === "ann" || who === "bob") sent.set("authorization", `Bearer ${(who === "ann" ? ann : bob).token}`);
  if (who === "ann's browser") sent.set("cookie", `skeleton_session=${ann.token}`);
  let content: string | FormData | URLSearchParams | undefined;
  if (body instanceof FormData || body instanceof URLSearchParams) content = body;
  else if (body !== undefined) {
    const text = named(typeof body === "string" ? body : JSON.stringify(body));
    const isForm = headers.accept === PAGE.accept && typeof body !== "string";
    content = isForm ? new URLSearchParams(JSON.parse(text) as Record<string, string>) : text;
    if (!isForm) sent.set("content-type", "application/json");
  }
  return fetch(server.url + named(path), {
    method,
    headers: sent,
    redirect: "manual",
    ...(content !== undefined && { body: content }),
  });
}

/** All that ann and bob have, and what their turns are at. */
async function stored() {
  const ofUser = async ({ username, role }: User) => {
    const lists = [core.thread.list(username), core.thread.list(username, { archived: true })];
    const threads = (await Promise.all(lists)).flat();
    return {
      threads,
      messages: await Promise.all(threads.map(({ id }) => core.thread.messages(username, id))),
      turns: await Promise.all(threads.map(({ id }) => core.turns.list({ username, role }, id))),
      files: await core.file.list(username),
    };
  };
  return [
    await ofUser({ username: "ann", role: "admin" }),
    await ofUser({ username: "bob", role: "user" }),
    await Bun.file(core.config.usersFile).text(),
  ];
}

/** Neither paths nor names of the code, no stack, nothing of a library. */
const INNARDS = /\.ts\b|node_modules|\bat .*:\d+:\d+|Error:|TypeBox|elysia|sqlite/i;

/** The answer, when it is refused as it should be and nothing came of it. */
async function refused(who: Who, asked: Asked, status: number): Promise<string> {
  const [before, sent] = [await stored(), upstream.requests.length];
  const response = await ask(who, asked);
  const text = await response.text();
  expect([response.status, text]).toEqual([status, expect.not.stringMatching(INNARDS)]);
  expect(await stored()).toEqual(before);
  expect(upstream.requests).toHaveLength(sent);
  if (asked.headers?.accept !== PAGE.accept)
    expect(JSON.parse(text)).toEqual({ detail: expect.stringMatching(/^\S.* .*\S$/s) });
  return text;
}

interface Scenario extends Asked {
  readonly what: string;
  /** Default: ann. */
  readonly who?: Who;
  readonly status: number;
  /** What must be in the answer; what must not be in any is `INNARDS`. */
  readonly says: string | RegExp;
}

const deep = (levels: number) =>
  JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`) as Record<string, unknown>;
const message = (what: string, body: Body, status: number, says: string | RegExp): Scenario => {
  return { what: `a message with ${what}`, method: "POST", path: "/api/v1/message", body, status, says };
};
const form = (what: string, path: string, body: Body, status: number, says: string | RegExp): Scenario => {
  return { what, method: "POST", path, body, headers: PAGE, status, says };
};
const post = (what: string, path: string, body: Body, status: number, says: string | RegExp): Scenario => {
  return { what, method: "POST", path, body, status, says };
};
const get = (what: string, path: string, status: number, says: string): Scenario => {
  return { what, method: "GET", path, status, says };
};
const masked = (what: string, scenario: Scenario): Scenario => {
  return { ...scenario, who: "bob", what: `a model that the mask forbids, in ${what}` };
};
const tooLarge = (path: string, kib: number): Scenario => {
  return post(`a body of ${kib} KiB to ${path}`, path, "x".repeat(kib * 1024), 413, /may have \d+ KiB/);
};

/** What htmx puts into the line that says how it went. */
const STATUS = /^<hx-partial hx-target="#status"[\s\S]*<\/hx-partial>$/;
const AGAIN_LARGE = { thread_id: "{bobs}", parent_id: "{bobsQuestion}", regenerate: true, model: "large-a" };
const KEPT_LARGE = { content: "keep me", model: "large-a" };
const formData = (...fields: readonly (readonly [name: string, value: string | File])[]) => {
  const data = new FormData();
  for (const [name, value] of fields) data.append(name, value);
  return data;
};
const hi = ["content", "Hi"] as const;

const SCENARIOS: readonly Scenario[] = [
  message("nothing in it", {}, 400, "The message is empty"),
  message("nothing but white space", { content: " \n\t " }, 400, "The message is empty"),
  message("content where it asks for another answer", { content: "Hi", regenerate: true }, 400, "not both"),
  message("100,001 characters", { content: "x".repeat(100_001) }, 400, "at most 100,000 can be sent"),
  message("a number for its text", { content: 5 }, 422, "content"),
  message("an unknown thread", { content: "Hi", thread_id: "{nowhere}" }, 404, "no such thread"),
  message(
    "an unknown parent",
    { content: "Hi", thread_id: "{thread}", parent_id: "{nowhere}" },
    404,
    "no such message",
  ),
  message("a parent and no thread", { content: "Hi", parent_id: "{question}" }, 404, "no such"),
  message("an unknown model", { content: "Hi", model: "no-such" }, 400, "no-such"),
  message("an unknown prompt", { content: "Hi", system_prompt: "no-such" }, 400, "no-such"),
  message("an unknown file", { content: "Hi", files: ["no-such"] }, 400, "no such file"),
  message("101 files", { content: "Hi", files: Array(101).fill("{file}") }, 400, "may have 100 files; these are 101"),
  message("parameters that nest deep", { content: "Hi", parameters: deep(3_000) }, 400, "levels"),
  message("64,001 characters of parameters", { content: "Hi", parameters: { stop: "x".repeat(63_990) } }, 400, "param"),
  message("parameters that are no object", { content: "Hi", parameters: "warm" }, 422, "parameters"),
  message("a body that is no JSON", "{", 400, "JSON"),
  message("neither yes nor no, as a form", formData(hi, ["stop_running", "maybe"]), 422, "stop_running"),
  message("words for parameters, as a form", formData(hi, ["parameters", "warm"]), 400, "parameters"),
  message("deep parameters, as a form", formData(hi, ["parameters", "[".repeat(1_000_000)]), 400, "parameters"),
  message("long parameters, as a form", formData(hi, ["parameters", `["${"x".repeat(400_000)}"]`]), 400, "parameters"),
  message(
    "an upload and an unknown file",
    formData(hi, ["files", new File(["x"], "a.txt")], ["files", "none"]),
    400,
    "file",
  ),
  message(
    "an upload and too much text",
    formData(["content", "x".repeat(100_001)], ["files", new File(["x"], "a")]),
    400,
    "100",
  ),
  {
    ...message("a thread of another user's", { content: "Hi", thread_id: "{thread}" }, 404, "no such thread"),
    who: "bob",
  },
  { ...message("a file of another user's", { content: "Hi", files: ["{file}"] }, 400, "no such file"), who: "bob" },
  message("a thread in which a reply is written", { content: "Second", thread_id: "{busy}" }, 409, "still"),

  get("a list of no threads", "/api/v1/threads?limit=0", 422, "does not fit"),
  get("a list of many threads", "/api/v1/threads?limit=many", 422, "does not fit"),
  get("less than no messages", "/api/v1/threads/{thread}/messages?limit=-1", 422, "does not fit"),
  get("an address that is not there", "/api/v1/nowhere", 404, "nothing at this address"),
  get("a search for nothing", "/api/v1/search", 422, "q"),
  get("a search of 501 characters", `/api/v1/search?q=${"x".repeat(501)}`, 400, "500 characters; this one has 501"),
  get("a search of 501 characters on the page", `/threads?q=${"x".repeat(501)}`, 422, "q"),
  get("a message that is not there, as text", "/t/{thread}/source?message={nowhere}", 404, "no such"),
  post("tags that are no list", "/api/v1/threads/{thread}", { tags: "trip" }, 422, "tags"),
  post(
    "a branch while a reply is written",
    "/api/v1/threads/{busy}/head",
    { message_id: "{busyQuestion}" },
    409,
    "still",
  ),
  post("to continue a reply that is complete", "/api/v1/turns/{turn}/continue", {}, 409, "complete"),
  post("an answer to a call that is not there", "/api/v1/turns/{turn}/tools/x", { approve: true }, 404, "no such call"),
  post("an upload without a file", "/api/v1/files", formData(), 422, "file"),

  form("a chat without a title", "/t/{thread}/title", { title: " " }, 400, "title"),
  form("details without a title", "/t/{thread}/details", { title: " ", tags: "", change: "{thread}" }, 400, "title"),
  form("a long tag", "/t/{thread}/details", { title: "x", tags: "x".repeat(51), change: "{thread}" }, 400, "50"),
  form(
    "a message of nothing, which comes back",
    "/t",
    { content: "  " },
    400,
    /message is empty[\s\S]*> {2}<\/textarea>/,
  ),
  form(
    "an unknown prompt",
    "/t",
    { content: "keep me", system_prompt: "no" },
    400,
    /no system prompt[\s\S]*>keep me<\/textarea>/,
  ),
  form(
    "to send while a reply is written",
    "/t/{busy}/messages",
    { content: "Too early" },
    409,
    "A reply is still being written",
  ),
  form(
    "another answer by an unknown model",
    "/t/{thread}/retry?parent={question}&model=no-such",
    {},
    400,
    "model is not offered now",
  ),
  form("another answer to an answer", "/t/{thread}/retry?parent={answer}", {}, 400, "message of yours"),
  form("another text for an answer", "/t/{thread}/edit?message={answer}", { content: "x" }, 404, "no such"),
  form(
    "an edit that is empty",
    "/t/{thread}/edit?message={question}",
    { content: "  " },
    400,
    /id="m-[\w-]+-edit"[\s\S]*message is empty/,
  ),
  {
    ...form("an edit that is empty, by htmx", "/t/{thread}/edit?message={question}", { content: " " }, 400, STATUS),
    headers: HTMX,
  },
  { ...form("a message of nothing, by htmx", "/t", { content: " " }, 400, STATUS), headers: HTMX },
  {
    ...form(
      "to send while a reply is written, in German",
      "/t/{busy}/messages",
      { content: "x" },
      409,
      "wird noch eine Antwort geschrieben",
    ),
    headers: { ...HTMX, "accept-language": "de" },
  },
  {
    ...form(
      "101 files, in German",
      "/t",
      formData(hi, ...Array.from({ length: 101 }, (_, n) => ["files", new File(["x"], `${n}`)] as const)),
      400,
      "höchstens 100 Dateien",
    ),
    headers: { ...PAGE, "accept-language": "de" },
  },

  masked("a message", post("", "/api/v1/message", { content: "Hi", model: "large-a" }, 403, "large-a")),
  masked("a message as a form", post("", "/api/v1/message", formData(hi, ["model", "large-a"]), 403, "large-a")),
  masked("another answer", post("", "/api/v1/message", AGAIN_LARGE, 403, "large-a")),
  masked("a chat's own model", post("", "/api/v1/threads/{bobs}", { model: "large-a" }, 403, "large-a")),
  masked(
    "the page's message, which comes back",
    form("", "/t", KEPT_LARGE, 403, /You may not use[\s\S]*>keep me<\/textarea>/),
  ),
  masked(
    "the page's other answer",
    form("", "/t/{bobs}/retry?parent={bobsQuestion}&model=large-a", {}, 403, "may not use"),
  ),

  tooLarge("/login", 17),
  tooLarge("/setup", 17),
  tooLarge("/api/v1/threads/{thread}", 65),
  tooLarge("/api/v1/message", 2 * 1024 + 1),
];

describe("is refused:", () => {
  test.each(SCENARIOS.map((scenario) => [scenario.what, scenario] as const))(
    "%s",
    async (_, { who = "ann", status, says, ...asked }) => {
      const text = await refused(who, asked, status);
      expect(text).toMatch(says);
    },
  );
});

/** Addresses that are for everybody: a new one is named here. Pages of plugins and the live channel look at the session themselves. */
const PUBLIC = [
  ...["GET /", "GET /health", "GET /openapi/json", "GET /live", "GET /login", "POST /login", "POST /logout"],
  ...["GET /setup", "POST /setup", "ALL /_plugin/:name", "ALL /_plugin/:name/*"],
];

type Route = Pick<InternalRoute, "method" | "path" | "hooks">;

const routes: readonly Route[] = createApp(core).routes;
const nameOf = ({ method, path }: Route) => `${method} ${path}`;
const closed = routes.filter((route) => !PUBLIC.includes(nameOf(route)) && !route.path.startsWith("/static/"));
const changing = routes.filter(({ method }) => method === "POST" || method === "DELETE");

test("there are routes to try, all that the API document has among them", async () => {
  const document = (await (await fetch(`${server.url}/openapi/json`)).json()) as {
    paths: Record<string, Record<string, { security?: object[] }>>;
  };
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security }]) => {
      const route = `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`;
      return [route, security?.length !== 0] as const;
    }),
  );
  const open = described.filter(([, isClosed]) => !isClosed).map(([route]) => route);
  expect(open.filter((route) => !PUBLIC.includes(route))).toEqual([]);
  const known = closed.map((route) => nameOf(route).replace(/\/$/, ""));
  expect(described.filter(([route, isClosed]) => isClosed && !known.includes(route))).toEqual([]);
  expect([described.length, closed.length, changing.length].every((count) => count > 20)).toBe(true);
});

/**
 * As it is asked for, so that none is refused for what is not in it: what the schema of its body requires, and known values over that. A
 * form of the page has no schema; its fields are in the list here.
 */
function askedOf({ method, path, hooks }: Route, headers: Record<string, string> = {}): Asked {
  const answersCall = path.includes("/tools/") || path.endsWith("/approve");
  const [thread, turn] = answersCall ? ["{asking}", "{askingTurn}"] : ["{thread}", "{turn}"];
  const id = path.includes("/turns/") ? turn : path.includes("/files/") ? "{file}" : thread;
  const named = path.replace(":id", id).replace(":call_id", "{call}");
  const isApi = path.startsWith("/api/");
  const query = isApi ? "" : `?message={question}&parent={question}&turn=${turn}&before={answer}&edit={question}`;
  const body = isApi
    ? { ...requiredOf(hooks.body), title: "x", message_id: "{question}", content: "x", approve: true }
    : { content: "x", title: "x", tags: "", change: thread, turn, call: "{call}", approve: "yes" };
  return { method, path: `${named}${query}`, headers, ...(method === "POST" && { body }) };
}

/** A value for each field that the schema requires, but for uploads. */
function requiredOf({ properties, required = [] }: { properties?: TProperties; required?: string[] } = {}) {
  const fields = required.map((name) => [name, properties?.[name] ?? t.Unknown()] as const);
  const uploads = new Set<unknown>(["File", "Files"]);
  const filled = fields.filter(([, schema]) => !uploads.has(schema[Kind]));
  return Object.fromEntries(filled.map(([name, schema]) => [name, Value.Create(schema)]));
}

test("what a body must have is made of its schema", () => {
  const body = t.Object({
    words: t.Array(t.String(), { minItems: 1 }),
    level: t.Integer({ minimum: 2 }),
    more: t.Optional(t.String()),
  });
  expect(Object.keys(requiredOf(body))).toEqual(["words", "level"]);
  expect(Value.Check(body, requiredOf(body))).toBe(true);
});

describe("nobody who is not signed in gets to", () => {
  test.each(closed.map((route) => [nameOf(route), route] as const))("%s", async (_, route) => {
    expect(JSON.parse(await refused("nobody", askedOf(route), 401))).toEqual({ detail: "Sign in first." });
    if (route.method !== "POST") return;
    const unread = await refused("nobody", { ...askedOf(route), body: "{" }, 401);
    expect(JSON.parse(unread)).toEqual({ detail: "Sign in first." });
  });
});

describe("a page of another site gets by the cookie of a browser nothing from", () => {
  const foreign = [EVIL, { origin: "null" }, { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }];
  test.each(changing.map((route) => [nameOf(route), route] as const))("%s", async (_, route) => {
    for (const headers of foreign) {
      expect(await refused("ann's browser", askedOf(route, headers), 403)).toContain("from another site");
    }
    // The cookie was good, and is after all that.
    expect((await ask("ann's browser", { method: "GET", path: "/api/v1/threads" })).status).toBe(200);
  });
});

/** What is taken off twice is no fault, and so it tells nothing of who had it. */
const SILENT = ["POST /files/:id/remove"];

describe("what another user has is, byte for byte, as what is not there, at", () => {
  const withId = closed.filter(({ path }) => path.includes(":id"));
  const asks = withId.flatMap((route) =>
    (route.path.startsWith("/api/") ? [{}] : [PAGE, HTMX]).map((headers) => ({ route, headers })),
  );
  test.each(asks.map((it) => [nameOf(it.route), Object.keys(it.headers).join(), it] as const))(
    "%s %s",
    async (name, _, { route, headers }) => {
      const none = Object.fromEntries(Object.keys(ids).map((id) => [id, ids.nowhere ?? ""]));
      const [before, sent] = [await stored(), upstream.requests.length];
      const answers = [await ask("bob", askedOf(route, headers)), await ask("bob", askedOf(route, headers), none)];
      const [foreign, missing] = await Promise.all(
        answers.map(async (it) => [it.status, it.headers.get("location"), await it.text()]),
      );
      expect(foreign).toEqual(missing);
      if (SILENT.includes(name)) expect(foreign?.[0]).toBeLessThan(400);
      else expect(foreign).toEqual([404, null, expect.not.stringMatching(INNARDS)]);
      expect(await stored()).toEqual(before);
      expect(upstream.requests).toHaveLength(sent);
      // It is there, for whom it belongs to.
      if (route.method === "GET") expect((await ask("ann", askedOf(route, headers))).status).toBe(200);
    },
  );
});
