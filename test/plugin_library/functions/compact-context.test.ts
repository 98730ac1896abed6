import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { createLog } from "../../../src/basics/log";
import { install } from "../../../src/plugins";
import type { Core, TurnEvent } from "../../../src/protocols";
import { atEnd } from "../../support/at-end";
import { dataWith } from "../../support/library";
import { testConfig } from "../../support/temporary";
import {
  type Answer,
  type AnswerFor,
  gate,
  reply,
  startUpstream,
  toolCall,
  type UpstreamBody,
} from "../../support/upstream";

const upstream = startUpstream({ models: ["large", "small"] });
afterAll(() => upstream.stop());

const ANN = { username: "ann", role: "user" } as const;
const ABOVE = { prompt_tokens: 900, completion_tokens: 200 };
const BELOW = { prompt_tokens: 90, completion_tokens: 20 };

let core: Core;
let logged: string[];
let nextLine: () => Promise<void>;

async function start(settings: object = {}): Promise<void> {
  const dataPath = dataWith(["functions/compact-context.ts"], {
    "compact-context": { tokens: 1000, keep: 3, ...settings },
  });
  logged = [];
  const waiting: (() => void)[] = [];
  nextLine = () => new Promise((resolve) => void waiting.push(resolve));
  const log = createLog("info", (_level, line) => {
    if (!line.includes("compact-context")) return;
    logged.push(line);
    for (const wake of waiting.splice(0)) wake();
  });
  const installed = await install({ config: testConfig(dataPath, { openaiBaseUrl: upstream.baseUrl }), log });
  atEnd(() => installed.stop(0));
  core = installed.core;
}

async function ask(content: string, threadId?: string, user: object = {}) {
  const info = await core.turns.start({ ...ANN, ...user }, { content, ...(threadId && { threadId }) });
  const events: TurnEvent[] = [];
  for await (const batch of (await core.turns.follow(ANN, info.id, 0, new AbortController().signal)) ?? []) {
    events.push(...batch.map(({ event }) => event));
  }
  return { threadId: info.threadId, notices: events.flatMap((event) => (event.type === "notice" ? [event.text] : [])) };
}

/** Replies, and answers every call for a summary. */
function script(summary: Answer | AnswerFor, usage = ABOVE): void {
  const isSummary = (body: UpstreamBody) => String(body.messages[0]?.content).startsWith("Summarise");
  const answer = (body: UpstreamBody) => (typeof summary === "function" ? summary(body) : summary);
  upstream.otherwise((body) => (isSummary(body) ? answer(body) : { ...reply("Yes."), usage }));
}

async function contents(threadId: string): Promise<string[]> {
  return (await core.context.get("ann", threadId)).map(({ role, content }) => `${role}: ${content}`);
}

/** Resolves when the context has been edited. */
async function compacted(threadId: string): Promise<void> {
  while (!(await contents(threadId))[0]?.startsWith("user: [")) await new Promise(setImmediate);
}

beforeEach(() => start());

describe("above the threshold", () => {
  test("older messages are summarised, the last ones and every word of the thread stay, and the next reply says so once", async () => {
    script(reply("They counted to three."), BELOW);
    upstream.script({ parts: ["Calling.", ...toolCall("none", { a: 1 })] });
    const { threadId } = await ask("One");
    await ask("Two", threadId);
    script(reply("They counted to three."));
    const before = upstream.requests.length;
    await ask("Three", threadId);
    await compacted(threadId);
    const { body } = await upstream.request(before + 2);
    expect(body.messages[1]?.content).toBe(
      `user: One\n\nassistant: Calling.\n(calls none with {"a":1})\n\ntool: Error: There is no tool "none". There are: none.\n\nassistant: Yes.`,
    );
    const kept = ["user: Two", "assistant: Yes.", "user: Three", "assistant: Yes."];
    const [asked = "", ...others] = await contents(threadId);
    expect(asked).toStartWith("user: [");
    expect(others).toEqual(["assistant: They counted to three.", ...kept]);
    const told = await core.thread.messages("ann", threadId);
    expect(told.filter(({ role }) => role === "user").map(({ content }) => content)).toEqual(["One", "Two", "Three"]);

    script(reply("Never used."), BELOW);
    const fourth = await ask("Four", threadId);
    expect(fourth.notices).toHaveLength(1);
    expect(fourth.notices[0]).toContain("The chat itself keeps every word.");
    const sent = upstream.requests.at(-1)?.body.messages.map(({ content }) => content);
    expect(sent?.slice(-7)).toEqual([asked.slice(6), "They counted to three.", "Two", "Yes.", "Three", "Yes.", "Four"]);
    expect((await ask("Five", threadId)).notices).toEqual([]);
  });

  test("what stays begins with a person's message, so that no result is parted from its call", async () => {
    script(reply("Summary."), BELOW);
    const { threadId } = await ask("One");
    await ask("Two", threadId);
    script(reply("Summary."));
    upstream.script({ ...reply("a"), parts: ["a", ...toolCall("none", {})], usage: BELOW });
    await ask("Three", threadId);
    await compacted(threadId);
    // Three would have been enough, and the third from the end is a result.
    expect((await contents(threadId)).slice(2).map((line) => line.split(":")[0])).toEqual([
      "user",
      "assistant",
      "tool",
      "assistant",
    ]);
  });

  test("the threshold is three quarters of what the model takes when the settings name none, and its mask holds", async () => {
    await start({ tokens: undefined, model: "small" });
    Object.assign(core.model, { describe: async (id: string) => ({ id, contextLength: 1400 }) });
    script(reply("Summary."), BELOW);
    const { threadId } = await ask("One", undefined, { modelMask: "large" });
    await ask("Two", threadId, { modelMask: "large" });
    await ask("Three", threadId, { modelMask: "large" });
    script(reply("Summary."));
    const before = upstream.requests.length;
    await ask("Four", threadId, { modelMask: "large" });
    await compacted(threadId);
    expect((await upstream.request(before + 2)).body.model).toBe("large");
  });
});

describe("nothing is changed", () => {
  test("when the context was edited while the summary was written", async () => {
    const asked = Promise.withResolvers<void>();
    const open = gate();
    script(reply("Never."), BELOW);
    const { threadId } = await ask("One");
    await ask("Two", threadId);
    await ask("Three", threadId);
    script(() => {
      asked.resolve();
      return { parts: [{ wait: open.opened }, "Too late."] };
    });
    const line = nextLine();
    await ask("Four", threadId);
    await asked.promise;
    const [first] = await core.context.get("ann", threadId);
    await core.context.updateMessage("ann", threadId, first?.id ?? "", "Uno");
    open.open();
    await line;
    expect(logged.join("\n")).toContain("thrown away");
    const yes = "assistant: Yes.";
    expect(await contents(threadId)).toEqual([
      "user: Uno",
      yes,
      "user: Two",
      yes,
      "user: Three",
      yes,
      "user: Four",
      yes,
    ]);
  });

  test("when the summary is cut or fails, which the log says", async () => {
    for (const answer of [
      { parts: ["Half of"], finish: "length" },
      { status: 500, body: "no" },
    ]) {
      await start();
      script(reply("Never."), BELOW);
      const { threadId } = await ask("One");
      await ask("Two", threadId);
      await ask("Three", threadId);
      script(answer);
      const line = nextLine();
      await ask("Four", threadId);
      await line;
      expect(await core.context.mutationCount("ann", threadId)).toBe(0);
      expect(logged).toHaveLength(1);
    }
  });

  test("below the threshold, and while there is little to summarise", async () => {
    script(reply("Never."), BELOW);
    const { threadId } = await ask("One");
    for (const more of ["Two", "Three", "Four"]) await ask(more, threadId);
    script(reply("Never."));
    const another = await ask("One");
    await ask("Two", another.threadId);
    const sent = upstream.requests.filter(({ body }) => String(body.messages[0]?.content).startsWith("Summarise"));
    expect(sent.some(({ body }) => String(body.messages[1]?.content).includes("Four"))).toBe(false);
    expect(await core.context.mutationCount("ann", threadId)).toBe(0);
    expect(await core.context.mutationCount("ann", another.threadId)).toBe(0);
  });
});
