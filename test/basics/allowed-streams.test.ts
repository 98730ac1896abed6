import { expect, test } from "bun:test";
import type { Plugin, User } from "../../src/protocols";
import { atEnd } from "../support/at-end";
import { startServer } from "../support/server";
import { until } from "../support/until";
import { startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-one"] });
upstream.otherwise({ parts: ["Once", { wait: new Promise(() => {}) }] });
atEnd(() => upstream.stop());

/** Its page streams until somebody leaves, or until it throws. */
let tellLeft = (): void => {};
let fail = (_: Error): void => {};
const ticker: Plugin = {
  name: "ticker",
  page: () => ({
    handle: () => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(Buffer.from(": tick\n\n"));
          fail = (error) => controller.error(error);
        },
        cancel: () => tellLeft(),
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    },
  }),
};

const ANN: User = { username: "ann", role: "admin" };
const MOST = 2;

async function start() {
  const config = { openaiBaseUrl: upstream.baseUrl, streamsPerUser: MOST };
  const server = await startServer({ config, plugins: [ticker] });
  const [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];
  const turn = await server.core.turns.start(ANN, { content: "Go" });
  const stopped = await server.core.turns.start(ANN, { content: "Go" });
  await server.core.turns.stop(ANN, stopped.id);
  const path = (route: string) =>
    route.replace(":turn", turn.id).replace(":thread", turn.threadId).replace(":stopped", stopped.id);
  const open = async (route: string, client = ann) => {
    const [method = "", address = ""] = path(route).split(" ");
    const controller = new AbortController();
    const { signal } = controller;
    const headers = { accept: "text/html" };
    const response = await (method === "POST"
      ? client.post(address, { content: "Go" }, { signal })
      : client.fetch(address, { signal, headers }));
    return { response, leave: () => controller.abort() };
  };
  return { server, ann, bob, open };
}

const ROUTES = [
  "GET /api/v1/live",
  "GET /live?t=:thread",
  "GET /api/v1/turns/:turn/events",
  "GET /t/:thread?stream=1",
  "GET /_plugin/ticker/",
  "POST /api/v1/message",
  "POST /api/v1/turns/:stopped/continue",
];

/** Until the server has noticed that somebody left. */
async function opened(open: () => Promise<{ response: Response }>): Promise<Response> {
  let { response } = await open();
  await until(async () => {
    if (response.status !== 200) ({ response } = await open());
    return response.status === 200;
  });
  return response;
}

test.each(ROUTES)(
  "%s is one of the streams of a user, refused when there are too many, and again to be had",
  async (route) => {
    const { server, bob, open } = await start();
    const turns = await server.core.store.count("ann", "turns");
    const first = await open("GET /api/v1/live");
    const second = await open("GET /api/v1/live");
    const refused = await open(route);
    expect(refused.response.status).toBe(429);
    expect(refused.response.headers.get("retry-after")).toBe("10");
    expect(await refused.response.text()).toMatch(/2 streams open|too many windows/);
    expect(await server.core.store.count("ann", "turns")).toBe(turns);
    expect((await open("GET /api/v1/live", bob)).response.status).toBe(200);
    for (const { response } of [first, second]) expect(response.body?.locked).toBe(false);
    second.leave();
    const again = await opened(() => open(route));
    expect(again.status).toBe(200);
    expect((await open("GET /api/v1/live")).response.status).toBe(429);
    await server.stop();
  },
);

test("a slot comes back when the turn ends, when nothing was to be opened, and when a page fails", async () => {
  const { server, open, ann } = await start();
  await open("GET /api/v1/live");
  for (let round = 0; round < MOST + 1; round++) {
    expect((await open("GET /api/v1/turns/none/events")).response.status).toBe(404);
    expect((await ann.fetch("/live", { method: "HEAD" })).status).toBe(200);
    expect((await open("POST /api/v1/turns/none/continue")).response.status).toBe(404);
    const ended = await open("GET /api/v1/turns/:stopped/events");
    expect(await ended.response.text()).toContain("stream_end");
    const page = await open("GET /_plugin/ticker/");
    expect(page.response.status).toBe(200);
    fail(new Error("broken"));
    await page.response.text().catch(() => {});
  }
  await server.stop();
});

test("a page of a plugin whose stream is refused hears that its client is gone", async () => {
  const { server, open } = await start();
  await open("GET /api/v1/live");
  await open("GET /api/v1/live");
  const left = Promise.withResolvers<void>();
  tellLeft = left.resolve;
  expect((await open("GET /_plugin/ticker/")).response.status).toBe(429);
  await left.promise;
  await server.stop();
});
