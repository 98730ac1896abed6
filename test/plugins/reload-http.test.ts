import { expect, test } from "bun:test";
import { join } from "node:path";
import { writePlugins } from "../support/plugin-files";
import { collectTurn, readSse, textOf } from "../support/read-sse";
import { startServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";

const STREAMS = 100;

/** A model that says its word, waits for the test, and says it again; its filter marks what passes. */
const model = (word: string) => `export default {
  name: "waiting-model",
  provide: { model: (core, base) => ({ ...base, list: async () => ["waiting"], async *stream() {
    yield { type: "text", text: "${word} " };
    globalThis.waiting = (globalThis.waiting ?? 0) + 1;
    if (globalThis.waiting === ${STREAMS}) globalThis.allWait.resolve();
    await globalThis.goOn.promise;
    yield { type: "text", text: "${word}" };
    yield { type: "finish", reason: "stop" };
  } }) },
  hooks: { async *filterStream(events) {
    for await (const event of events) yield event.type === "text" ? { ...event, text: event.text.replaceAll("${word}", "${word}!") } : event;
  } },
};`;

test("a reload during 100 open streams drops none and changes none, and the next turn is another's", async () => {
  const shared = globalThis as { allWait?: PromiseWithResolvers<void>; goOn?: PromiseWithResolvers<void> };
  const [allWait, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  Object.assign(shared, { allWait, goOn });
  const dataPath = temporaryFolder();
  const plugins = join(dataPath, "plugins");
  writePlugins(plugins, { "core/waiting.ts": model("old") });
  const server = await startServer({ dataPath });
  const ann = await server.signIn();
  const live = await ann.fetch("/api/v1/live");
  const send = async () => collectTurn(await ann.post("/api/v1/message", { content: "hello" }));
  const turns = Array.from({ length: STREAMS }, send);
  await allWait.promise;
  for (const word of ["middle", "fresh"]) {
    writePlugins(plugins, {
      "core/waiting.ts": model(word),
      "functions/more.ts": `export default { name: "more-${word}" };`,
    });
    await server.core.plugins.reload();
  }
  expect(server.core.plugins.list().map(({ name }) => name)).toContain("more-fresh");
  goOn.resolve();
  for (const events of await Promise.all(turns)) {
    expect(textOf(events)).toBe("old! old!");
    expect(events.at(-1)).toMatchObject({ event: "stream_end", data: { reason: "stop" } });
  }
  expect(textOf(await send())).toBe("fresh! fresh!");
  // A stream that belongs to no turn goes on as well.
  const { id } = await server.core.thread.create("ann", { title: "After the reload" });
  const heard = await Array.fromAsync(upTo(live, id));
  expect(heard.at(-1)).toContain(id);
}, 30_000);

/** What is heard until the words come, or the stream ends. */
async function* upTo(response: Response, words: string): AsyncGenerator<string> {
  for await (const { data } of readSse(response)) {
    yield data;
    if (data.includes(words)) return;
  }
}
