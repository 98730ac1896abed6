import { describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import type { Plugin, User } from "../../../src/protocols";
import { atEnd } from "../../support/at-end";
import { startServer } from "../../support/server";
import { gate, reply, startUpstream, toolCall } from "../../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
atEnd(() => upstream.stop());
const adding: Plugin = {
  name: "adding",
  tools: [{ name: "add", description: "Adds.", parameters: Type.Object({}), execute: async () => "the sum" }],
};
const server = await startServer({
  config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl },
  plugins: [adding],
});
const { core } = server;
const [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];
const ANN: User = { username: "ann", role: "admin" };
const PAGE = { headers: { accept: "text/html" } };

/** Reads on until the page holds the words. */
async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, words: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes(words)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The page ended before ${words}`);
    text += decoder.decode(value, { stream: true });
  }
  return text;
}

describe("a page that a reply is written into", () => {
  test("has the composer first, each finished block once, parts in order, and ends as a whole document", async () => {
    const [half, end] = [gate(), gate()];
    upstream.script(
      { parts: ["First\nblock.\n\nSec", { wait: half.opened }, "ond.\n\n", ...toolCall("add", {})] },
      { parts: ["```\ncode\n```\n\n", { wait: end.opened }, "The end"] },
    );
    const { threadId } = await core.turns.start(ANN, { content: "Write" });
    const response = await ann.fetch(`/t/${threadId}?stream=1`, PAGE);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    const first = await readUntil(reader, "block.</p>");
    expect(first.indexOf('id="composer"')).toBeLessThan(first.indexOf("First"));
    expect(first).not.toContain("Sec");
    half.open();
    const second = await readUntil(reader, "</figure>");
    expect(second).toMatch(/<p>Second\.<\/p>[\s\S]*the sum[\s\S]*code/);
    end.open();
    const last = await readUntil(reader, "</html>");
    expect(last).toMatch(/<p>The end<\/p>[\s\S]*id="ended"[\s\S]*tokens[\s\S]*<\/html>\s*$/);
    const page = first + second + last;
    for (const once of ["First", "Second.", "the sum", "<html", 'id="messages"', 'id="ended"', 'class="dock"'])
      expect([once, page.split(once).length - 1]).toEqual([once, 1]);
    expect(page.match(/<(?:div|article|details)\b/g)?.length).toBe(page.match(/<\/(?:div|article|details)>/g)?.length);
  });

  test("is a page like any other when no reply is being written, and another user's is not found", async () => {
    upstream.script(reply("Done."));
    const turn = await core.turns.start(ANN, { content: "Quick" });
    for await (const _ of (await core.turns.follow(ANN, turn.id, 0, new AbortController().signal)) ?? []);
    const page = await (await ann.fetch(`/t/${turn.threadId}?stream=1`, PAGE)).text();
    expect(page).toContain("<p>Done.</p>");
    expect(page).not.toContain('id="ended"');
    expect((await bob.fetch(`/t/${turn.threadId}?stream=1`, PAGE)).status).toBe(404);
  });

  test("says that the reply failed, and how far it came", async () => {
    const told = gate();
    upstream.script({ parts: ["Some\n\nmore", { wait: told.opened }, { reset: true }] });
    const turn = await core.turns.start(ANN, { content: "Fail" });
    const response = await ann.fetch(`/t/${turn.threadId}?stream=1`, PAGE);
    const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    await readUntil(reader, "Some");
    told.open();
    const page = await readUntil(reader, "</html>");
    expect(page).toContain("more");
    expect(page).toContain('class="outcome failed"');
  });
});
