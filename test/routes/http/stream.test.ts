import { afterEach, describe, expect, jest, test } from "bun:test";
import { createLog } from "../../../src/basics/log";
import { createCounts } from "../../../src/plugins/core";
import type { Core, Plugin } from "../../../src/protocols";
import { closeStreams, type StreamClient, type StreamOptions, streamResponse } from "../../../src/routes/http/stream";
import { startServer } from "../../support/server";
import { until } from "../../support/until";
import { startUpstream } from "../../support/upstream";

const encoder = new TextEncoder();
let stopServer = (): void => {};
afterEach(() => {
  jest.useRealTimers();
  stopServer();
});

/** One stream over a real socket; `clients` gets each client that begins. */
function serve(options: Partial<StreamOptions> = {}) {
  const logged: string[] = [];
  const core = { log: createLog("warn", (_level, line) => void logged.push(line)), counts: createCounts() } as Core;
  const begun = Promise.withResolvers<StreamClient>();
  const ended = Promise.withResolvers<void>();
  const begin = async (client: StreamClient) => {
    begun.resolve(client);
    return () => ended.resolve();
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    development: false,
    fetch: (request, idle) =>
      streamResponse({ core, counted: "streams_turn", request, server: idle, begin, ...options }),
  });
  stopServer = () => void server.stop(true);
  return { core, logged, server, url: server.url.href, begun: begun.promise, ended: ended.promise };
}

test("what is sent arrives in order after a comment, until the stream is ended", async () => {
  const { url, begun, ended } = serve();
  const response = await fetch(url);
  const client = await begun;
  client.send(encoder.encode("data: 1\n\n"));
  client.send(encoder.encode("data: 2\n\n"));
  client.end();
  client.send(encoder.encode("data: 3\n\n"));
  expect(await response.text()).toBe(": hb\n\ndata: 1\n\ndata: 2\n\n");
  await ended;
});

test("a client that leaves is told of once, even when it left before the stream had begun", async () => {
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const { url } = serve({
    async begin() {
      asked.resolve();
      await gate.promise;
      return () => ended.resolve();
    },
  });
  const controller = new AbortController();
  const response = await fetch(url, { signal: controller.signal });
  await response.body?.getReader().read();
  await asked.promise;
  controller.abort();
  await Bun.sleep(50); // Until the server has heard that the reader left, of which nothing tells while it waits.
  gate.resolve();
  await ended.promise;
});

test("a client that does not read is let go with at most some megabytes waiting, which go some time later", async () => {
  const { server, url, begun, ended } = serve({ restS: 1 });
  const stuck = await Bun.connect({
    hostname: "127.0.0.1",
    port: Number(new URL(url).port),
    socket: { open: (socket) => void socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n"), data: (it) => void it.pause() },
  });
  const client = await begun;
  let isLetGo = false;
  void ended.then(() => {
    isLetGo = true;
  });
  let sent = 0;
  for (const chunk = new Uint8Array(64 * 1024); !isLetGo && sent < 100 * 1024 * 1024; sent += chunk.length) {
    client.send(chunk);
    await new Promise(setImmediate);
  }
  // The kernel's buffers of both sockets take several megabytes of their own.
  expect(isLetGo).toBe(true);
  expect(sent).toBeLessThan(30 * 1024 * 1024);
  // Bun gives no sign when it gives up a connection; it looks every four seconds.
  await until(() => server.pendingRequests === 0);
  stuck.terminate();
}, 20_000);

test("one large piece for a client that has read everything is no reason to let it go", async () => {
  const { url, begun } = serve();
  const response = await fetch(url);
  const client = await begun;
  client.send(new Uint8Array(8 * 1024 * 1024).fill(120));
  client.end();
  const bytes = await response.arrayBuffer();
  expect(bytes.byteLength).toBe(8 * 1024 * 1024 + ": hb\n\n".length);
});

test("what cannot begin is logged and cut, not ended as if it were complete", async () => {
  const { url, logged } = serve({ begin: () => Promise.reject(new Error("the store is gone")) });
  await expect(fetch(url).then((response) => response.text())).rejects.toThrow();
  expect(logged.join()).toContain("the store is gone");
});

test("a server that ends asks its clients to connect again", async () => {
  const { core, url, begun, ended } = serve();
  const response = await fetch(url);
  await begun;
  closeStreams(core);
  expect(await response.text()).toMatch(/retry: \d+\n\n$/);
  await ended;
});

test("a stream whose session has ended is closed at the next look", async () => {
  let allowed = true;
  const { url, begun, ended } = serve({ isAllowed: async () => allowed, heartbeatMs: 50 });
  const response = await fetch(url);
  await begun;
  allowed = false;
  expect(await response.text()).toContain("retry:");
  await ended;
});

test("a quiet stream has heartbeats", async () => {
  const { url } = serve({ heartbeatMs: 50 });
  const response = await fetch(url);
  let text = "";
  for await (const bytes of response.body ?? []) {
    text += new TextDecoder().decode(bytes);
    if (text.split(": hb\n\n").length > 3) return;
  }
  throw new Error(`The stream ended: ${text}`);
});

test("the heartbeats of a quiet stream are 15 seconds apart, as proxies and the guide expect", async () => {
  jest.useFakeTimers();
  const { url, begun } = serve();
  const reader = (await fetch(url)).body?.getReader();
  const read = async () => new TextDecoder().decode((await reader?.read())?.value);
  expect(await read()).toBe(": hb\n\n");
  const client = await begun;
  jest.advanceTimersByTime(14_000);
  client.send(encoder.encode("data: before\n\n"));
  expect(await read()).toBe("data: before\n\n");
  jest.advanceTimersByTime(1000);
  expect(await read()).toBe(": hb\n\n");
});

describe("whose session has ended", () => {
  let isOver = false;
  const ending: Plugin = {
    name: "ending",
    provide: {
      auth: (_core, base) => ({ ...base, verifyToken: async (token) => (isOver ? null : base.verifyToken(token)) }),
    },
  };

  test.each([
    ["a turn that they sent", "POST /api/v1/message", "retry:"],
    ["a turn", "GET /api/v1/turns/:turn/events", "retry:"],
    ["what concerns them", "GET /api/v1/live", "retry:"],
    ["a page", "GET /live?t=:thread", "signed-out"],
    ["a page without script", "GET /t/:thread?stream=1", 'id="messages"'],
  ])(
    "hears nothing more of %s, and its stream ends within a second",
    async (_, route, heard) => {
      isOver = false;
      const upstream = startUpstream({ models: ["small-one"] });
      upstream.otherwise({ parts: ["Once", { wait: new Promise(() => {}) }] });
      stopServer = () => void upstream.stop();
      const server = await startServer({ plugins: [ending], config: { openaiBaseUrl: upstream.baseUrl } });
      const ann = await server.signIn("ann");
      const turn = await server.core.turns.start({ username: "ann", role: "admin" }, { content: "Go" });
      const [method = "", path = ""] = route.replace(":turn", turn.id).replace(":thread", turn.threadId).split(" ");
      await upstream.request(1);

      // In real time: a store that is busy tries again by a timer.
      const headers = { accept: "text/html" };
      const response = await (method === "POST" ? ann.post(path, { content: "Go" }) : ann.fetch(path, { headers }));
      isOver = true;
      const overMs = performance.now();
      expect(await response.text()).toContain(heard);
      expect(performance.now() - overMs).toBeLessThan(5000);
    },
    10_000,
  );
});
