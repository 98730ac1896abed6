import { expect, test } from "bun:test";
import { atEnd } from "./at-end";
import { holdToDocument } from "./described";
import { readSse } from "./read-sse";

const Thing = { type: "object", required: ["id"], properties: { id: { type: "string" }, size: { type: "integer" } } };
const content = { "application/json": { schema: { $ref: "#/components/schemas/Thing" } } };
const events = { "text/event-stream": { schema: { $ref: "#/components/schemas/Thing" } } };
const DOCUMENT = {
  paths: {
    "/api/things/{id}": {
      get: { responses: { 200: { content }, 404: { content }, 429: { headers: { "Retry-After": {} } } } },
    },
    "/api/events": { get: { responses: { 200: { content: events } } } },
  },
  components: { schemas: { Thing, Error: { type: "object", properties: { detail: { type: "string" } } } } },
};

const THING = "/api/things/5";

let answer = Response.json({});
const server = Bun.serve({
  port: 0,
  fetch: ({ url }) => (url.endsWith("/openapi/json") ? Response.json(DOCUMENT) : answer),
});
atEnd(() => server.stop(true));
holdToDocument(server.url.origin);

const ask = (given: Response, path = THING, method = "GET") => {
  answer = given;
  return fetch(new URL(path, server.url), { method });
};

test("an answer as it is described passes, and can still be read", async () => {
  expect(await (await ask(Response.json({ id: "a", size: 5 }))).json()).toEqual({ id: "a", size: 5 });
  expect((await ask(Response.json({ id: "a" }, { status: 404 }))).status).toBe(404);
  expect((await ask(new Response("", { status: 429, headers: { "retry-after": "5" } }))).status).toBe(429);
  expect((await ask(Response.json({ id: "a" }), THING, "HEAD")).status).toBe(200);
  expect((await ask(Response.json({ detail: "No." }, { status: 405 }), THING, "PUT")).status).toBe(405);
});

test("what serves the page passes, whatever it answers", async () => {
  for (const path of ["/", "/t/5", "/static/style.css"]) {
    expect((await ask(new Response("?", { status: 418 }), path)).status).toBe(418);
  }
});

test.each([
  ["a field that is not described", THING, Response.json({ id: "a", name: "b" })],
  ["a field that is missing", THING, Response.json({ size: 5 })],
  ["a number for an integer", THING, Response.json({ id: "a", size: 5.5 })],
  ["a status that is not described", THING, Response.json({ id: "a" }, { status: 409 })],
  ["a media type that is not described", THING, new Response("a")],
  ["a header that is missing", THING, new Response("", { status: 429 })],
  ["an address that is not described", "/api/others", Response.json({ id: "a" })],
])("%s fails the test", async (_, path, given) => {
  await expect(ask(given, path)).rejects.toThrow("in the API document");
});

test("an event that is not described fails the test that reads it", async () => {
  const streamed = (data: string) =>
    new Response(`data: ${data}\n\n`, { headers: { "content-type": "text/event-stream" } });
  const read = async (data: string) => Array.fromAsync(readSse(await ask(streamed(data), "/api/events")));
  expect((await read('{"id":"a"}')).map(({ data }) => data)).toEqual(['{"id":"a"}']);
  await expect(read('{"id":"a","more":1}')).rejects.toThrow("not in the API document");
});
