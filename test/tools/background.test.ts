import { describe, expect, test } from "bun:test";
import type { Plugin } from "../../src/protocols";
import { loadPlugins } from "../support/plugin-files";

describe("background work", () => {
  test("goes on when the turn that began it is over, and may use the store until it is told to end", async () => {
    const stopped: string[] = [];
    const ended = Promise.withResolvers<unknown>();
    const plugin: Plugin = {
      name: "titles",
      hooks: {
        postCall(_reply, { core, threadId, user }) {
          core.background("titles", async (signal) => {
            await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
            ended.resolve((await core.thread.update(user.username, threadId, { title: "From afar" }))?.title);
          });
        },
      },
      stop: () => void stopped.push("titles"),
    };
    const { core, stop, lines } = await loadPlugins({}, { plugins: [plugin] });
    const user = { username: "ann", role: "user" } as const;
    const turn = await core.turns.start(user, { content: "Go" });
    for await (const _ of (await core.turns.follow(user, turn.id, 0, new AbortController().signal)) ?? []);
    expect(Bun.peek.status(ended.promise)).toBe("pending");
    await stop(0);
    expect(await ended.promise).toBe("From afar");
    expect(stopped).toEqual(["titles"]);
    expect(lines.filter((line) => line.startsWith("WARN"))).toEqual([]);
  });

  test("that fails is named in the log, at once or later, and ends nothing else", async () => {
    const { core, lines } = await loadPlugins({});
    const [late, fine] = [Promise.withResolvers<void>(), Promise.withResolvers<string>()];
    core.background("clumsy", () => {
      throw new Error("broken at once");
    });
    core.background("slow", async () => {
      await late.promise;
      throw new Error("broken later");
    });
    core.background("good", async () => fine.resolve("done"));
    late.resolve();
    expect(await fine.promise).toBe("done");
    await new Promise(setImmediate);
    const warned = lines.filter((line) => line.includes("Background work"));
    expect(warned).toEqual([
      expect.stringMatching(/plugin=clumsy.*broken at once/),
      expect.stringMatching(/plugin=slow.*broken later/),
    ]);
  });

  test("that does not look at its signal does not keep the server from ending, and is named", async () => {
    const { core, stop, lines } = await loadPlugins({});
    core.background("deaf", () => new Promise(() => {}));
    await stop(0);
    expect(lines.filter((line) => line.includes("did not end"))).toEqual([expect.stringContaining("plugin=deaf")]);
    let hasBegun = false;
    core.background("late", async () => {
      hasBegun = true;
    });
    expect(hasBegun).toBe(false);
  });
});
