import { expect, test } from "bun:test";
import { readTurn } from "../support/read-sse";
import { startServer } from "../support/server";
import { gate, startUpstream } from "../support/upstream";

test("the owner is told once when the replies that run come near what Bun lets one process ask for", async () => {
  const upstream = startUpstream();
  const open = gate();
  upstream.otherwise({ parts: ["Begun", { wait: open.opened }] });
  const logged: string[] = [];
  const ann = await (
    await startServer({
      config: { openaiBaseUrl: upstream.baseUrl, requestsMax: 3, logLevel: "warn" as const },
      logged,
    })
  ).signIn();
  const warnings = () => logged.filter((line) => line.includes("BUN_CONFIG_MAX_HTTP_REQUESTS"));
  const counts: number[] = [];
  const readers: AsyncGenerator[] = [];
  for (let n = 0; n < 4; n++) {
    const reader = readTurn(await ann.post("/api/v1/message", { content: "Go" }));
    await reader.next();
    readers.push(reader);
    counts.push(warnings().length);
  }
  expect(counts).toEqual([0, 0, 1, 1]);
  open.open();
  for (const reader of readers) for await (const _ of reader);
});
