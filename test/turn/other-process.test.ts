import { expect, test } from "bun:test";
import { createBus } from "../../src/core/bus";
import type { Plugin } from "../../src/protocols";
import { readTurn, textOf, type WireEvent } from "../support/read-sse";
import { startServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";
import { startUpstream } from "../support/upstream";

/** As where no socket can be made. */
const ALONE: Plugin = { name: "bus-of-one", provide: { bus: (core) => createBus(core) } };

test("a server that shares the store and not the bus shows a reply of another one to its end, and says that it cannot stop it", async () => {
  const upstream = startUpstream({ models: ["small-one"] });
  const config = { openaiBaseUrl: upstream.baseUrl };
  const dataPath = temporaryFolder();
  const writer = await startServer({ dataPath, config, plugins: [ALONE] });
  const other = await startServer({ dataPath, config, plugins: [ALONE] });
  const [here, there] = [await writer.signIn(), await other.signIn()];

  const gate = Promise.withResolvers<void>();
  upstream.script({ parts: ["Begun, ", { wait: gate.promise }, "and done."] });
  const reader = readTurn(await here.post("/api/v1/message", { content: "Go" }));
  const start = (await reader.next()).value as WireEvent;
  await reader.next();
  const { turn_id: turnId, thread_id: threadId } = start.data;

  expect((await there.fetch(`/api/v1/turns/${turnId}`, { method: "DELETE" })).status).toBe(503);
  expect((await there.post("/api/v1/message", { content: "Me too", thread_id: threadId })).status).toBe(409);
  const following = there
    .fetch(`/api/v1/turns/${turnId}/events`)
    .then((response) => Array.fromAsync(readTurn(response)));
  gate.resolve();
  const seen = await following;
  expect(textOf(seen)).toBe("Begun, and done.");
  expect(seen.at(-1)?.event).toBe("stream_end");
}, 20_000);
