import { expect, test } from "bun:test";
import { collectTurn } from "../support/read-sse";
import { startServer } from "../support/server";
import { startUpstream, toolCall } from "../support/upstream";

const CALLS = {
  "broken arguments": toolCall("ping", "{broken"),
  "empty arguments": toolCall("ping", ""),
  "a name that no tool can have": toolCall("no such tool!", {}),
  "no id": toolCall("ping", {}, { id: null }),
  "an id that is too long": toolCall("ping", {}, { id: "c".repeat(50) }),
};

for (const [what, parts] of Object.entries(CALLS)) {
  test(`after a call with ${what} its turn and the next one go on at a strict endpoint`, async () => {
    const upstream = startUpstream();
    const ann = await (await startServer({ config: { openaiBaseUrl: upstream.baseUrl } })).signIn();
    upstream.script({ parts });
    const events = await collectTurn(await ann.post("/api/v1/message", { content: "Go" }));
    expect(events.map(({ event }) => event)).toContain("tool_result");
    expect(events.at(-1)).toMatchObject({ event: "stream_end" });
    const body = { content: "On", thread_id: events[0]?.data.thread_id };
    const next = await collectTurn(await ann.post("/api/v1/message", body));
    expect(next.at(-1)).toMatchObject({ event: "stream_end" });
    expect(upstream.requests).toHaveLength(3);
  });
}
