import { expect, test } from "bun:test";
import { eventStream } from "../../src/kit";
import { atEnd } from "../support/at-end";

function serve(messages: (signal: AbortSignal) => AsyncIterable<{ data: string; event?: string }>): string {
  const server = Bun.serve({ port: 0, development: false, fetch: ({ signal }) => eventStream(messages(signal)) });
  atEnd(() => server.stop(true));
  return server.url.href;
}

test("messages arrive as events, and the response ends with them", async () => {
  const url = serve(async function* () {
    yield { data: "one" };
    yield { data: "two\nlines", event: "more" };
  });
  const response = await fetch(url);
  expect(response.headers.get("content-type")).toStartWith("text/event-stream");
  expect(await response.text()).toBe(": hb\n\ndata: one\n\nevent: more\ndata: two\ndata: lines\n\n");
});

test("a client that waits for the first message has the headers before it, and one that leaves ends the source", async () => {
  const ended = Promise.withResolvers<void>();
  const url = serve(async function* (signal) {
    try {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      yield { data: "nobody hears this" };
    } finally {
      ended.resolve();
    }
  });
  const response = await fetch(url);
  expect(response.status).toBe(200);
  await response.body?.cancel();
  await ended.promise;
});

test("a source that fails cuts the connection, so that nobody takes it for complete", async () => {
  const url = serve(async function* () {
    yield { data: "half" };
    throw new Error("the source failed");
  });
  await expect(fetch(url).then((response) => response.text())).rejects.toThrow();
});
