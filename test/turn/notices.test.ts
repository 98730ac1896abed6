import { expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import type { Plugin } from "../../src/protocols";
import { collectTurn, readSse } from "../support/read-sse";
import { startServer } from "../support/server";
import { gate, reply, startUpstream, toolCall } from "../support/upstream";

const remarking: Plugin = {
  name: "remarking",
  hooks: {
    preCall: (_call, turn) => turn.notify(`before call ${turn.messages.length}`) as undefined,
    postCall: (_reply, turn) => turn.notify("after <b>call</b>"),
  },
  tools: [
    {
      name: "look",
      description: "",
      parameters: Type.Object({}),
      execute: async (_args, turn) => turn.notify("in the tool") ?? "seen",
    },
  ],
};

test("what hooks and tools remark stands in the flow of the chat, live and later, and the model does not get it", async () => {
  const upstream = startUpstream();
  const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl }, plugins: [remarking] });
  const ann = await server.signIn();
  const hold = gate();
  upstream.script({ parts: toolCall("look", {}) }, { parts: ["I saw ", { wait: hold.opened }, "it."] }, reply("Yes."));
  const events = collectTurn(await ann.post("/api/v1/message", { content: "Look" }));
  await upstream.request(2);
  const [thread] = await ann.json<{ id: string }[]>("/api/v1/threads");
  const live = readSse(await ann.fetch(`/live?t=${thread?.id}`));
  hold.open();
  let page = "";
  while (!page.includes("after &lt;b&gt;call")) page += (await live.next()).value?.data ?? "";
  await live.return(undefined);
  const told = (await events).flatMap(({ event, data }) => (event === "notice" ? [data.content] : []));
  expect(told).toEqual(["before call 0", "in the tool", "after <b>call</b>", "before call 3", "after <b>call</b>"]);
  const history = await ann.json<{ type: string; content: string }[]>(`/api/v1/threads/${thread?.id}/messages`);
  expect(history.map(({ type, content }) => `${type}: ${content}`)).toEqual([
    "text: Look",
    "notice: before call 0",
    "tool: seen",
    "notice: in the tool",
    "notice: after <b>call</b>",
    "notice: before call 3",
    "text: I saw it.",
    "notice: after <b>call</b>",
  ]);
  const later = await (await ann.fetch(`/t/${thread?.id}`, { headers: { accept: "text/html" } })).text();
  const shown = [...later.matchAll(/class="part (notice|tool|text)/g)].map(([, type]) => type);
  expect(shown).toEqual(history.slice(1).map(({ type }) => type));
  await collectTurn(await ann.post("/api/v1/message", { content: "Sure?", thread_id: thread?.id }));
  const sent = upstream.requests.at(-1)?.body.messages.map(({ role, content }) => `${role}: ${content ?? ""}`);
  expect(sent?.slice(-5)).toEqual(["user: Look", "assistant: ", "tool: seen", "assistant: I saw it.", "user: Sure?"]);
});
