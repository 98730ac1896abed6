import { beforeAll, describe, expect, test } from "bun:test";
import { EVERYBODY, publishFact, userTopic } from "../../../src/basics/facts";
import type { Fact, Message, TurnEvent } from "../../../src/protocols";
import { eventJson, messageJson } from "../../../src/routes/api/json";
import { checkType } from "../../support/described";
import { readSse } from "../../support/read-sse";
import { startServer, type TestServer } from "../../support/server";

const NOW = "2026-11-28T12:00:00.000Z";
const file = { id: "f", name: "a.txt", type: "text/plain", size: 1, sha256: "00", created: NOW };
const call = { callId: "c", name: "clock" };

/** One or more of each type; the compiler asks for those of a new one. */
const TURN_EVENTS: { readonly [Type in TurnEvent["type"]]: readonly Extract<TurnEvent, { readonly type: Type }>[] } = {
  start: [{ type: "start", threadId: "t", turnId: "u" }],
  text: [{ type: "text", text: "Hi" }],
  thinking: [{ type: "thinking", text: "Hm" }],
  toolCall: ["", '{"zone":"UTC"}', "[1]", "5", "{", "null"].map((text) => ({
    type: "toolCall",
    ...call,
    arguments: text,
  })),
  toolUpdate: [{ type: "toolUpdate", ...call, content: "half" }],
  toolResult: [
    { type: "toolResult", ...call, result: "noon" },
    { type: "toolResult", ...call, error: "no clock" },
  ],
  approvalAsked: [{ type: "approvalAsked", ...call }],
  approvalGiven: [{ type: "approvalGiven", ...call, approve: false }],
  file: [{ type: "file", file }],
  wasThinking: [{ type: "wasThinking" }],
  opaque: [{ type: "opaque", from: "e/m", message: { signature: "SIG" } }],
  notice: [{ type: "notice", text: "By the way" }],
  step: [{ type: "step", model: "m", usage: null }],
  error: [{ type: "error", message: "It broke." }],
  end: [
    { type: "end", reason: "stop", usage: { inputTokens: 1, outputTokens: 2 } },
    { type: "end", reason: "length", usage: { inputTokens: 1, outputTokens: 2, cachedTokens: 1, reasoningTokens: 0 } },
    { type: "end", reason: "filtered", usage: null },
    { type: "end", reason: "stopped", usage: null },
  ],
  reset: [{ type: "reset" }],
};

const FACTS: { readonly [Type in Fact["type"]]: Extract<Fact, { readonly type: Type }> } = {
  "threads-changed": { type: "threads-changed", threadId: "t" },
  "message-added": { type: "message-added", threadId: "t", messageId: "m" },
  "turn-started": { type: "turn-started", threadId: "t", turnId: "u" },
  "turn-ended": { type: "turn-ended", threadId: "t", turnId: "u" },
  "approval-asked": { type: "approval-asked", threadId: "t", turnId: "u", callId: "c" },
  "approval-given": { type: "approval-given", threadId: "t", turnId: "u", callId: "c" },
  "models-changed": { type: "models-changed" },
};

describe("the API document describes", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });

  test.each(Object.entries(TURN_EVENTS))("the event of a turn: %s", async (type, events) => {
    for (const event of events) {
      const json = eventJson({ seq: 1, timestamp: NOW, event });
      if (json) await checkType(server.url, "TurnEvent", json);
      else expect(type).toMatch(/^(?:step|opaque|wasThinking)$/);
    }
  });

  test("each fact that a client hears", async () => {
    const ann = await server.signIn("ann");
    const listening = await ann.fetch("/api/v1/live");
    const told = Object.values(FACTS);
    for (const fact of told) await publishFact(server.core, userTopic("ann"), fact);
    await publishFact(server.core, EVERYBODY, { type: "models-changed" });
    const heard: string[] = [];
    for await (const { data } of readSse(listening)) {
      if (heard.push(JSON.parse(data).event) > told.length) break;
    }
    expect(heard.map((name) => name.replaceAll("_", "-"))).toEqual([...told.map(({ type }) => type), "models-changed"]);
  });

  test("an entry of the messages with all that it can have", async () => {
    const message: Required<Message> = {
      id: "m",
      threadId: "t",
      parentId: "p",
      role: "tool",
      type: "tool",
      content: "noon",
      timestamp: NOW,
      turnId: "u",
      step: 1,
      model: "m",
      durationMs: 12,
      files: [file],
      callId: "c",
      name: "clock",
      arguments: "{}",
      error: "",
      approved: true,
      opaque: { from: "e/m", message: { signature: "SIG" } },
      cut: "stopped",
    };
    await checkType(server.url, "Message", messageJson(message));
    expect(JSON.stringify(messageJson(message))).not.toContain("SIG");
  });
});
