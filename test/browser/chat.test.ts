/**
 * The page as a person uses it: a real Chromium, the real server, and a scripted model over HTTP.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import type { Page } from "playwright-core";
import type { Plugin } from "../../src/protocols";
import { eventually, markupOf, newPerson, noBrowser, type Person, peopleOf, screenshot } from "../support/browser";
import { startCable } from "../support/cable";
import { SAMPLE } from "../support/chat-data";
import { startServer } from "../support/server";
import { gate, httpError, reply, startUpstream, toolCall } from "../support/upstream";

if (noBrowser) console.warn(`The page is not tested in a browser: ${noBrowser}.`);

const upstream = startUpstream({ models: ["small-a", "small-b"] });
afterAll(() => upstream.stop());

const counting: Plugin = {
  name: "counting",
  tools: [
    {
      name: "count",
      description: "Counts.",
      parameters: Type.Object({ to: Type.Number() }),
      async *execute({ to }: { to: number }) {
        for (let number = 1; number <= to; number++) yield `counted ${number}`;
        if (to > 2) throw new Error("I cannot count further than two.");
        return `${to} is enough`;
      },
    },
  ],
};

const server = await startServer({
  config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl },
  plugins: [counting],
});

const person = peopleOf(server.url);

const TIMEOUT_MS = 60_000;

async function say(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

/** The page is as one that is loaded now: nothing was lost, doubled or left over on the way. */
async function expectAsFresh(page: Page, who: Person): Promise<void> {
  const fresh = await who.open(new URL(page.url()).pathname);
  for (const part of ["#messages", "#title", ".choices"]) {
    await eventually(() => markupOf(page, part), await markupOf(fresh, part));
  }
  await fresh.close();
}

describe.skipIf(noBrowser !== null)("the page", () => {
  test(
    "a person signs in, starts a chat and watches the reply being written",
    async () => {
      const ann = await person(null);
      const page = await ann.open("/");
      await page.fill("#username", "ann");
      await page.fill("#password", "correct horse battery");
      await screenshot(page, "login");
      await page.click("text=Sign in >> nth=-1");
      await page.waitForSelector(".welcome");
      await screenshot(page, "new-chat");
      const [half, end] = [gate(), gate()];
      const words = reply(SAMPLE).parts;
      upstream.script({
        parts: [
          { reasoning: "They want **to know**." },
          { wait: half.opened },
          ...words,
          { wait: end.opened },
          "\nThe end.",
        ],
      });
      await say(page, "How is *Markdown* streamed?");
      await page.waitForURL(/\/t\//);
      await eventually(() => page.textContent(".user .bubble"), "How is *Markdown* streamed?");
      await eventually(() => page.inputValue("#text"), "");
      await page.waitForSelector("text=Thinking…");
      half.open();
      await page.waitForSelector("text=the documentation");
      await eventually(() => page.locator("button.stop").count(), 1);
      await screenshot(page, "streaming");
      end.open();
      await page.waitForSelector("button.send");
      await page.waitForSelector(".reply >> text=The end.");
      await eventually(() => page.title(), "How is *Markdown* streamed?");
      await page.waitForSelector(".threads [aria-current] >> text=How is");
      await expectAsFresh(page, ann);
      await screenshot(page, "chat");
      await page.goBack();
      await page.waitForSelector(".welcome");
    },
    TIMEOUT_MS,
  );

  test(
    "a reload in the middle of a reply, and a cut connection, lose nothing",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      const gates = [gate(), gate(), gate()];
      upstream.script({
        parts: [
          "# One\n\nfirst ",
          { wait: gates[0]?.opened as Promise<void> },
          "second\n\n- a\n- b",
          { wait: gates[1]?.opened as Promise<void> },
          "\n\nthird [link]",
          { wait: gates[2]?.opened as Promise<void> },
          " end\n\n[link]: https://example.com\n",
        ],
      });
      await say(page, "Count");
      await page.waitForSelector(".reply >> text=first");
      await page.reload();
      await page.waitForSelector(".reply >> text=first");
      gates[0]?.open();
      await page.waitForSelector(".reply >> text=second");
      await page.evaluate("document.getElementById('live')._htmx.sse.reader.cancel()");
      gates[1]?.open();
      await page.waitForSelector(".reply >> text=third");
      await eventually(() => page.locator(".reply h3").count(), 1);
      gates[2]?.open();
      await page.waitForSelector("button.send");
      // The link is defined after its use: only the whole text tells that it is one.
      await page.waitForSelector('.reply a[href="https://example.com"]');
      await expectAsFresh(page, ann);
    },
    TIMEOUT_MS,
  );

  test(
    "a second tab sees everything, and stops the reply",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      upstream.script(reply("A reply."), { parts: ["Going ", "on ", { wait: new Promise(() => {}) }] });
      await say(page, "First");
      await page.waitForURL(/\/t\//);
      await page.waitForSelector("button.send");
      const other = await ann.open(new URL(page.url()).pathname);
      await page.bringToFront();
      await say(page, "Second");
      await other.bringToFront();
      await other.waitForSelector(".user >> text=Second");
      await other.waitForSelector(".reply >> text=Going on");
      await other.click("button.stop");
      await other.waitForSelector("text=Stopped.");
      await expectAsFresh(other, ann);
      await page.bringToFront();
      await page.waitForSelector("text=Stopped.");
      await expectAsFresh(page, ann);
      await screenshot(page, "stopped");
      upstream.script(reply("and on to the end."));
      await page.click("text=Continue");
      await page.waitForSelector(".reply >> text=on to the end");
      await page.waitForSelector("button.send");
      await expectAsFresh(page, ann);
    },
    TIMEOUT_MS,
  );

  test(
    "tools show their arguments, progress and outcome",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      upstream.script(
        {
          parts: [
            "Let me count.",
            ...toolCall("count", { to: 2 }, { index: 0 }),
            ...toolCall("count", { to: 3 }, { index: 1 }),
          ],
        },
        reply("Counted."),
      );
      await say(page, "Count to two and three");
      await page.waitForSelector(".reply >> text=Counted.");
      await page.waitForSelector("button.send");
      for (const summary of await page.locator(".tool summary").all()) await summary.click();
      expect(await page.locator(".tool.done").textContent()).toContain("2 is enough");
      expect(await page.locator(".tool.failed").textContent()).toContain("I cannot count further than two.");
      await screenshot(page, "tools");
      await expectAsFresh(page, ann);
    },
    TIMEOUT_MS,
  );

  test(
    "an error is shown below the message, and Retry tries again",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      upstream.script(httpError(503, "Overloaded."));
      await say(page, "Will it work?");
      await page.waitForSelector(".outcome.failed");
      await page.waitForSelector("button.send");
      await screenshot(page, "failed");
      await expectAsFresh(page, ann);
      upstream.script(reply("Now it does."));
      await page.click("text=Retry");
      await page.waitForSelector(".reply >> text=Now it does.");
      await page.waitForSelector("button.send");
      await eventually(() => page.locator(".message").count(), 2);
      await expectAsFresh(page, ann);
    },
    TIMEOUT_MS,
  );

  test(
    "a message sent while a reply is written is refused, and its text stays",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      const end = gate();
      upstream.script({ parts: ["Writing ", { wait: end.opened }, "done."] });
      await say(page, "Write");
      await page.waitForSelector(".reply >> text=Writing");
      await say(page, "Too early");
      await page.waitForSelector("#status.busy:not(:empty)");
      await eventually(() => page.inputValue("#text"), "Too early");
      end.open();
      await page.waitForSelector("button.send");
      upstream.script(reply("Now."));
      await page.press("#text", "Enter");
      await page.waitForSelector(".reply >> text=Now.");
      await eventually(() => page.inputValue("#text"), "");
    },
    TIMEOUT_MS,
  );

  test(
    "threads are renamed, found and archived, in every tab",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      upstream.script(reply("The capital of Peru is Lima."));
      await say(page, "Geography");
      await page.waitForURL(/\/t\//);
      await page.waitForSelector("button.send");
      const other = await ann.open("/");
      await other.waitForSelector(".threads >> text=Geography");
      await page.bringToFront();
      await page.fill("#title input", "Capitals");
      await page.press("#title input", "Enter");
      await other.bringToFront();
      await other.waitForSelector(".threads >> text=Capitals");
      await other.locator(".search input").pressSequentially("peru");
      await other.waitForSelector(".threads mark");
      await eventually(() => other.textContent(".threads mark"), "Peru");
      await screenshot(other, "search");
      await other.fill(".search input", "");
      await page.bringToFront();
      await page.click("[aria-label='Archive this chat']");
      await page.waitForSelector(".welcome");
      await other.bringToFront();
      await other.waitForSelector(".threads:not(:has-text('Capitals'))");
    },
    TIMEOUT_MS,
  );

  test(
    "a script in a reply, a message or a title is text",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      const attack = `<img src=x onerror="document.title='hit'"><script>document.title='hit'</script><hx-partial hx-target="#messages">x</hx-partial>`;
      upstream.script(
        reply(`${attack}\n\n[click](javascript:document.title='hit')\n\n\`\`\`"><script>\n${attack}\n\`\`\`\n\ndone`),
      );
      await say(page, attack);
      await page.waitForSelector(".reply >> text=done");
      await page.waitForSelector("button.send");
      expect(await page.title()).not.toBe("hit");
      expect(await page.locator(".message img, .message script, .message a[href^=javascript]").count()).toBe(0);
      await eventually(() => page.textContent(".bubble"), attack);
      await expectAsFresh(page, ann);
    },
    TIMEOUT_MS,
  );

  test(
    "it says when the server is away or the session has ended, keeps the text, and takes it back when all is well",
    async () => {
      const ann = await person("ann");
      const page = await ann.open("/");
      upstream.script(reply("Hello."));
      await say(page, "Hi");
      await page.waitForURL(/\/t\//);
      await page.waitForSelector("button.send");
      await eventually(() => page.locator("#threads [aria-current]").count(), 1);

      await ann.context.setOffline(true);
      await say(page, "Are you there?");
      await page.waitForSelector("#status.offline");
      await eventually(() => page.inputValue("#text"), "Are you there?");
      ann.complaints.length = 0; // The browser complains of the cut as it should.
      await ann.context.setOffline(false);
      await page.waitForSelector("#status:not(.offline)", { state: "attached" });

      const cookies = await ann.context.cookies();
      await ann.context.clearCookies();
      await page.press("#text", "Enter");
      const href = await page.locator("#status a").getAttribute("href");
      expect(href).toBe(`/login?next=${encodeURIComponent(new URL(page.url()).pathname)}`);
      await eventually(() => page.inputValue("#text"), "Are you there?");
      ann.complaints.length = 0; // So does a refused request.
      await ann.context.addCookies(cookies);

      upstream.script(reply("I am."));
      await page.press("#text", "Enter");
      await page.waitForSelector(".reply >> text=I am.");
    },
    TIMEOUT_MS,
  );

  test(
    "a server that goes away while nobody does anything is told of quietly, and what was missed is there when it is back",
    async () => {
      const cable = await startCable(server.url);
      const ann = await newPerson(cable.url);
      const page = await ann.open("/");
      upstream.script(reply("Hello."));
      await say(page, "Hi");
      await page.waitForSelector("text=Hello.");
      await page.waitForSelector("button.send");
      await page.fill("#text", "half a thought");
      cable.pull();
      await page.waitForSelector("#status.offline:not(:empty)");
      await screenshot(page, "server-away");
      const threadId = new URL(page.url()).pathname.slice("/t/".length);
      upstream.script(reply("While you were away."));
      const other = await server.signIn("ann");
      const sent = await other.post("/api/v1/message", { content: "From elsewhere", thread_id: threadId });
      await sent.text();
      cable.plugIn();
      await page.waitForSelector(".reply >> text=While you were away.");
      await page.waitForSelector("#status:empty", { state: "attached" });
      await eventually(() => page.inputValue("#text"), "half a thought");
      await ann.context.close();
    },
    TIMEOUT_MS,
  );

  test(
    "an archived chat says so, and can be restored",
    async () => {
      const ann = await person("ann");
      const page = await ann.open("/");
      upstream.script(reply("Hello."));
      await say(page, "To be archived");
      await page.waitForURL(/\/t\//);
      await page.waitForSelector("button.send");
      const path = new URL(page.url()).pathname;
      await page.click("[aria-label='Archive this chat']");
      await page.waitForURL(/\/$/);
      await page.goto(new URL(path, page.url()).href);
      await screenshot(page, "archived");
      await page.click("text=Restore");
      await page.waitForSelector("[aria-label='Archive this chat']");
      await page.waitForSelector("#threads [aria-current] >> text=To be archived");
    },
    TIMEOUT_MS,
  );

  test(
    "it fits a narrow phone, in light and dark",
    async () => {
      for (const [name, width, colorScheme] of [
        ["phone", 390, "light"],
        ["phone-dark", 390, "dark"],
        ["narrow", 320, "light"],
      ] as const) {
        const ann = await person("ann", { viewport: { width, height: 760 }, colorScheme, hasTouch: true });
        const page = await ann.open("/");
        upstream.script(reply(SAMPLE));
        await page.fill("#text", "Show me everything");
        await page.click("#go");
        await page.waitForURL(/\/t\//);
        await page.waitForSelector("button.send");
        await page.waitForSelector(".reply >> text=the documentation");
        await screenshot(page, name);
        expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
        await page.click(".menu");
        await page.waitForSelector("#sidebar:popover-open");
        await screenshot(page, `${name}-menu`);
      }
    },
    TIMEOUT_MS,
  );
});
