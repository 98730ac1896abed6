/**
 * Many windows of one browser: they share one connection, whichever of them is closed, hidden or signed out.
 */

import { afterAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, markupOf, noBrowser, type Person, PLAIN_HOST, peopleOf } from "../support/browser";
import { PASSWORD, startServer } from "../support/server";
import { gate, reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
upstream.otherwise(reply("Here."));
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const { port } = new URL(server.url);
const at = peopleOf(server.url);
const atName = peopleOf(`http://${PLAIN_HOST}:${port}`);

const TIMEOUT_MS = 60_000;
const streams = async () => server.core.counts.all().streams_page ?? 0;

async function say(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

/** As a person sees to it by choosing another tab, of which a browser without a screen knows nothing. */
async function hide(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(`Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true })`);
  await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))');
}

/** A chat with one message and its reply, in windows of its own. */
async function chatIn(who: Person, windows: number): Promise<Page[]> {
  const first = await who.open("/");
  await say(first, "Hello");
  await first.waitForSelector(".reply >> text=Here.");
  await first.waitForSelector("button.send");
  const others = Array.from({ length: windows - 1 }, () => who.open(new URL(first.url()).pathname));
  return [first, ...(await Promise.all(others))];
}

/** Also of those that are out of sight, and that the browser has not laid out. */
async function repliesOf(page: Page): Promise<string[]> {
  return (await page.locator(".reply .text").allTextContents()).map((text) => text.trim());
}

async function expectAsFresh(page: Page, who: Person): Promise<void> {
  const fresh = await who.open(new URL(page.url()).pathname);
  await eventually(() => markupOf(page, "#messages"), await markupOf(fresh, "#messages"));
  await fresh.close();
}

describe.skipIf(noBrowser !== null)("windows of one browser", () => {
  test(
    "are twelve at a plain name, and each shows its own reply as it is written, by one connection",
    async () => {
      const ann = await atName(null);
      const first = await ann.open("/");
      expect(await first.evaluate("isSecureContext")).toBe(false);
      await first.fill("#username", "ann");
      await first.fill("#password", PASSWORD);
      await first.press("#password", "Enter");
      await first.waitForSelector(".welcome");
      const pages = [first];
      while (pages.length < 12) pages.push(await ann.open("/"));
      await eventually(streams, 1);
      const end = gate();
      upstream.script(...pages.map(() => ({ parts: ["The beginning", { wait: end.opened }, " and the end."] })));
      await Promise.all(pages.map((page, index) => say(page, `Question ${index}`)));
      for (const page of pages) await page.waitForSelector(".reply >> text=The beginning");
      // A window that became a chat has the shared one made anew, and for a moment the older one is not counted out yet.
      await eventually(streams, 1);
      end.open();
      for (const [index, page] of pages.entries()) {
        await page.waitForSelector("button.send");
        expect(await page.locator(".bubble").allTextContents()).toEqual([`Question ${index}`]);
        expect(await repliesOf(page)).toEqual(["The beginning and the end."]);
      }
      await expectAsFresh(pages[11] as Page, ann);
    },
    TIMEOUT_MS,
  );

  test(
    "lose and double nothing when others open, close, hide and come back while a reply is written",
    async () => {
      const ann = await at();
      const [one, two, three] = (await chatIn(ann, 3)) as [Page, Page, Page];
      await eventually(streams, 1);
      const gates = [gate(), gate(), gate(), gate()] as const;
      const words = ["One. ", "Two. ", "Three. ", "Four. "];
      const parts = gates.flatMap(({ opened }, index) => [words[index] ?? "", { wait: opened }]);
      upstream.script({ parts: [...parts, "Five."] });
      await say(one, "Count");
      for (const page of [one, two, three]) await page.waitForSelector(".reply >> text=One.");
      await one.close();
      gates[0].open();
      for (const page of [two, three]) await page.waitForSelector(".reply >> text=One. Two.");
      await hide(two, true);
      gates[1].open();
      await three.waitForSelector(".reply >> text=One. Two. Three.");
      expect(await two.locator(".reply >> text=Three.").count()).toBe(0);
      const four = await ann.open(new URL(two.url()).pathname);
      gates[2].open();
      for (const page of [three, four]) await page.waitForSelector(".reply >> text=Three. Four.");
      await hide(two, false);
      await two.waitForSelector(".reply >> text=Three. Four.");
      expect(await streams()).toBe(1);
      gates[3].open();
      for (const page of [two, three, four]) {
        await page.waitForSelector(".reply >> text=Five.");
        await page.waitForSelector("button.send");
        expect(await repliesOf(page)).toEqual(["Here.", "One. Two. Three. Four. Five."]);
        await expectAsFresh(page, ann);
      }
      for (const page of [two, three, four]) await hide(page, true);
      await eventually(streams, 0);
      await hide(three, false);
      await eventually(streams, 1);
    },
    TIMEOUT_MS,
  );

  test(
    "take over within a second from one that is closed, and hear all that happened",
    async () => {
      const ann = await at();
      const [one, two] = (await chatIn(ann, 2)) as [Page, Page];
      await eventually(streams, 1);
      await one.close();
      const id = new URL(two.url()).pathname.slice("/t/".length);
      const closedMs = performance.now();
      await server.core.thread.update("ann", id, { title: "Renamed meanwhile" });
      await server.core.bus.publish("user:ann", { type: "threads-changed", threadId: id });
      await eventually(() => two.inputValue("#title input"), "Renamed meanwhile");
      // The change itself takes a tenth of a second; another window that would have to notice would take many.
      expect(performance.now() - closedMs).toBeLessThan(5000);
    },
    TIMEOUT_MS,
  );

  test(
    "tell one who signed out nothing of who signed in after them, nor the other way round",
    async () => {
      const ann = await at();
      const [hers] = (await chatIn(ann, 1)) as [Page];
      const form = { username: "bob", password: PASSWORD };
      await server.signIn("bob");
      await ann.context.request.post("/login", { form, headers: { accept: "text/html" }, maxRedirects: 0 });
      const his = await ann.open("/");
      await hers.waitForSelector("#status >> text=signed out");
      upstream.script(reply("For Bob alone."));
      await say(his, "Secret of Bob");
      await his.waitForSelector(".reply >> text=For Bob alone.");
      await his.waitForSelector("#threads >> text=Secret of Bob");
      const again = await server.signIn("ann");
      await (await again.post("/api/v1/message", { content: "Secret of Ann" })).text();
      await say(his, "And one more");
      await his.waitForSelector(".bubble >> text=And one more");
      await his.waitForSelector("button.send");
      expect(await his.locator("#threads").textContent()).not.toContain("Ann");
      expect(await hers.content()).not.toContain("Bob");
      expect(await hers.locator("#messages >> text=Here.").count()).toBe(1);
    },
    TIMEOUT_MS,
  );

  test(
    "have a connection each where there is no worker for all of them, or none that answers",
    async () => {
      for (const without of [
        "delete window.SharedWorker",
        "window.SharedWorker = class { port = { postMessage() {} } }",
        "window.SharedWorker = class { constructor() { throw new Error('refused') } }",
      ]) {
        const ann = await at();
        await ann.context.addInitScript(without);
        const pages = [await ann.open("/"), await ann.open("/")] as const;
        await eventually(streams, 2);
        await say(pages[0], "Hello");
        await pages[0].waitForSelector(".reply >> text=Here.");
        await pages[1].waitForSelector("#threads >> text=Hello");
        // With a connection of its own, too, a page in the background has none.
        await hide(pages[0], true);
        await eventually(streams, 1);
        await ann.context.close();
        await eventually(streams, 0);
      }
    },
    TIMEOUT_MS,
  );
});
