/**
 * What somebody who is not signed in can make the server do. Each request is held to a harmless one of the same size and to itself at
 * half the size, in the CPU time of the thread that serves everybody.
 */

import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { Elysia, t } from "elysia";
import { createApp } from "../../src/app";
import { readJson } from "../../src/basics/body";
import type { Plugin } from "../../src/protocols";
import { bounded, requireBounded } from "../../src/routes/session/gate";
import { costsOfRequests } from "../support/cost";
import { FORMS, fill, JSON_BODIES, json, LONG, type OfSize, PAGE, type Sent, URL_ENCODED } from "../support/requests";
import { startServer } from "../support/server";
import { SOURCE, startServer as startProcess } from "../support/server-process";
import { temporaryFolder } from "../support/temporary";

const open: Plugin = {
  name: "open",
  access: "public",
  page: () => ({
    async handle(request) {
      return new Response(request.method === "POST" ? typeof (await readJson(request)) : "here");
    },
  }),
};

const server = await startServer({ plugins: [open], setupToken: "t0ken" });

const KIB = 1024;
const TIMES_MAX = 20; // A harmless request costs a third of a millisecond, so that this is below ten.
const SIGNED_IN_TIMES_MAX = 40; // Who they are is known, and what they send may be four times as long.
const GROWTH_MAX = 3; // Between what is linear and the square.

/** Sends it, and reads the answer unless that is a stream. Gives its status. */
async function send({ path, body, headers = {} }: Sent, url = server.url): Promise<number> {
  const method = body === undefined ? "GET" : "POST";
  const response = await fetch(url + path, {
    method,
    headers,
    redirect: "manual",
    ...(body !== undefined && { body }),
  });
  await (path.startsWith("/live") ? response.body?.cancel() : response.bytes());
  return response.status;
}

/** Fails when it costs many times as much as the harmless one, or more than linear. */
async function expectCheap(hostile: OfSize, harmless: OfSize, bytes: number, timesMax = TIMES_MAX): Promise<void> {
  const [half, whole, other] = [hostile(bytes / 2), hostile(bytes), harmless(bytes)];
  const [halfMs = 0, wholeMs = 0, otherMs = 0] = await costsOfRequests(
    4,
    () => send(half),
    () => send(whole),
    () => send(other),
  );
  expect(wholeMs / otherMs).toBeLessThan(timesMax);
  expect(wholeMs / halfMs).toBeLessThan(GROWTH_MAX);
}

const words =
  (path: string): OfSize =>
  (bytes) =>
    json(path, `{"username":"a","password":"${fill("word ", bytes - 40)}"}`);

describe("the sign-in", () => {
  test.each(Object.entries(JSON_BODIES))("is not held up by JSON of %s", async (_, body) => {
    const hostile = (bytes: number) => json("/login", body(bytes));
    expect(await send(hostile(16_000))).toBeWithin(400, 500);
    await expectCheap(hostile, words("/login"), 16_000);
  });

  test.each(Object.entries(FORMS))("is not held up by a form of %s", async (_, form) => {
    const hostile = (bytes: number) => ({ path: "/login", ...form(bytes) });
    expect(await send(hostile(16_000))).toBeWithin(400, 500);
    await expectCheap(hostile, words("/login"), 16_000);
    expect(await send(hostile(24_000))).toBe(413);
  });
});

test("the set-up is not held up by brackets", async () => {
  const hostile = (bytes: number) => json("/setup", JSON_BODIES.lists?.(bytes) ?? "");
  expect(await send(hostile(16_000))).toBe(400);
  await expectCheap(hostile, words("/setup"), 16_000);
  expect(await send(hostile(24_000))).toBe(413);
});

test.each(Object.entries(LONG))("the server is not held up by %s", async (_, hostile) => {
  expect(await send(hostile(10_000))).toBeLessThan(500);
  await expectCheap(hostile, (bytes) => ({ path: `/login?next=/${fill("a", bytes)}`, headers: PAGE }), 10_000);
});

test.each([
  ["an address", () => ({ path: `/login?next=/${fill("a", 1_000_000)}` })],
  ["a bearer token", () => ({ path: "/health", headers: { authorization: `Bearer ${fill("a", 1_000_000)}` } })],
  ["a cookie", () => ({ path: "/login", headers: { cookie: `skeleton_session=${fill("a", 1_000_000)}` } })],
] as const)("%s of a megabyte is refused without being looked at", async (_, hostile) => {
  const request = hostile();
  expect(await send(request).catch(() => 431)).toBeWithin(400, 500);
  const [hostileMs = 0, otherMs = 0] = await costsOfRequests(
    4,
    () => send(request).catch(() => null),
    () => send({ path: `/login?next=/${fill("a", 10_000)}`, headers: PAGE }),
  );
  expect(hostileMs / otherMs).toBeLessThan(TIMES_MAX);
});

test.each(Object.entries(JSON_BODIES))("a public page of a plugin is not held up by JSON of %s", async (_, body) => {
  const harmless = (bytes: number) => json("/_plugin/open/", JSON.stringify([fill("word ", bytes - 10)]));
  await expectCheap((bytes) => json("/_plugin/open/", body(bytes)), harmless, 256 * KIB);
});

test.each(Object.entries(JSON_BODIES))(
  "somebody who is signed in holds nobody up either, by JSON of %s",
  async (_, body) => {
    const { token } = await server.signIn();
    const at = (text: string): Sent => {
      const sent = json("/api/v1/threads/nothing", text);
      return { ...sent, headers: { ...sent.headers, authorization: `Bearer ${token}` } };
    };
    const inField = (bytes: number) => at(`{"metadata":${body(bytes - 20)}}`);
    expect(await send(inField(60_000))).toBeWithin(400, 500);
    await expectCheap(
      inField,
      (bytes) => at(JSON.stringify({ metadata: { a: fill("word ", bytes - 30) } })),
      60_000,
      SIGNED_IN_TIMES_MAX,
    );
  },
);

test.each(Object.entries(FORMS))(
  "a message of nobody, kept for the sign-in, does not hold it up by %s",
  async (_, form) => {
    const at = (sent: Pick<Sent, "headers" | "body">) => ({
      path: "/t",
      ...sent,
      headers: { ...sent.headers, ...PAGE },
    });
    const harmless = (bytes: number) => at({ ...form(100), body: `content=${fill("word+", bytes)}` });
    expect(await send(at(form(300 * KIB)))).toBe(401);
    await expectCheap((bytes) => at(form(bytes)), harmless, 300 * KIB);
  },
);

test("what a request is refused for is neither told nor logged", async () => {
  const logged: string[] = [];
  const { url } = await startServer({ logged, config: { logLevel: "debug" } });
  const refused: Sent[] = [
    json("/login", '{"username":["s3cret"],"password":"s3cret"}'),
    json("/login", '{"username":{"s3cret":"s3cret"},"password":1}'),
    json("/login", '"s3cret"'),
    json("/login", '{"username":s3cret}'),
    {
      path: "/login",
      body: "username=ann&passwort=s3cret",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    },
  ];
  for (const { path, body, headers = {} } of refused) {
    const response = await fetch(url + path, { method: "POST", headers, ...(body !== undefined && { body }) });
    expect(response.status).toBeWithin(400, 500);
    expect(await response.text()).not.toContain("s3cret");
  }
  expect(logged.join("\n")).not.toContain("s3cret");
});

test("an app does not start with a route that leaves its body to a parser without bounds", () => {
  const { routes } = createApp(server.core);
  expect(routes.filter(({ hooks }) => hooks.body).map(({ path }) => path)).toContain("/login");
  const body = t.Object({ text: t.String() });
  const notes = new Elysia().post("/notes", () => "", { body }).post("/bounded", () => "", bounded(body));
  const sentence = "POST /notes reads its body without bounds: write `...bounded(Schema)` for `body: Schema`.";
  expect(() => requireBounded(notes.routes)).toThrow(sentence);
  expect(() => requireBounded(notes.routes.filter(({ path }) => path !== "/notes"))).not.toThrow();
});

/** The most that a process has ever had in memory, in bytes; null where /proc does not tell. */
function peakOf(pid: number): number | null {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * KIB || null;
  } catch {
    return null; // Not Linux.
  }
}

test("the memory of the server as it is started does not grow with brackets and signs more than with words", async () => {
  const folder = temporaryFolder();
  writeFileSync(`${folder}/users.yaml`, "{}");
  const { address, pid, stop } = await startProcess({ command: SOURCE, folder });
  const flood = async (sent: Sent, rounds: number) => {
    for (let round = 0; round < rounds; round++)
      await Promise.all(Array.from({ length: 20 }, () => send(sent, address)));
    return peakOf(pid);
  };
  const kept = (form: Pick<Sent, "headers" | "body">) => ({
    path: "/t",
    ...form,
    headers: { ...form.headers, ...PAGE },
  });
  await flood(words("/login")(16_000), 3);
  const harmless = await flood(kept({ headers: URL_ENCODED, body: `content=${fill("word+", 300 * KIB)}` }), 3);
  if (harmless === null) return console.log("Memory is not measured here: there is no /proc.");
  const hostile = [
    ...Object.entries(JSON_BODIES).map(([name, body]) => [name, json("/login", body(16_000))] as const),
    ...Object.entries(FORMS).map(([name, form]) => [name, kept(form(300 * KIB))] as const),
  ];
  for (const [name, sent] of hostile) {
    expect([name, ((await flood(sent, 1)) ?? 0) < 1.5 * harmless]).toEqual([name, true]);
  }
  await stop();
}, 60_000);
