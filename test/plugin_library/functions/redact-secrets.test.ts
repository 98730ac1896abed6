import { describe, expect, test } from "bun:test";
import redactSecrets from "../../../plugin_library/functions/redact-secrets";
import type { Core, ModelEvent, Turn } from "../../../src/protocols";
import { atEnd } from "../../support/at-end";
import { dataWith } from "../../support/library";
import { createRandom, type Random } from "../../support/random";
import { collectTurn, textOf } from "../../support/read-sse";
import { startServer } from "../../support/server";
import { startUpstream, toolCall } from "../../support/upstream";

const DEFAULTS = { mask: "[redacted]", model: false, patterns: [] };
const SEED = Number(Bun.env.TEST_SEED ?? 20261122);

const BASE64 = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
const PEM = `-----BEGIN RSA PRIVATE KEY-----\n${`${BASE64}\n`.repeat(25)}Mz0kq9w=\n-----END RSA PRIVATE KEY-----`;
const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

const SECRETS = [
  "sk-proj-4f9Ga72Lq0ZxRtYbNmQw",
  "sk-ant-api03-4f9Ga72Lq0ZxRtYbNmQwExtra",
  `ghp_${"a1B2c3D4".repeat(5)}`,
  "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuv",
  "AKIAIOSFODNN7EXAMPLE",
  "xoxb-123456789012-abcdefghijkl",
  JWT,
  PEM,
  PEM.replaceAll("\n", "\\n"),
] as const;

/** What only looks like the beginning of a secret. */
const PLAIN = [
  "The task-management is-all-there ",
  "sk-",
  "s",
  "ask ",
  "disk-space-is-what-we-do-not-have ",
  "sk-only-words-without-any-figure-in-them ",
  "eyJ",
  "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0 ",
  "AKIA is how they begin. ",
  "Bearer of good news: ",
  "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
  "A file starts with -----BEGIN RSA PRIVATE KEY----- and ends, in the end, with its END. ",
  "-----",
  "\n\n",
  "ghp_short ",
  "日本語 and 👍🏽 ",
  '{"key": "value", "list": [1, 2]}',
] as const;

describe("what is masked", () => {
  test.each([...SECRETS])("%# a secret alone, in quotes, in an address and in a text in quotes", async (secret) => {
    expect(await mask([secret])).toBe("[redacted]");
    expect(await mask([`key="${secret}", more`])).toBe('key="[redacted]", more');
    expect(await mask([`https://x.example/?key=${secret}\n`])).toBe("https://x.example/?key=[redacted]\n");
    expect(await mask([`"first\\n${secret}"`])).toBe('"first\\n[redacted]"');
  });

  test("the token of a bearer, and not the word", async () => {
    expect(await mask(["Authorization: Bearer abc123abc123abc123abc123\n"])).toBe("Authorization: Bearer [redacted]\n");
  });

  test("a private key that is cut", async () => {
    expect(await mask([`So:\n${PEM.slice(0, 600)}`])).toBe("So:\n[redacted]");
  });

  test("thinking, each kind of text by itself", async () => {
    const events: ModelEvent[] = [
      { type: "thinking", text: "It is sk-4f9Ga72Lq0Zx" },
      { type: "thinking", text: "RtYbNmQw." },
      { type: "text", text: "I must not say sk-" },
      { type: "usage", inputTokens: 1, outputTokens: 2 },
      { type: "text", text: "4f9Ga72Lq0ZxRtYbNmQw!" },
      { type: "finish", reason: "stop" },
    ];
    expect(joined(await filtered(events))).toEqual([
      { type: "thinking", text: "It is [redacted]." },
      { type: "text", text: "I must not say " },
      { type: "usage", inputTokens: 1, outputTokens: 2 },
      { type: "text", text: "[redacted]!" },
      { type: "finish", reason: "stop" },
    ]);
  });

  test("what the settings add", async () => {
    const settings = { ...DEFAULTS, mask: "***", patterns: [{ start: "acme_", pattern: "acme_[a-z0-9]{8}" }] };
    expect(await mask(["Use acme_", "12ab", "34cd, ", "not acme_1."], settings)).toBe("Use ***, not acme_1.");
  });
});

describe("what stays", () => {
  test.each([...PLAIN])("%# %s", async (text) => {
    expect(await mask([text])).toBe(text);
  });

  test("all that came before the model failed", async () => {
    const seen: ModelEvent[] = [];
    const failing = async function* (): AsyncGenerator<ModelEvent> {
      yield { type: "text", text: "It ends with sk" };
      throw new Error("The line was cut.");
    };
    const reading = (async () => {
      for await (const event of filter(failing())) seen.push(event);
    })();
    await expect(reading).rejects.toThrow("The line was cut.");
    expect(joined(seen)).toEqual([{ type: "text", text: "It ends with sk" }]);
  });
});

test(`however a text is split, the same is masked and nothing else is lost (seed ${SEED})`, async () => {
  const random = createRandom(SEED);
  for (let round = 0; round < 400; round++) {
    const { text, expected } = compose(random);
    expect(await mask(split(text, random))).toBe(expected);
  }
});

test(`any pieces of starts and secrets are masked the same in one piece as in many (seed ${SEED})`, async () => {
  const random = createRandom(SEED + 1);
  const pieces = [...SECRETS, ...PLAIN, " ", ".", "-", "\\n", "%3D"] as const;
  for (let round = 0; round < 400; round++) {
    const text = Array.from({ length: random.integer(1, 8) }, () => {
      const piece: string = random.pick(pieces);
      return piece.slice(0, random.chance(0.5) ? piece.length : random.integer(0, piece.length));
    }).join("");
    expect(await mask(split(text, random))).toBe(await mask([text]));
  }
});

test("words are given on as they come, but for what may begin a secret", async () => {
  const text = "Ask the masked king about basking whales; sharks and their eyes are 100 % asleep, Beatrice said.";
  let given = 0;
  let taken = 0;
  let mostHeld = 0;
  const source = async function* (): AsyncGenerator<ModelEvent> {
    for (const character of text) {
      mostHeld = Math.max(mostHeld, taken - given);
      taken++;
      yield { type: "text", text: character };
    }
  };
  for await (const event of filter(source())) given += event.type === "text" ? event.text.length : 0;
  expect(given).toBe(text.length);
  expect(mostHeld).toBeLessThanOrEqual("Bea".length);
});

test("a key without end is held back for so long and no longer", async () => {
  let given = 0;
  let taken = 0;
  let mostHeld = 0;
  const source = async function* (): AsyncGenerator<ModelEvent> {
    yield { type: "text", text: "-----BEGIN PRIVATE KEY----- " };
    for (let line = 0; line < 20_000; line++) {
      yield { type: "text", text: "words " };
      taken += 6;
      mostHeld = Math.max(mostHeld, taken - given);
    }
  };
  for await (const event of filter(source())) given += event.type === "text" ? event.text.length : 0;
  expect(given).toBe(taken + "-----BEGIN PRIVATE KEY----- ".length);
  expect(mostHeld).toBeLessThan(20_000);
});

// Quadratic work would take minutes.
test("a text made to be slow takes no longer than its length allows", async () => {
  for (const piece of [
    "sk-",
    ".sk-",
    ".sk-1",
    ".eyJ",
    ".eyJaaaaaaaaa",
    "-----BEGIN PRIVATE KEY",
    "Bearer ",
    "s",
    " s",
  ]) {
    const begun = performance.now();
    await mask([piece.repeat(400_000 / piece.length)]);
    const ms = performance.now() - begun;
    expect(ms).toBeLessThan(5000);
  }
});

describe("in a server", () => {
  const KEY = "sk-proj-4f9Ga72Lq0ZxRtYbNmQw";

  async function start(settings: object) {
    const upstream = startUpstream();
    atEnd(() => upstream.stop());
    const dataPath = dataWith(["functions/redact-secrets.ts"], { "redact-secrets": settings });
    const server = await startServer({ dataPath, config: { openaiBaseUrl: upstream.baseUrl } });
    return { upstream, client: await server.signIn() };
  }

  test("a key in a reply is seen by nobody, and the thread keeps no more than was seen", async () => {
    const { upstream, client } = await start({});
    upstream.script({ parts: ["Take sk-pr", "oj-4f9Ga72Lq0Z", "xRtYbNmQw", " and go."] });
    const events = await collectTurn(await client.post("/api/v1/message", { content: "Which key?" }));
    expect(textOf(events)).toBe("Take [redacted] and go.");
    const history = await client.json(`/api/v1/threads/${events[0]?.data.thread_id}/messages`);
    expect(history).toMatchObject([{ role: "user" }, { role: "assistant", content: "Take [redacted] and go." }]);
  });

  test("with `model` the model gets no key of a person, a tool or itself", async () => {
    const { upstream, client } = await start({ model: true });
    upstream.script({ parts: [`I use ${KEY}. `, ...toolCall("none", { key: KEY })] });
    await collectTurn(await client.post("/api/v1/message", { content: `Mine is ${KEY}` }));
    expect(upstream.requests).toHaveLength(2);
    const sent = JSON.stringify(upstream.requests.map(({ body }) => body.messages));
    expect(sent).not.toContain(KEY);
    expect(sent).toContain("Mine is [redacted]");
    expect(sent).toContain("I use [redacted]. ");
  });

  test("a pattern that is none ends the start of the server, by name", async () => {
    const starting: Promise<unknown> = start({ patterns: [{ start: "acme_", pattern: "acme_(" }] });
    const error: unknown = await starting.catch((reason: unknown) => reason);
    expect(String(error)).toMatch(
      /does not start without the plugin redact-secrets \(.*Its start failed: Invalid regular expression/,
    );
  });
});

function compose(random: Random): { readonly text: string; readonly expected: string } {
  let text = "";
  let expected = "";
  for (let left = random.integer(1, 6); left > 0; left--) {
    const plain = `${random.pick(PLAIN)}, `;
    const secret = random.chance(0.6) ? random.pick(SECRETS) : "";
    text += `${plain}${secret}. `;
    expected += `${plain}${secret && "[redacted]"}. `;
  }
  return { text, expected };
}

function split(text: string, random: Random): string[] {
  const pieces: string[] = [];
  const longest = random.pick([1, 3, 20, 300]);
  for (let at = 0; at < text.length; ) {
    const end = at + random.integer(0, longest);
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces;
}

async function mask(pieces: readonly string[], settings: object = DEFAULTS): Promise<string> {
  const events = [
    ...pieces.map((text) => ({ type: "text", text }) as const),
    { type: "finish", reason: "stop" } as const,
  ];
  const out = await filtered(events, settings);
  expect(out.at(-1)).toEqual({ type: "finish", reason: "stop" });
  return out.map((event) => (event.type === "text" ? event.text : "")).join("");
}

async function filtered(events: readonly ModelEvent[], settings: object = DEFAULTS): Promise<ModelEvent[]> {
  const source = async function* () {
    yield* events;
  };
  return Array.fromAsync(filter(source(), settings));
}

/** The hook needs of a turn only where the settings are. */
function filter(events: AsyncIterable<ModelEvent>, settings: object = DEFAULTS): AsyncIterable<ModelEvent> {
  const core = { settings: () => settings } as unknown as Core;
  return redactSecrets.hooks.filterStream(events, { core } as Turn);
}

/** Neighbouring texts of one kind as one. */
function joined(events: readonly ModelEvent[]): ModelEvent[] {
  const list: ModelEvent[] = [];
  for (const event of events) {
    const last = list.at(-1);
    if ((event.type === "text" || event.type === "thinking") && last?.type === event.type && "text" in last)
      list[list.length - 1] = { ...event, text: last.text + event.text };
    else list.push(event);
  }
  return list;
}
