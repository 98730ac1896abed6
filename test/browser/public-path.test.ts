/** The whole page below a path of a host that belongs to somebody else, behind both kinds of proxies, in a real browser. */

import { afterAll, describe, expect, test } from "bun:test";
import { eventually, newPerson, noBrowser } from "../support/browser";
import { startProxy } from "../support/proxy";
import { PASSWORD, startServer } from "../support/server";
import { reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
afterAll(() => upstream.stop());

describe.skipIf(noBrowser !== null).each([
  ["takes it off", true],
  ["passes it on", false],
])("below a path, behind a proxy that %s", (_, isStripping) => {
  test("a person signs in, attaches, sends, is told live, finds the chat again and signs out", async () => {
    const proxy = startProxy("/ai/chat", isStripping);
    const publicUrl = `${proxy.origin}/ai/chat`;
    const server = await startServer({ config: { publicUrl, openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
    proxy.lead(server.url);
    const ann = await newPerson(proxy.origin, null);
    const page = await ann.open("/ai/chat");
    expect(new URL(page.url()).pathname).toBe("/ai/chat/login");
    await page.fill("[name=username]", "ann");
    await page.fill("[name=password]", PASSWORD);
    await page.press("[name=password]", "Enter");
    await page.waitForURL(`${publicUrl}/`);

    await page.setInputFiles("#files", { name: "note.txt", mimeType: "text/plain", buffer: Buffer.from("words") });
    await page.waitForSelector(".chip .detach");
    await eventually(() => page.locator("#composer.uploading").count(), 0);
    upstream.script(reply("The first reply."));
    await page.fill("#text", "Hello");
    await page.press("#text", "Enter");
    await page.waitForSelector("text=The first reply.");
    await page.waitForURL(`${publicUrl}/t/*`);
    const address = page.url();
    expect(await (await ann.context.request.get(await hrefOf("a.file"))).text()).toBe("words");

    // Another window of the same chat hears of what is sent here.
    const other = await ann.open(new URL(address).pathname);
    upstream.script(reply("The second reply."));
    await page.fill("#text", "Again");
    await page.press("#text", "Enter");
    await other.waitForSelector("text=The second reply.");

    await page.click(".new-chat");
    await page.waitForURL(`${publicUrl}/`);
    await page.click("#threads a.open");
    await page.waitForURL(address);
    await page.click(".account button:not([type=button])");
    await page.waitForURL(`${publicUrl}/login`);
    expect(proxy.strays).toEqual([]);
    await ann.context.close();
    expect(ann.complaints).toEqual([]);

    async function hrefOf(selector: string): Promise<string> {
      return new URL((await page.getAttribute(selector, "href")) ?? "", page.url()).href;
    }
  }, 60_000);
});
