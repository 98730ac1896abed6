/**
 * Every expression and loop that meets what strangers send, with input made to be slow. Of those with a bound of their own, the bound
 * is what is tested: twice the input may cost twice as much, and never the square.
 */

import { describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import redact from "../../plugin_library/functions/redact-secrets";
import { htmlToMarkdown } from "../../src/basics/html-to-markdown";
import { searchTerms, wordsToFind } from "../../src/basics/search-terms";
import { cleanName, cleanType } from "../../src/core/file";
import { createSseReader } from "../../src/core/model/call";
import { StreamFault, toFailure } from "../../src/core/model/failure";
import { createTextReader } from "../../src/core/model/text";
import { searchable } from "../../src/core/store/search";
import { snippetOf } from "../../src/core/thread/search";
import type { Core } from "../../src/protocols";
import { takesGzip } from "../../src/routes/http/respond";
import { createGrowingText } from "../../src/routes/reply/growing-text";
import { chooseWords, zoneOf } from "../../src/routes/session/session";
import { titleFrom } from "../../src/turn/plan";
import { isSafeUrl } from "../../views/html";
import { markdown, openMarkdown } from "../../views/markdown";
import { highlight } from "../../views/markdown/code";
import { mend } from "../../views/markdown/mend";
import { en } from "../../views/words/en";
import { testViews } from "../support/chat-data";
import { costsOf, growth } from "../support/cost";
import { startCore } from "../support/test-core";

const LINEAR = 3.3; // 2 would be linear and 4 the square; what is small beside what it begins with is less than 2.

/** The piece again and again, between a beginning and an end that let what went well in front fail. */
function filled(piece: string, size: number): string {
  return `a${piece.repeat(Math.ceil(size / piece.length)).slice(0, size)}§a`;
}

function inPieces(text: string, length: number, push: (piece: string) => unknown): void {
  for (let at = 0; at < text.length; at += length) push(text.slice(at, at + length));
}

const headerOf = (text: string) => text.replace(/[^\x20-\x7e]/g, "");

const LANGUAGES = "js java c cs go rust php python ruby perl bash yaml json css sql lua graphql diff md html".split(
  " ",
);

const settings = Value.Default(redact.settings, { model: true });
const turn = { core: { settings: () => settings } } as never;

type Work = (text: string) => unknown;

/** What is done with a text, how long the text is, and the pieces that it is made of. */
const WORKS: Readonly<Record<string, readonly [work: Work, size: number, pieces: readonly string[]]>> = {
  "a title": [titleFrom, 500_000, [" ", "\t", "\r", "word "]],
  "a file's name": [cleanName, 500_000, ["/", "\\", ".", "\u202e"]],
  "a file's type": [cleanType, 500_000, ["/", "a/", ";", "+"]],
  "a snippet of a text": [
    (text) => snippetOf(text, "zebra wörd"),
    500_000,
    ["zebr", "é", "\u0301", "\ufdfa", "\u05b0"],
  ],
  "a snippet for a query": [(text) => snippetOf("zz ".repeat(30_000), text), 8000, ["a ", "é ", "|", "ab cd "]],
  "the words of a query": [wordsToFind, 500_000, ["a ", "\u0301", "漢"]],
  "the words of a query to another database": [searchTerms.asked, 50_000, ["a ", "\u0301", "漢", "a漢"]],
  "what is indexed": [
    (text) => searchable("ann", 5, text),
    200_000,
    ["a ", "漢", "\u0301", "\u05b0", "\u00ad", "\ufdfa", "ﬃ", "\u0301\u034f"],
  ],
  "thinking in tags": [
    (text) => {
      const reader = createTextReader(() => {});
      reader.push("<think>");
      inPieces(text, 50, reader.push);
    },
    500_000,
    ["<", "</think", "</think><think>", " "],
  ],
  "a text that may have thinking in it": [
    (text) => {
      const reader = createTextReader(() => {});
      reader.push("So: ");
      inPieces(text, 50, reader.push);
      reader.end();
    },
    100_000,
    ["<", "</think", "</think> ", "```\n"],
  ],
  "a text that may have pictures in it": [
    (text) => {
      const reader = createTextReader(() => {});
      inPieces(text, 50, reader.push);
      reader.end();
    },
    100_000,
    ["!", "![", "![](data:image/png;base64,", "![](data:image/png;base64,A)"],
  ],
  "a reply in channels": [
    (text) => {
      const reader = createTextReader(() => {});
      reader.push("<|channel|>");
      inPieces(text, 50, reader.push);
      reader.end();
    },
    100_000,
    ["<|", "<|message|>", "<|channel|>final<|message|>a"],
  ],
  "a stream of events": [
    (text) => {
      const reader = createSseReader();
      inPieces(text, 100, (piece) => reader.push(Buffer.from(piece)));
      reader.end();
    },
    500_000,
    ["data: a", "data: a\n", "\r", "data:\n\n", ":"],
  ],
  "what an endpoint says of a failure": [
    (text) =>
      toFailure(new StreamFault("reported", { detail: text }), { endpoint: { name: "e", apiKey: null } } as never),
    500_000,
    ["<", "-<", "sk-", "Bearer ", " "],
  ],
  secrets: [
    (text) => redact.hooks.preCall({ messages: [{ role: "user", content: text }] } as never, turn),
    30_000,
    ["sk-", "Bearer ", "eyJaaaaaaaa.", "-----BEGIN PRIVATE KEY-----,", "-----END ", "\\n"],
  ],
  "the wishes for a language": [(text) => chooseWords([en], headerOf(text)), 8000, [",", "a-", "en;q=0,", " "]],
  "the wishes for an encoding": [
    (text) => takesGzip(new Request("http://localhost/", { headers: { "accept-encoding": headerOf(text) } })),
    8000,
    [",", "gzip ", "gzip;q=0,", " ", "x-"],
  ],
  cookies: [
    (text) => zoneOf(new Request("http://localhost/", { headers: { cookie: headerOf(text) } })),
    8000,
    [";", "zone=", "; ", "zone=a "],
  ],
  "an address": [isSafeUrl, 500_000, ["a", "\t", "/", "%"]],
  HTML: [
    (text) => htmlToMarkdown(text, "http://e.com/"),
    20_000,
    ["<", "<p>", "<a href=x>", "&", "<!--", "<pre>", "`", "<td>", '<p style="display:'],
  ],
  Markdown: [
    (text) => markdown(text, en),
    40_000,
    [
      "[",
      "![",
      "*a",
      "_",
      "`",
      "<",
      "> ",
      "- ",
      "$a$ ",
      "\\[\n",
      "[^1]: ",
      "|a\n",
      "http://a.b ",
      "a@b.c",
      "&",
      "# a\n",
    ],
  ],
  "Markdown of short paragraphs": [
    (text) => markdown(text, en),
    20_000,
    [`${"![".repeat(100)}\n\n`, `${"[a](".repeat(50)}\n\n`, `${"//a.b ".repeat(30)}\n\n`, `${"*a_".repeat(60)}\n\n`],
  ],
  "Markdown that is being written": [
    (text) => openMarkdown(text, en),
    20_000,
    ["[", "- ", "> ", "```\n", "|a\n", "$$\n", "[^1]: ", "1. a\n"],
  ],
  code: [
    (text) => LANGUAGES.map((language) => highlight(text, language)),
    5000,
    ['"', "'", "`", "\\", "/*", "<!--", "<a ", "-", "#", "$", "@a", "1.", "[", ":", "é", " "],
  ],
  "the end of Markdown": [mend, 500_000, ["[", "`", "*", "(", "$", "<a:", "|", "- ", "\\"]],
  "a text that grows": [
    (text) => {
      const growing = createGrowingText({ views: testViews(), counts: {} as Core["counts"] } as Core, en);
      inPieces(text, 4000, (piece) => [growing.push(piece), growing.takeChanges("t")]);
    },
    10_000,
    ["a\n\n", "```\n", "# a\n"],
  ],
};

const CHEAP_MS = 8; // Of CPU. What grows with the square takes more at these sizes, and on a slow machine more is measured.

async function isCheap(run: () => unknown): Promise<boolean> {
  const begun = process.threadCpuUsage();
  await run();
  const { user, system } = process.threadCpuUsage(begun);
  return user + system < 1000 * CHEAP_MS;
}

const MEASUREMENTS_MAX = 4; // What the machine does beside may spoil one or two, and what grows with the square is never cheap by chance.

async function leastGrowth(run: (length: number) => unknown, size: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let count = 0; count < MEASUREMENTS_MAX && least >= LINEAR; count++)
    least = Math.min(least, await growth(run, size));
  return least;
}

describe("twice as much costs twice as much at most", () => {
  test.each(Object.entries(WORKS))(
    "%s",
    async (_name, [work, size, pieces]) => {
      const slow: string[] = [];
      for (const piece of pieces) {
        const run = (length: number) => work(filled(piece, length));
        if (await isCheap(() => run(2 * size))) continue;
        const times = await leastGrowth(run, size);
        if (times >= LINEAR) slow.push(`${JSON.stringify(piece)} ${times.toFixed(1)} times`);
      }
      expect(slow).toEqual([]);
    },
    60_000,
  );
});

test("a query of thousands of words costs no more than one of as many as are looked for", async () => {
  const text = "zz ".repeat(30_000);
  const query = (words: number) => Array.from({ length: words }, (_, at) => `word${at}`).join(" ");
  const [few = 0, many = 0] = await costsOf(
    () => snippetOf(text, query(32)),
    () => snippetOf(text, query(2000)),
  );
  expect(many / few).toBeLessThan(3);
});

test("a sentence of one character, in texts of nothing else, is found and costs no more than a few times a word of all texts", async () => {
  const { store } = await startCore();
  await store.createStoreIfNotExists("notes", { text: { type: "str", search: true } });
  for (let n = 0; n < 3; n++) await store.add("ann", "notes", { text: "\u6f22".repeat(100_000) });
  for (let n = 0; n < 3; n++) await store.add("bob", "notes", { text: "word ".repeat(20_000) });
  const search = (owner: string, text: string) => store.fullTextSearch(owner, "notes", text, { select: [] });
  const sentence = "\u6f22".repeat(500);
  expect(await search("ann", sentence)).toHaveLength(3);
  const [harmless = 0, hostile = 0] = await costsOf(
    () => search("bob", "word ".repeat(100)),
    () => search("ann", sentence),
  );
  expect(hostile / harmless).toBeLessThan(20);
});

test.each([
  ["a sentence of one character", () => "\u6f22".repeat(4000), "\u6f22".repeat(32)],
  [
    "the beginning of every word",
    (n: number) => Array.from({ length: 2000 }, (_, at) => `aaa${n * 2000 + at}`).join(" "),
    "aaa",
  ],
])("%s in hundreds of long texts is looked for a few texts at a time", async (_, text, query) => {
  const { store } = await startCore();
  await store.createStoreIfNotExists("notes", { text: { type: "str", search: true }, n: "int" });
  await Promise.all(Array.from({ length: 200 }, (_, n) => store.add("ann", "notes", { text: text(n), n })));
  const search = (where = {}) => store.fullTextSearch("ann", "notes", query, { where, limit: 300, select: [] });
  expect(await search()).toHaveLength(200);
  const shares: number[] = [];
  for (let round = 0; round < 7; round++) shares.push(await longestShare(() => search({ n: -1 })));
  expect(Math.min(...shares)).toBeLessThan(0.3); // All at once they are nearly the whole.
});

/** For which part of its time the work holds the loop at a stretch. */
async function longestShare(run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  let [last, longest, isOver] = [begun, 0, false];
  const tick = (): void => {
    const now = performance.now();
    [last, longest] = [now, Math.max(longest, now - last)];
    if (!isOver) setImmediate(tick);
  };
  setImmediate(tick);
  await run();
  isOver = true;
  tick();
  return longest / (last - begun);
}
