/**
 * The scenario whose way through the code `test/way.test.ts` measures: somebody has a chat open, with its live channel, and sends one
 * plain message, unless `PLAIN_MESSAGE` is "unsent". Run by `bun test`, which counts the lines.
 */

import { expect, test } from "bun:test";
import { atEnd } from "./at-end";
import { readSse } from "./read-sse";
import { startServer } from "./server";
import { reply, startUpstream } from "./upstream";

const isSent = process.env.PLAIN_MESSAGE !== "unsent";

test("a plain message is answered on the live channel", async () => {
  const upstream = startUpstream({ models: ["small-a"] });
  atEnd(() => upstream.stop());
  const { url, core, signIn } = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
  const { token, fetch: fetchAs } = await signIn();
  const thread = await core.thread.create("ann", { title: "Greetings" });
  const page = await (await fetchAs(`/t/${thread.id}`, { headers: { accept: "text/html" } })).text();
  const channel = /hx-sse:connect="([^"]+)"/.exec(page)?.[1]?.replaceAll("&amp;", "&") ?? "";
  const sendKey = /id="send-key"[^>]*value="([^"]+)"/.exec(page)?.[1] ?? "";
  const closing = new AbortController();
  const messages = readSse(await fetchAs(channel, { signal: closing.signal }));
  await messages.next();
  if (isSent) {
    upstream.script(reply("Hello!"));
    const form = new FormData();
    form.set("content", "Hi there");
    form.set("key", sendKey);
    const headers = { authorization: `Bearer ${token}`, "hx-request": "true", accept: "text/html" };
    const sent = await fetch(`${url}/t/${thread.id}/messages`, { method: "POST", body: form, headers });
    expect(sent.status).toBe(200);
    await until(messages, "Hello!");
    await until(messages, 'id="go"'); // Send again, and no longer Stop.
    expect((await core.thread.messages("ann", thread.id)).map(({ content }) => content)).toEqual([
      "Hi there",
      "Hello!",
    ]);
  }
  closing.abort();
});

async function until(messages: AsyncGenerator<{ readonly data: string }>, words: string): Promise<void> {
  for (;;) {
    const next = await messages.next();
    if (next.done) throw new Error(`The channel ended before ${words}`);
    if (next.value.data.includes(words)) return;
  }
}
