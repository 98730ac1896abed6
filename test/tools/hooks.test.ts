import { describe, expect, test } from "bun:test";
import { createLog } from "../../src/basics/log";
import type { Core, HookRunner, Hooks, ModelCall, ModelEvent, ModelReply, Turn } from "../../src/protocols";
import { createHookRunner, watchHeldUp } from "../../src/tools/hooks";

const CALL: ModelCall = { model: "m", messages: [], tools: [], parameters: {} };
const REPLY: ModelReply = {
  model: "m",
  step: 1,
  content: "",
  thinking: "",
  toolCalls: [],
  usage: null,
  messageId: null,
};
const TURN = { id: "t", signal: new AbortController().signal } as Turn;
const FINISH: ModelEvent = { type: "finish", reason: "stop" };

function runner(hooks: Record<string, Hooks>): { hooks: HookRunner; logged: string[] } {
  const logged: string[] = [];
  const core = { log: createLog("warn", (_level, line) => void logged.push(line)) } as Core;
  const plugins = Object.entries(hooks).map(([name, own]) => ({ name, hooks: own }));
  return { hooks: createHookRunner(core, plugins, { seconds: 0.05 }), logged };
}

async function* source(...texts: string[]): AsyncGenerator<ModelEvent> {
  for (const text of texts) yield { type: "text", text };
  yield FINISH;
}

async function textThrough(hooks: HookRunner, events: AsyncIterable<ModelEvent>, turn = TURN): Promise<string> {
  const all = await Array.fromAsync(hooks.filterStream(events, turn));
  return all.map((event) => (event.type === "text" ? event.text : `[${event.type}]`)).join("");
}

/** Puts its name around what passes. */
function naming(name: string, order: string[]): Hooks {
  return {
    preCall(call) {
      order.push(`pre ${name}`);
      return { ...call, model: `${call.model}${name}` };
    },
    async *filterStream(events) {
      for await (const event of events)
        yield event.type === "text" ? { ...event, text: `${event.text}${name}` } : event;
    },
    postCall() {
      order.push(`post ${name}`);
    },
  };
}

describe("hooks", () => {
  test("nest like an onion: preCall from high to low, filterStream and postCall from low to high", async () => {
    const order: string[] = [];
    const { hooks } = runner({ low: naming("L", order), high: naming("H", order) });
    expect((await hooks.preCall(CALL, TURN)).model).toBe("mHL");
    expect(await textThrough(hooks, source("x"))).toBe("xLH[finish]");
    await hooks.postCall(REPLY, TURN);
    expect(order).toEqual(["pre H", "pre L", "post L", "post H"]);
  });

  test("that throw are named in the log and left out, and the others run", async () => {
    const order: string[] = [];
    const broken: Hooks = {
      preCall: () => Promise.reject(new Error("pre broke")),
      // biome-ignore lint/correctness/useYield: it fails before it could.
      async *filterStream() {
        throw new Error("filter broke");
      },
      postCall() {
        throw new Error("post broke");
      },
    };
    const { hooks, logged } = runner({ fine: naming("F", order), broken });
    expect((await hooks.preCall(CALL, TURN)).model).toBe("mF");
    expect(await textThrough(hooks, source("a", "b"))).toBe("aFbF[finish]");
    await hooks.postCall(REPLY, TURN);
    expect(order).toEqual(["pre F", "post F"]);
    for (const word of ["pre broke", "filter broke", "post broke"]) expect(logged.join("\n")).toContain(word);
    expect(logged.every((line) => line.includes("plugin=broken"))).toBe(true);
  });

  test("can match text that is split over pieces", async () => {
    const hide: Hooks = {
      async *filterStream(events) {
        let held = "";
        for await (const event of events) {
          if (event.type !== "text") {
            if (held) yield { type: "text", text: held };
            held = "";
            yield event;
            continue;
          }
          held = (held + event.text).replaceAll("secret", "…");
          yield { type: "text", text: held.slice(0, -5) };
          held = held.slice(-5);
        }
      },
    };
    expect(await textThrough(runner({ hide }).hooks, source("a se", "cr", "et b"))).toBe("a … b[finish]");
  });

  test("that throw in the middle keep what they gave, and the rest goes past them", async () => {
    const half: Hooks = {
      async *filterStream(events) {
        for await (const event of events) {
          yield event;
          throw new Error("enough");
        }
      },
    };
    expect(await textThrough(runner({ half }).hooks, source("a", "b", "c"))).toBe("abc[finish]");
  });

  test("that end early are named, and the rest goes past them", async () => {
    const early: Hooks = {
      async *filterStream(events) {
        for await (const event of events) {
          yield event;
          return;
        }
      },
    };
    const { hooks, logged } = runner({ early });
    expect(await textThrough(hooks, source("a", "b"))).toBe("ab[finish]");
    expect(logged.join()).toContain("ended before");
  });

  test("that never answer are left out after a time, and named", async () => {
    const never = () => new Promise<undefined>(() => {});
    const { hooks, logged } = runner({ low: naming("L", []), hanging: { preCall: never, postCall: never } });
    expect((await hooks.preCall(CALL, TURN)).model).toBe("mL");
    await hooks.postCall(REPLY, TURN);
    expect(logged).toEqual(
      ["preCall", "postCall"].map((hook) =>
        expect.stringMatching(new RegExp(`plugin=hanging hook=${hook} .*It took longer than 0.05 seconds`)),
      ),
    );
  });

  test("are not blamed for an error of the model, which goes on to the turn", async () => {
    async function* failing(): AsyncGenerator<ModelEvent> {
      yield { type: "text", text: "a" };
      throw new Error("the model broke");
    }
    const { hooks, logged } = runner({ fine: naming("F", []) });
    expect(textThrough(hooks, failing())).rejects.toThrow("the model broke");
    expect(logged).toEqual([]);
  });

  test("are not blamed for the end of a turn that was stopped", async () => {
    const { hooks, logged } = runner({ fine: naming("F", []) });
    async function* cut(): AsyncGenerator<ModelEvent> {
      yield { type: "text", text: "a" };
    }
    expect(await textThrough(hooks, cut(), { ...TURN, signal: AbortSignal.abort() })).toBe("aF");
    expect(logged).toEqual([]);
  });

  test("say whether any of them filters, so that a stream without filters passes through nothing", () => {
    expect(runner({ none: { preCall: () => undefined } }).hooks.filtersStream).toBe(false);
    expect(runner({ some: naming("S", []) }).hooks.filtersStream).toBe(true);
  });

  test("let the model clean up when its stream is left early, and when they let it go early themselves", async () => {
    const left: string[] = [];
    async function* endless(name: string): AsyncGenerator<ModelEvent> {
      try {
        for (;;) yield { type: "text", text: name };
      } finally {
        left.push(name);
      }
    }
    const { hooks } = runner({ one: naming("1", []), two: naming("2", []) });
    for await (const _ of hooks.filterStream(endless("read no further"), TURN)) break;
    await new Promise(setImmediate);
    expect(left).toEqual(["read no further"]);
    const early = runner({
      early: {
        async *filterStream(events) {
          for await (const event of events) {
            yield event;
            break;
          }
          yield FINISH;
        },
      },
    });
    expect(await textThrough(early.hooks, endless("cut short"))).toBe("cut short[finish]");
    await new Promise(setImmediate);
    expect(left).toEqual(["read no further", "cut short"]);
  });
});

describe("a filterStream that hangs", () => {
  const never = new Promise<never>(() => {});

  test("is left out after its time, and what it had not taken goes past it", async () => {
    const stuck: Hooks = {
      async *filterStream(events) {
        for await (const event of events) {
          yield event;
          await never;
        }
      },
    };
    const { hooks, logged } = runner({ stuck, fine: naming("F", []) });
    expect(await textThrough(hooks, source("a", "b", "c"))).toBe("aFbFcF[finish]");
    expect(logged).toEqual([expect.stringMatching(/plugin=stuck hook=filterStream .*neither took nor gave/)]);
  });

  test("is not what waits for a slow model, or is read slowly", async () => {
    const { hooks, logged } = runner({ fine: naming("F", []) });
    async function* slow(): AsyncGenerator<ModelEvent> {
      await Bun.sleep(150); // Longer than a hook may take.
      yield { type: "text", text: "a" };
      yield FINISH;
    }
    let text = "";
    for await (const event of hooks.filterStream(slow(), TURN)) {
      if (event.type === "text") text += event.text;
      await Bun.sleep(150);
    }
    expect([text, logged]).toEqual(["aF", []]);
  });

  test("ends with the turn that was stopped", async () => {
    const stop = new AbortController();
    const stuck: Hooks = {
      // biome-ignore lint/correctness/useYield: it hangs before it could.
      async *filterStream() {
        await never;
      },
    };
    const { hooks, logged } = runner({ stuck });
    const all = Array.fromAsync(hooks.filterStream(source("a"), { ...TURN, signal: stop.signal }));
    stop.abort();
    await expect(all).rejects.toThrow("The turn was stopped.");
    expect(logged).toEqual([]);
  });
});

test("a hook that holds up the server is named in the log", async () => {
  const { hooks, logged } = runner({
    quick: { postCall() {} },
    slow: { postCall: () => Bun.sleepSync(250) },
  });
  await hooks.postCall(REPLY, TURN);
  expect(logged).toEqual([
    expect.stringMatching(/A plugin held up the whole server plugin=slow hook=postCall ms=\d{3}/),
  ]);
});

test("a hook that returns what is none is named and left out", async () => {
  const wrong = {
    preCall: (call: ModelCall) => call.messages,
    // Forgotten `async`, `*` or `return` look like this.
    filterStream: async () => {},
  } as unknown as Hooks;
  const { hooks, logged } = runner({ fine: naming("F", []), wrong });
  expect((await hooks.preCall(CALL, TURN)).model).toBe("mF");
  expect(await textThrough(hooks, source("a"))).toBe("aF[finish]");
  expect(logged).toEqual([
    expect.stringMatching(/plugin=wrong hook=preCall .*It must return a model call/),
    expect.stringMatching(/plugin=wrong hook=filterStream .*It must return a stream of events/),
  ]);
});

test("what runs for long at a stretch is named, also when it throws, and what waits is not", async () => {
  const logged: string[] = [];
  const log = createLog("warn", (_level, line) => void logged.push(line));
  const watch = <T>(plugin: string, run: () => T) => watchHeldUp(log, () => ({ plugin }), run);
  expect(watch("quick", () => 1)).toBe(1);
  // As long as what is named when it runs.
  expect(await watch("waiting", () => Bun.sleep(250).then(() => 2))).toBe(2);
  expect(logged).toEqual([]);
  const slow = () => {
    Bun.sleepSync(250);
    throw new Error("too late");
  };
  expect(() => watch("slow", slow)).toThrow("too late");
  expect(logged).toEqual([expect.stringMatching(/held up the whole server plugin=slow ms=\d{3}$/)]);
});
