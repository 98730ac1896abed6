/**
 * Where messages are written, and all that is done by keyboard.
 */

import { afterAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, noBrowser, type Person, peopleOf, screenshot } from "../support/browser";
import { startServer } from "../support/server";
import { gate, reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a", "small-b"] });
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const TIMEOUT_MS = 60_000;

const person = peopleOf(server.url);

async function say(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

/** A chat with one reply. */
async function chatOf(ann: Person): Promise<Page> {
  const page = await ann.open("/");
  upstream.script(reply("Hello."));
  await say(page, "Hi");
  await page.waitForURL(/\/t\//);
  await page.waitForSelector("button.send");
  return page;
}

const idOfFocus = (page: Page) => page.evaluate("document.activeElement.id");

describe.skipIf(noBrowser !== null)("the composer", () => {
  test(
    "sends nothing by the Enter that ends a composition, as Safari tells it too",
    async () => {
      const page = await (await person()).open("/");
      await page.fill("#text", "nihongo");
      for (const isComposing of [true, false])
        await page.evaluate(`document.getElementById("text").dispatchEvent(
          new KeyboardEvent("keydown", { key: "Enter", keyCode: 229, isComposing: ${isComposing}, bubbles: true, cancelable: true }))`);
      const before = upstream.requests.length;
      upstream.script(reply("Sent once."));
      await page.press("#text", "Enter");
      await page.waitForSelector("text=Sent once.");
      expect(upstream.requests.length - before).toBe(1);
    },
    TIMEOUT_MS,
  );

  test.each([
    [
      "refuses to keep anything",
      "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })",
    ],
    ["has nothing to keep it in", "Object.defineProperty(window, 'localStorage', { get: () => null })"],
    ["has no more room", "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }"],
  ])(
    "works in a browser that %s",
    async (_, script) => {
      const ann = await person();
      await ann.context.addInitScript(script);
      const page = await ann.open("/");
      upstream.script(reply("Here."));
      await say(page, "Hello");
      await page.waitForSelector("text=Here.");
      await eventually(() => page.inputValue("#text"), "");
    },
    TIMEOUT_MS,
  );

  test(
    "keeps a draft per chat until it is sent, and forgets all when the person signs out",
    async () => {
      const ann = await person();
      const page = await chatOf(ann);
      await page.fill("#text", "half a\nthought");
      await page.reload();
      await eventually(() => page.inputValue("#text"), "half a\nthought");
      const other = await ann.open("/");
      await eventually(() => other.inputValue("#text"), "");
      await other.fill("#text", "for a new chat");
      await other.close();
      upstream.script(reply("Right."));
      await page.press("#text", "Enter");
      await page.waitForSelector("text=Right.");
      await page.reload();
      await eventually(() => page.inputValue("#text"), "");
      await eventually(() => page.evaluate("Object.keys(localStorage).length"), 1);
      await page.click("[aria-label='Sign out']");
      await page.waitForSelector("#username");
      await eventually(() => page.evaluate("Object.keys(localStorage).length"), 0);
    },
    TIMEOUT_MS,
  );

  test(
    "keeps the text when the session has ended, and returns to the chat with it after sign-in",
    async () => {
      const ann = await person();
      const page = await chatOf(ann);
      const { pathname } = new URL(page.url());
      await ann.context.clearCookies();
      await say(page, "Do not lose me");
      await page.click("#status a");
      await page.fill("#username", "ann");
      await page.fill("#password", "correct horse battery");
      await page.press("#password", "Enter");
      await page.waitForSelector("#text");
      expect(new URL(page.url()).pathname).toBe(pathname);
      await eventually(() => page.inputValue("#text"), "Do not lose me");
    },
    TIMEOUT_MS,
  );

  test(
    "sends once however Send is pressed, grows with its text, and says why it waits only as long as it must",
    async () => {
      const ann = await person();
      const page = await chatOf(ann);
      const height = () => page.evaluate("document.getElementById('text').offsetHeight") as Promise<number>;
      const low = await height();
      await page.press("#text", "Shift+Enter");
      await page.locator("#text").pressSequentially("below");
      await eventually(() => page.inputValue("#text"), "\nbelow");
      expect(await height()).toBeGreaterThan(low);
      const end = gate();
      upstream.script({ parts: ["Writing ", { wait: end.opened }, "done."] });
      await say(page, "Write");
      await page.waitForSelector("text=Writing");
      await say(page, "Too early");
      await page.waitForSelector("#status.busy:visible");
      await screenshot(page, "too-early");
      end.open();
      await page.waitForSelector("button.send");
      await page.waitForSelector("#status.busy", { state: "hidden" });
      await eventually(() => page.inputValue("#text"), "Too early");
    },
    TIMEOUT_MS,
  );

  test(
    "a title is posted once, and one that is refused is as it was and says why until one is taken",
    async () => {
      const ann = await person();
      const page = await chatOf(ann);
      let posts = 0;
      page.on("request", (request) => {
        if (request.url().endsWith("/title")) posts++;
      });
      const renamed = page.waitForResponse(/\/title$/);
      await page.fill("#title input", "Greetings");
      await page.press("#title input", "Enter");
      await renamed;
      await page.waitForSelector(".threads >> text=Greetings");
      expect(posts).toBe(1);
      const refused = page.waitForResponse(/\/title$/);
      await page.fill("#title input", "   ");
      await page.press("#title input", "Enter");
      await refused;
      await page.waitForSelector("#status.error:visible");
      await eventually(() => page.inputValue("#title input"), "Greetings");
      expect(posts).toBe(2);
      // What was wrong is over when the next thing that is done succeeds.
      await page.fill("#title input", "Welcome");
      await page.press("#title input", "Enter");
      await eventually(() => page.textContent("#status"), "");
    },
    TIMEOUT_MS,
  );

  test(
    "the focus stays on the button that was Stop, and goes to the message box when what had it is gone",
    async () => {
      const ann = await person();
      const page = await chatOf(ann);
      upstream.script({ parts: ["Going ", "on ", { wait: new Promise(() => {}) }] });
      await say(page, "Go on");
      await page.waitForSelector("text=Going on");
      await page.focus("#go");
      await page.keyboard.press("Enter");
      await page.waitForSelector("text=Stopped.");
      await page.waitForSelector("button.send");
      expect(await idOfFocus(page)).toBe("go");
      upstream.script(reply("to the end."));
      await page.focus("text=Continue");
      await page.keyboard.press("Enter");
      await page.waitForSelector("text=to the end.");
      await page.waitForSelector("button.send");
      expect(await idOfFocus(page)).toBe("text");
    },
    TIMEOUT_MS,
  );

  test(
    "everything is reached by keyboard, and ? lists the keys",
    async () => {
      const ann = await person();
      const page = await chatOf(ann);
      const first = page.locator("a, button, input, textarea, select, [tabindex]").first();
      expect(await first.getAttribute("class")).toContain("skip-link");
      await first.focus();
      await page.keyboard.press("Enter");
      expect(await idOfFocus(page)).toBe("text");
      await page.keyboard.type("why?");
      await eventually(() => page.locator("#keys:popover-open").count(), 0);
      await page.focus("[aria-label='Sign out']");
      await page.keyboard.press("?");
      await page.waitForSelector("#keys:popover-open");
      await screenshot(page, "keys");
      await page.keyboard.press("Escape");
      await page.waitForSelector("#keys", { state: "hidden" });
      await eventually(() => page.evaluate("document.activeElement.ariaLabel"), "Sign out");
    },
    TIMEOUT_MS,
  );
});
