/** What a person does with messages: edit, regenerate, go between versions, fork, and read a long chat. */

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { markupOf, newPerson, noBrowser, type Person, screenshot } from "../support/browser";
import { startServer } from "../support/server";
import { gate, reply, startUpstream } from "../support/upstream";

if (noBrowser) console.warn(`Messages are not tested in a browser: ${noBrowser}.`);

const upstream = startUpstream({ models: ["small-a", "small-b"] });
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });

const people: Person[] = [];
const person = async (options: Parameters<typeof newPerson>[2] = {}) => {
  const someone = await newPerson(server.url, "ann", options);
  people.push(someone);
  return someone;
};

afterEach(async () => {
  const complaints = people.flatMap((someone) => someone.complaints);
  for (const someone of people.splice(0)) await someone.context.close();
  expect(complaints).toEqual([]);
});

const TIMEOUT_MS = 30_000;

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
  expect(await markupOf(page, "#messages")).toBe(await markupOf(fresh, "#messages"));
  await fresh.close();
}

/** Id of what has the focus. */
const focused = (page: Page) => page.evaluate("document.activeElement.id") as Promise<string>;

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
      expect(await page.inputValue(".edit textarea")).toBe("First wording");
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
      expect(await page.locator(".message").count()).toBe(2);
      expect(await focused(page)).toBe("text");
      await expectAsFresh(page, ann);
      await screenshot(page, "messages-versions");

      const other = await ann.open(new URL(page.url()).pathname);
      await page.bringToFront();
      await page.locator(".versions [id$='-previous']").focus();
      await page.keyboard.press("Enter");
      await page.waitForSelector(".reply >> text=Later answer.");
      expect(await page.textContent(".user .bubble >> nth=0")).toBe("First wording");
      expect(await page.textContent(".versions")).toBe("1/2");
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
      expect(await page.evaluate("document.activeElement.getAttribute('popovertarget')")).toBe("message-menu");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#message-menu:popover-open >> text=small-b");
      const end = gate();
      upstream.script({ parts: ["Three ", { wait: end.opened }, "answer."] });
      await page.click("#message-menu >> text=small-b");
      await page.waitForSelector(".reply >> text=Three");
      await page.waitForSelector("#message-menu", { state: "hidden" });
      expect(await focused(page)).toBe("text");
      end.open();
      await page.waitForSelector("button.send");
      expect(upstream.requests.at(-1)?.body.model).toBe("small-b");
      expect(await page.textContent(".reply .facts")).toContain("small-b");
      expect(await page.textContent(".reply .versions")).toBe("3/3");
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
      expect(await page.textContent(".bubble")).toBe("Shared question");
      expect(await page.textContent(".reply .parts")).toContain("Shared answer.");
      upstream.script(reply("Only in the fork."));
      await page.fill("#text", "Go on");
      await page.press("#text", "Enter");
      await page.waitForSelector(".reply >> text=Only in the fork.");
      await page.goto(first);
      expect(await page.locator(".message").count()).toBe(2);
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
      expect(await page.inputValue(".edit textarea")).toBe("half an edit");
      end.open();
      await page.waitForSelector("button.send");
      upstream.script(reply("Edited at last."));
      await page.press(".edit textarea", "Enter");
      await page.waitForSelector(".reply >> text=Edited at last.");
      await page.waitForSelector("button.send");
      await expectAsFresh(page, ann);
    },
    TIMEOUT_MS,
  );
});
