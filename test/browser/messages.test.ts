/**
 * What a person does with messages: edit, regenerate, go between versions, fork, and read a long chat.
 */

import { afterAll, describe, expect, test } from "bun:test";
import type { Page, Route } from "playwright-core";
import type { Thread } from "../../src/protocols";
import { eventually, markupOf, noBrowser, type Person, peopleOf, screenshot } from "../support/browser";
import { startServer } from "../support/server";
import { gate, reply, startUpstream } from "../support/upstream";

if (noBrowser) console.warn(`Messages are not tested in a browser: ${noBrowser}.`);

const upstream = startUpstream({ models: ["small-a", "small-b"] });
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });

const person = peopleOf(server.url);

const ANN = { username: "ann", role: "admin" } as const;
const TIMEOUT_MS = 60_000;

/** A chat with a question and its reply, shown. */
async function converse(who: Person, question: string, answer: string): Promise<Page> {
  const page = await who.open("/");
  upstream.script(reply(answer));
  await page.fill("#text", question);
  await page.click("#go");
  await page.waitForURL(/\/t\//);
  await page.waitForSelector(`.reply >> text=${answer}`);
  await page.waitForSelector("button.send");
  return page;
}

async function expectAsFresh(page: Page, who: Person): Promise<void> {
  const fresh = await who.open(new URL(page.url()).pathname);
  await eventually(() => markupOf(page, "#messages"), await markupOf(fresh, "#messages"));
  await fresh.close();
}

/** Id of what has the focus. */
const focused = (page: Page) => page.evaluate("document.activeElement.id") as Promise<string>;

/** How far the reader is from the end, in pixels. */
const toEnd = (page: Page) =>
  page.evaluate(
    "(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight)(document.getElementById('scroll'))",
  ) as Promise<number>;

const topOfScroll = (page: Page) => page.evaluate("document.getElementById('scroll').scrollTop") as Promise<number>;

/** Asks again at each frame; the page's policy lets no `waitForFunction` in. */
async function until(page: Page, isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await page.evaluate("new Promise(requestAnimationFrame)");
}

/** Where the message stands on the screen. */
const topOf = (page: Page, id: string) =>
  page.evaluate(`document.getElementById("m-${id}").getBoundingClientRect().top`) as Promise<number>;

/** A thread whose messages say their number, made without a model. */
async function longThread(count: number): Promise<{ thread: Thread; ids: string[] }> {
  const thread = await server.core.thread.create("ann", { title: `Long ${count}` });
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    const role = index % 2 === 0 ? ("user" as const) : ("assistant" as const);
    const content =
      role === "user" ? `Question ${index}.` : `Answer ${index}.\n\n${"Some words. ".repeat(index % 70)}\n\n- a\n- b`;
    const said = { role, type: "text" as const, content, turnId: "none", step: 0 };
    ids.push((await server.core.thread.append("ann", thread.id, { ...said, parentId: ids.at(-1) ?? null })).id);
  }
  return { thread, ids };
}

describe.skipIf(noBrowser !== null)("messages", () => {
  test(
    "one is edited in place by keyboard, becomes another version, and the old one stays within reach in every tab",
    async () => {
      const ann = await person();
      const page = await converse(ann, "First wording", "First answer.");
      upstream.script(reply("Later answer."));
      await page.fill("#text", "Later question");
      await page.press("#text", "Enter");
      await page.waitForSelector(".reply >> text=Later answer.");
      await page.waitForSelector("button.send");

      const edit = page.locator(".user [id$='-edit']").first();
      await edit.focus();
      await page.keyboard.press("Enter");
      await page.waitForSelector(".edit textarea:focus");
      await eventually(() => page.inputValue(".edit textarea"), "First wording");
      await screenshot(page, "messages-edit");
      await page.keyboard.press("Escape");
      await page.waitForSelector(".edit", { state: "detached" });
      expect(await focused(page)).toMatch(/^m-.*-edit$/);

      await page.keyboard.press("Enter");
      await page.waitForSelector(".edit textarea:focus");
      upstream.script(reply("Second answer."));
      await page.fill(".edit textarea", "Second wording");
      await page.keyboard.press("Enter");
      await page.waitForSelector(".reply >> text=Second answer.");
      await page.waitForSelector("button.send");
      await eventually(() => page.locator(".message").count(), 2);
      await eventually(() => focused(page), "text");
      await expectAsFresh(page, ann);
      await screenshot(page, "messages-versions");

      const other = await ann.open(new URL(page.url()).pathname);
      await page.bringToFront();
      await page.locator(".versions [id$='-previous']").focus();
      await page.keyboard.press("Enter");
      await page.waitForSelector(".reply >> text=Later answer.");
      await eventually(() => page.textContent(".user .bubble >> nth=0"), "First wording");
      await eventually(() => page.textContent(".versions"), "1/2");
      expect(await focused(page)).toMatch(/-previous$/);
      await expectAsFresh(page, ann);
      await other.bringToFront();
      await other.waitForSelector(".reply >> text=Later answer.");
      await expectAsFresh(other, ann);
    },
    TIMEOUT_MS,
  );

  test(
    "a reply is regenerated, also with another model from the menu, and each version stays",
    async () => {
      const ann = await person();
      const page = await converse(ann, "What now?", "One answer.");
      upstream.script(reply("Two answer."));
      await page.click(".reply .again");
      await page.waitForSelector(".reply >> text=Two answer.");
      await page.waitForSelector("button.send");
      await page.locator("[popovertarget=message-menu]").focus();
      await page.keyboard.press("Enter");
      await page.waitForSelector("#message-menu:popover-open >> text=small-b");
      await screenshot(page, "messages-menu");
      await page.keyboard.press("Escape");
      await page.waitForSelector("#message-menu", { state: "hidden" });
      await eventually(() => page.evaluate("document.activeElement.getAttribute('popovertarget')"), "message-menu");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#message-menu:popover-open >> text=small-b");
      const end = gate();
      upstream.script({ parts: ["Three ", { wait: end.opened }, "answer."] });
      await page.click("#message-menu >> text=small-b");
      await page.waitForSelector(".reply >> text=Three");
      await page.waitForSelector("#message-menu", { state: "hidden" });
      await eventually(() => focused(page), "text");
      end.open();
      await page.waitForSelector("button.send");
      expect(upstream.requests.at(-1)?.body.model).toBe("small-b");
      expect(await page.textContent(".reply .facts")).toContain("small-b");
      await eventually(() => page.textContent(".reply .versions"), "3/3");
      await expectAsFresh(page, ann);
      await page.click(".reply [id$='-previous']");
      await page.waitForSelector(".reply >> text=Two answer.");
      await page.click(".reply [id$='-previous']");
      await page.waitForSelector(".reply >> text=One answer.");
      await expectAsFresh(page, ann);
      const asked: string[] = [];
      page.on("request", (request) => void asked.push(new URL(request.url()).pathname));
      await page.click(".reply [id$='-previous']", { force: true });
      await page.click(".reply [id$='-next']");
      await page.waitForSelector(".reply >> text=Two answer.");
      expect(asked.filter((path) => path.endsWith("/head"))).toHaveLength(1);
    },
    TIMEOUT_MS,
  );

  test(
    "a fork opens as a chat of its own, with what was said up to there",
    async () => {
      const ann = await person();
      const page = await converse(ann, "Shared question", "Shared answer.");
      const first = page.url();
      await page.click("[popovertarget=message-menu]");
      await page.click("#message-menu .fork");
      await page.waitForURL((url) => url.href !== first && url.pathname.startsWith("/t/"));
      await eventually(() => page.textContent(".bubble"), "Shared question");
      expect(await page.textContent(".reply .parts")).toContain("Shared answer.");
      upstream.script(reply("Only in the fork."));
      await page.fill("#text", "Go on");
      await page.press("#text", "Enter");
      await page.waitForSelector(".reply >> text=Only in the fork.");
      await page.goto(first);
      await eventually(() => page.locator(".message").count(), 2);
    },
    TIMEOUT_MS,
  );

  test(
    "an edit that is refused keeps its text, and so does one while another tab sends a version",
    async () => {
      const ann = await person();
      const page = await converse(ann, "Edit me", "An answer.");
      const other = await ann.open(new URL(page.url()).pathname);
      await page.bringToFront();
      await page.click(".user [id$='-edit']");
      await page.fill(".edit textarea", "half an edit");
      const end = gate();
      upstream.script({ parts: ["From elsewhere ", { wait: end.opened }, "now."] });
      await other.bringToFront();
      await other.click(".reply .again");
      await page.bringToFront();
      await page.waitForSelector(".reply >> text=From elsewhere");
      await page.press(".edit textarea", "Enter");
      await page.waitForSelector("#status:not(:empty)");
      await eventually(() => page.inputValue(".edit textarea"), "half an edit");
      end.open();
      await page.waitForSelector("#go.send"); // The form of the edit has a button to send, too.
      upstream.script(reply("Edited at last."));
      await page.press(".edit textarea", "Enter");
      await page.waitForSelector(".reply >> text=Edited at last.");
      await page.waitForSelector("button.send");
      await expectAsFresh(page, ann);
    },
    TIMEOUT_MS,
  );

  test(
    "a long chat opens at its end, and earlier messages come in above a reader without moving what they read",
    async () => {
      const { thread, ids } = await longThread(350);
      const ann = await person();
      const page = await ann.open(`/t/${thread.id}`);
      await page.waitForSelector(`#m-${ids[348]}`);
      await until(page, async () => (await toEnd(page)) < 2);
      await eventually(() => page.locator(".jump").isVisible(), false);
      const first = ids[250] ?? "";
      // As a person does who pulls the bar up: almost to the top at once.
      for (const [top, next] of [
        [40, ids[150]],
        [0, ids[50]],
      ] as const) {
        const { opened, open } = gate();
        const asked = Promise.withResolvers<void>();
        const hold = async (route: Route) => {
          asked.resolve();
          await opened;
          await route.continue();
        };
        await page.route(/\/earlier\?/, hold, { times: 1 });
        const reading = await page.evaluate(
          `(() => { const scroll = document.getElementById("scroll"); scroll.scrollTop = ${top}; return document.querySelector(".message.user").id.slice(2); })()`,
        );
        // Not before it is known where they read: the answer would move that.
        await asked.promise;
        let before = Number.NaN;
        await until(page, async () => {
          const was = before;
          before = await topOf(page, String(reading));
          return before === was;
        });
        open();
        await page.waitForSelector(`#m-${next}`, { state: "attached" });
        // Messages get their real height as they come near the screen, which takes some frames.
        await until(page, async () => Math.abs((await topOf(page, String(reading))) - before) < 3);
      }
      await eventually(() => page.locator(`#m-${first}`).count(), 1);
      await screenshot(page, "messages-long");
      // Nothing is lost or doubled on the way, and what happens at the end leaves the reader alone.
      await page.evaluate("document.getElementById('scroll').scrollTop = 0");
      await page.waitForSelector(`#m-${ids[0]}`, { state: "attached" });
      await eventually(() => page.locator(".earlier").count(), 0);
      const shown = await page.evaluate("[...document.querySelectorAll('.message.user')].map(({ id }) => id.slice(2))");
      expect(shown).toEqual(ids.filter((_, index) => index % 2 === 0));
      const top = await topOf(page, ids[20] ?? "");
      upstream.script(reply("From elsewhere."));
      await server.core.turns.start(ANN, { content: "Sent elsewhere", threadId: thread.id });
      await page.waitForSelector(".reply >> text=From elsewhere.", { state: "attached" });
      expect(await topOf(page, ids[20] ?? "")).toBe(top);
      await eventually(() => page.locator(".message.user").count(), 176);
      await page.click(".jump");
      await until(page, async () => (await toEnd(page)) < 2);
      await page.waitForSelector(".jump", { state: "hidden" });
    },
    TIMEOUT_MS,
  );

  test(
    "a stream is followed at the end, and a reader who scrolls up a little is left alone",
    async () => {
      const ann = await person();
      const page = await converse(ann, "Tell me", "A short one.");
      const steps = [gate(), gate(), gate()];
      const lines = "A line.\n\n".repeat(40);
      const parts = steps.flatMap((step, index) => [lines, `mark ${index}\n\n`, { wait: step.opened }]);
      upstream.script({ parts: [...parts, "the end"] });
      await page.fill("#text", "At length");
      await page.press("#text", "Enter");
      await page.waitForSelector(".reply >> text=mark 0");
      await until(page, async () => (await toEnd(page)) < 2);
      steps[0]?.open();
      await page.waitForSelector(".reply >> text=mark 1");
      await until(page, async () => (await toEnd(page)) < 2);
      await page.mouse.move(700, 300);
      await page.mouse.wheel(0, -30);
      await until(page, async () => (await toEnd(page)) >= 29);
      const reading = await topOfScroll(page);
      steps[1]?.open();
      await page.waitForSelector(".reply >> text=mark 2", { state: "attached" });
      await page.waitForSelector(".jump:visible");
      expect(await topOfScroll(page)).toBe(reading);
      await page.click(".jump");
      await until(page, async () => (await toEnd(page)) < 2);
      steps[2]?.open();
      await page.waitForSelector("button.send");
      await page.waitForSelector(".reply >> text=the end");
      await until(page, async () => (await toEnd(page)) < 2);
    },
    TIMEOUT_MS,
  );

  test(
    "what a reader opens at the end stays under the pointer, and a click above does not lead back to the end",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      const answer = reply(`Found.\n\n${"A paragraph.\n\n".repeat(20)}`);
      upstream.script({ parts: [...answer.parts, { reasoning: "Is that so? ".repeat(400) }, "Yes."] });
      await page.fill("#text", "Look");
      await page.press("#text", "Enter");
      await page.waitForSelector(".reply >> text=Yes.");
      await page.waitForSelector("button.send");
      await until(page, async () => (await toEnd(page)) < 2);
      const summary = page.locator(".thinking summary");
      const before = (await summary.boundingBox())?.y ?? 0;
      await summary.click();
      await page.waitForSelector(".jump:visible");
      expect(Math.abs(((await summary.boundingBox())?.y ?? 0) - before)).toBeLessThan(2);
      await page.click(".jump");
      await until(page, async () => (await toEnd(page)) < 2);
      // At once, before the browser has told of the scrolling.
      await page.evaluate("document.getElementById('scroll').scrollTop = 0; document.querySelector('.bubble').click()");
      await page.waitForSelector(".jump:visible");
      expect(await toEnd(page)).toBeGreaterThan(60);
    },
    TIMEOUT_MS,
  );

  test(
    "what comes at once and is high is followed to its end, too",
    async () => {
      const ann = await person();
      const page = await converse(ann, "Tell me", "A short one.");
      const high = `${"| a | b |\n|--|--|\n"}${"| 1 | 2 |\n".repeat(6)}\n`;
      for (let round = 0; round < 6; round++) {
        upstream.script({ parts: [`Round ${round}\n\n`, { pauseMs: 60 }, high, { pauseMs: 60 }, high, "\nover"] });
        await page.fill("#text", "Go on");
        await page.press("#text", "Enter");
        await page.waitForSelector(`.reply:has-text("Round ${round}"):has-text("over")`);
        await page.waitForSelector("button.send");
        await until(page, async () => (await toEnd(page)) < 1);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "an address leads to one message, shows it, and a send from there leads to the end",
    async () => {
      const { thread, ids } = await longThread(250);
      const ann = await person();
      const page = await ann.open(`/t/${thread.id}?at=${ids[41]}#m-${ids[41]}`);
      expect(await topOf(page, ids[41] ?? "")).toBeLessThan(500);
      expect(await topOf(page, ids[41] ?? "")).toBeGreaterThan(0);
      await screenshot(page, "messages-found");
      upstream.script(reply("At the end."));
      await page.fill("#text", "And on");
      await page.press("#text", "Enter");
      await page.waitForURL(new RegExp(`/t/${thread.id}$`));
      await page.waitForSelector(".reply >> text=At the end.");
      await eventually(() => page.locator(`#m-${ids[248]}`).count(), 1);
    },
    TIMEOUT_MS,
  );

  test(
    "one whose answer is lost on the way is sent again, and is there once",
    async () => {
      const ann = await person();
      const page = await converse(ann, "Hi", "Hello there.");
      const loseAnswer = (tab: Page, path: string) =>
        tab.route(path, async (route) => {
          if (route.request().method() !== "POST") return route.fallback();
          await route.fetch();
          await route.abort("connectionreset");
        });
      await loseAnswer(page, "**/messages");
      upstream.script(reply("Heard once."));
      await page.fill("#text", "Once");
      await page.press("#text", "Enter");
      await page.waitForSelector("#status.offline");
      await page.waitForSelector(".reply >> text=Heard once.");
      await page.waitForSelector("button.send");
      expect(await page.inputValue("#text")).toBe("Once");
      await page.unroute("**/messages");
      await page.press("#text", "Enter");
      await until(page, async () => (await page.inputValue("#text")) === "");
      upstream.script(reply("And once more."));
      await page.fill("#text", "Once");
      await page.press("#text", "Enter");
      await page.waitForSelector(".reply >> text=And once more.");
      expect(await page.locator(".user .bubble").allTextContents()).toEqual(["Hi", "Once", "Once"]);
      // The first message of a chat, whose page does not know the chat yet.
      const other = await ann.open("/");
      await loseAnswer(other, "**/t");
      upstream.script(reply("A new one."));
      await other.fill("#text", "A chat");
      await other.press("#text", "Enter");
      await other.waitForSelector("#status.offline");
      await other.unroute("**/t");
      await other.press("#text", "Enter");
      await other.waitForURL(/\/t\//);
      await other.waitForSelector(".reply >> text=A new one.");
      expect(await other.locator("#threads a.open >> text=A chat").count()).toBe(1);
      ann.complaints.length = 0; // The browser complains of what was cut, as it should.
    },
    TIMEOUT_MS,
  );

  test(
    "without script and on a phone, links and forms do the same",
    async () => {
      const ann = await person("ann", {
        javaScriptEnabled: false,
        viewport: { width: 320, height: 640 },
        hasTouch: true,
        colorScheme: "dark",
      });
      const { thread, ids } = await longThread(210);
      const page = await ann.open(`/t/${thread.id}`);
      await page.click("text=Earlier messages");
      await page.waitForSelector(`#m-${ids[10]}`);
      await page.goto(`/t/${thread.id}`);
      const last = `#m-${ids[208]}`;
      await page.click(`${last} [id$='-edit']`);
      await eventually(() => page.inputValue(".edit textarea"), "Question 208.");
      await screenshot(page, "messages-no-script-edit");
      upstream.script(reply("Edited without script."));
      await page.fill(".edit textarea", "Another wording");
      await page.click(".edit .send");
      await page.waitForSelector(".reply >> text=Edited without script.");
      await page.click(".user .versions [id$='-previous']");
      await page.waitForSelector(`${last} .bubble >> text=Question 208.`);
      await page.click(".reply >> nth=-1 >> .without-script");
      await page.waitForSelector("#message-menu >> text=small-b");
      await screenshot(page, "messages-no-script-menu");
      upstream.script(reply("By the other model."));
      await page.click("#message-menu >> text=small-b");
      await page.waitForSelector(".reply >> text=By the other model.");
      await page.click(".reply >> nth=-1 >> .without-script");
      await page.click("#message-menu .fork");
      await page.waitForURL((url) => !url.pathname.includes(thread.id));
      await page.waitForSelector(".reply >> text=By the other model.");
    },
    TIMEOUT_MS,
  );
});
