import { afterAll, describe, expect, test } from "bun:test";
import { createLog } from "../../../src/basics/log";
import { install } from "../../../src/plugins";
import type { Fact, Thread } from "../../../src/protocols";
import { atEnd } from "../../support/at-end";
import { dataWith } from "../../support/library";
import { testConfig } from "../../support/temporary";
import {
  type Answer,
  type AnswerFor,
  gate,
  httpError,
  reply,
  startUpstream,
  type UpstreamBody,
} from "../../support/upstream";

const upstream = startUpstream({ models: ["large", "small"] });
afterAll(() => upstream.stop());

const ANN = { username: "ann", role: "user" } as const;
const ASKED = "How do I keep\nslugs off my lettuce?";

async function start(settings: object = {}) {
  const dataPath = dataWith(["functions/auto-title.ts"], { "auto-title": settings });
  const logged: string[] = [];
  const lines: (() => void)[] = [];
  const log = createLog("warn", (_level, line) => {
    logged.push(line);
    for (const wake of lines.splice(0)) wake();
  });
  const { core, stop } = await install({ config: testConfig(dataPath, { openaiBaseUrl: upstream.baseUrl }), log });
  atEnd(() => stop(0));
  return {
    core,
    logged,
    /** Resolves with the next line of the log. */
    nextLine: () => new Promise<void>((resolve) => void lines.push(resolve)),
    /** Starts a turn and resolves when it has ended. */
    async ask(content: string, more: { threadId?: string; model?: string } = {}, user: object = {}): Promise<string> {
      const info = await core.turns.start({ ...ANN, ...user }, { content, ...more });
      const events = await core.turns.follow(ANN, info.id, 0, new AbortController().signal);
      for await (const _ of events ?? []);
      return info.threadId;
    },
    /** Resolves when a change of the thread is told. */
    async changed(isDone: (thread: Thread) => boolean): Promise<Thread> {
      const { promise, resolve } = Promise.withResolvers<Thread>();
      const look = async (message: unknown) => {
        const fact = message as Fact;
        const thread = fact.type === "threads-changed" ? await core.thread.get("ann", fact.threadId) : null;
        if (thread && isDone(thread)) resolve(thread);
      };
      const end = await core.bus.subscribe("user:ann", look);
      return promise.finally(end);
    },
  };
}

/** Replies, and answers every call for a title. */
function scriptTitle(title: Answer | AnswerFor) {
  const isTitle = (body: UpstreamBody) => String(body.messages[0]?.content).startsWith("Write a title");
  upstream.otherwise((body) =>
    isTitle(body) ? (typeof title === "function" ? title(body) : title) : reply("Try beer traps."),
  );
}

describe("a new thread", () => {
  test("gets a title by the thread's own model after its first reply, and the list is told", async () => {
    scriptTitle(reply('**Title: "Slugs and lettuce."**\n'));
    const { ask, changed } = await start();
    const titled = changed(({ title }) => title === "Slugs and lettuce");
    const before = upstream.requests.length;
    await ask(ASKED);
    expect((await titled).title).toBe("Slugs and lettuce");
    const { body } = await upstream.request(before + 2);
    expect(body.model).toBe("large");
    expect(body.messages[1]?.content).toBe(`User: ${ASKED}\n\nAssistant: Try beer traps.`);
    expect(body.tools).toBeUndefined();
  });

  test.each<[form: string, answer: string]>([
    ["JSON", '{"title": "Slugs and lettuce"}'],
    ["JSON of another name, in a block of code", '```json\n{\n  "chat_title": "Slugs and lettuce"\n}\n```'],
    ["JSON with words behind it", '{ "title": "Slugs and lettuce" }\n\nI hope that this helps.'],
    ["a list", '["Slugs and lettuce", "Beer traps"]'],
    ["an element", "<title>Slugs and lettuce</title>"],
    ["a line below another that leads up to it", "Sure! Here is a title:\n\n**Slugs and lettuce**"],
    ["another language's word for it", "**Titel:** „Slugs and lettuce“"],
    ["the marks of Chinese titles", "《Slugs and lettuce》"],
    ["quotes of theirs behind a word for it", "标题：「Slugs and lettuce」。"],
    ["what comes after thinking", "The user wants a title.\n</think>\n\nSlugs and lettuce"],
  ])("is found in %s", async (_form, answer) => {
    scriptTitle(reply(answer));
    const { ask, changed } = await start();
    const titled = changed(({ title }) => !title.startsWith("How do I keep"));
    await ask(ASKED);
    expect((await titled).title).toBe("Slugs and lettuce");
  });

  test("keeps marks of titles that are around a part of it", async () => {
    scriptTitle(reply("《Slugs》 and lettuce"));
    const { ask, changed } = await start();
    const titled = changed(({ title }) => !title.startsWith("How do I keep"));
    await ask(ASKED);
    expect((await titled).title).toBe("《Slugs》 and lettuce");
  });

  test("gets it by the model of the settings, and by the thread's own where the user may not use that", async () => {
    scriptTitle(reply("Slugs"));
    const { ask, changed } = await start({ model: "small" });
    for (const [user, model] of [
      [{}, "small"],
      [{ modelMask: "large" }, "large"],
    ] as const) {
      const titled = changed(({ title }) => title === "Slugs");
      const before = upstream.requests.length;
      await ask(ASKED, {}, user);
      await titled;
      expect((await upstream.request(before + 2)).body.model).toBe(model);
    }
  });

  test("that the model could not answer gets it when it can", async () => {
    scriptTitle(reply("Slugs"));
    const { ask, core, changed } = await start();
    upstream.script(httpError(500, "No."));
    const threadId = await ask(ASKED);
    expect((await core.thread.get("ann", threadId))?.title).toBe("How do I keep");
    const titled = changed(({ title }) => title === "Slugs");
    await ask("Please", { threadId });
    await titled;
  });
});

describe("a title stays", () => {
  test("that a person gives while the model writes another", async () => {
    const asked = Promise.withResolvers<void>();
    const open = gate();
    scriptTitle(() => {
      asked.resolve();
      return { parts: [{ wait: open.opened }, "Slugs"] };
    });
    const { ask, core } = await start();
    const threadId = await ask(ASKED);
    await asked.promise;
    await core.thread.update("ann", threadId, { title: "My garden" });
    let title = "";
    const { promise, resolve } = Promise.withResolvers<void>();
    const update = core.thread.update;
    Object.assign(core.thread, {
      update: async (...args: Parameters<typeof update>) => {
        const changed = await update(...args);
        title = changed?.title ?? "(kept)";
        resolve();
        return changed;
      },
    });
    open.open();
    await promise;
    expect(title).toBe("(kept)");
    expect((await core.thread.get("ann", threadId))?.title).toBe("My garden");
  });

  test("after the second reply, and of a thread that was made with one", async () => {
    scriptTitle(reply("Slugs"));
    const { ask, core, changed } = await start();
    const titled = changed(({ title }) => title === "Slugs");
    const threadId = await ask(ASKED);
    await titled;
    const made = await core.thread.create("ann", { title: "How" });
    const before = upstream.requests.length;
    await ask("And snails?", { threadId });
    await ask(ASKED, { threadId: made.id });
    expect(upstream.requests).toHaveLength(before + 2);
    expect((await core.thread.get("ann", made.id))?.title).toBe("How");
  });

  test("when the model fails, writes nothing or takes too long, and the log says why", async () => {
    for (const [answer, reason] of [
      [httpError(400, "Overloaded."), "auto-title"],
      [reply(" "), "large answered nothing"],
      [{ parts: [{ wait: gate().opened }] }, "large took longer than 0.2 seconds"],
    ] as const) {
      scriptTitle(answer);
      const { ask, core, logged, nextLine } = await start({ timeout_s: 0.2 });
      const line = nextLine();
      const threadId = await ask(ASKED);
      await line;
      expect(logged.join("\n")).toContain(reason);
      expect(logged.join("\n")).toContain("auto-title");
      expect((await core.thread.get("ann", threadId))?.title).toBe("How do I keep");
    }
  });
});
