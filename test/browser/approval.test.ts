/**
 * Calls that wait for a person's yes or no, as they meet them: in any tab, by mouse, key and form, and after a reload.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import type { Page } from "playwright-core";
import type { Plugin } from "../../src/protocols";
import { eventually, markupOf, noBrowser, peopleOf, screenshot } from "../support/browser";
import { startServer } from "../support/server";
import { interleave, reply, startUpstream, toolCall } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
upstream.otherwise(reply("That is settled."));
afterAll(() => upstream.stop());

const mailing: Plugin = {
  name: "mailing",
  tools: [
    {
      name: "send_mail",
      description: "Sends a mail.",
      parameters: Type.Object({ to: Type.String(), text: Type.String() }),
      approval: true,
      execute: async ({ to }: { to: string }) => `sent to ${to}`,
    },
  ],
};

const server = await startServer({
  config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl },
  plugins: [mailing],
});

const person = peopleOf(server.url);

const TIMEOUT_MS = 60_000;
const MAIL = { to: "bob@example.com", text: "The <b>numbers</b> are in." };

async function ask(page: Page, calls = toolCall("send_mail", MAIL)): Promise<void> {
  upstream.script({ parts: ["I will tell Bob. ", ...calls] });
  await page.fill("#text", "Tell Bob about the numbers");
  await page.click("#go");
  await page.waitForSelector(".question");
}

/** Whether the name of the tool looks as it does when nothing cuts it: an underscore may lie below the line. */
async function isWholeName(page: Page): Promise<boolean> {
  const name = page.locator(".tool summary code");
  await page.mouse.move(0, 0);
  const box = await name.boundingBox();
  if (!box) throw new Error("The tool has no name.");
  const clip = { ...box, y: box.y - 4, height: box.height + 8 };
  const take = () => page.screenshot({ clip, animations: "disabled" });
  const cut = await take();
  await page.evaluate(`document.querySelector(".tool summary code").style.overflow = "visible"`);
  return cut.equals(await take());
}

describe.skipIf(noBrowser !== null)("a call that waits", () => {
  test(
    "asks in every tab, and takes its question back in all when one has answered, by keyboard too",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      await ask(page);
      const other = await ann.open(new URL(page.url()).pathname);
      await other.waitForSelector(".question");
      const form = page.getByRole("form", { name: "send_mail The model wants to use this tool. May it?" });
      expect(await form.locator("pre").textContent()).toContain('"text": "The <b>numbers</b> are in."');
      // What is added to a log is announced.
      await eventually(() => page.locator('[role="log"] .question').count(), 1);
      await screenshot(page, "approval");
      await page.getByRole("button", { name: "Allow", exact: true }).focus();
      await page.keyboard.press("Enter");
      for (const tab of [page, other]) {
        await tab.waitForSelector("text=That is settled.");
        await eventually(() => tab.locator(".question").count(), 0);
        await tab.waitForSelector("button.send");
      }
      await eventually(() => page.evaluate("document.activeElement.id"), "text");
      await page.click(".tool summary");
      expect(await page.textContent(".tool")).toContain("sent to bob@example.com");
      await screenshot(page, "approval-allowed");
      const fresh = await ann.open(new URL(page.url()).pathname);
      for (const tab of [page, other])
        await eventually(() => markupOf(tab, "#messages"), await markupOf(fresh, "#messages"));
      expect(await isWholeName(fresh)).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    "still asks after a reload, one question for each call, and a no shows as such",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      const calls = [MAIL, { ...MAIL, to: "eve@example.com" }];
      await ask(page, interleave(...calls.map((args, index) => toolCall("send_mail", args, { index }))));
      await page.reload();
      const question = (to: string) => page.locator(".question", { hasText: to });
      await question("bob").getByRole("button", { name: "Do not allow" }).click();
      await question("bob").waitFor({ state: "detached" });
      await question("eve").getByRole("button", { name: "Allow", exact: true }).click();
      await page.waitForSelector("text=That is settled.");
      expect(await page.locator(".tool .state").allTextContents()).toEqual([
        expect.stringContaining("not allowed"),
        expect.stringContaining("done"),
      ]);
      await screenshot(page, "approval-denied");
    },
    TIMEOUT_MS,
  );

  test(
    "is told of on the pages of other chats, until it is answered",
    async () => {
      const ann = await person();
      const other = await ann.open("/");
      await eventually(async () => server.core.counts.all().streams_page, 1);
      const page = await ann.open("/");
      await ask(page);
      await other.getByText("Another chat waits for your answer.").waitFor();
      await screenshot(other, "approval-elsewhere");
      const path = new URL(page.url()).pathname;
      await eventually(() => other.getByRole("link", { name: "Open it" }).getAttribute("href"), path);
      await eventually(() => page.textContent("#status"), "");
      await page.getByRole("button", { name: "Do not allow" }).click();
      await other.waitForSelector("#status:empty", { state: "attached" });
    },
    TIMEOUT_MS,
  );

  test(
    "stays told of in another chat where something is sent meanwhile",
    async () => {
      const ann = await person();
      const other = await ann.open("/");
      for (const answer of ["The first.", "The second."]) {
        upstream.script(reply(answer));
        await other.fill("#text", "Go on");
        await other.press("#text", "Enter");
        await other.getByText(answer).waitFor();
        await other.waitForSelector("button.send");
        if (answer === "The first.") await ask(await ann.open("/"));
        await other.bringToFront();
        await other.getByText("Another chat waits for your answer.").waitFor();
      }
      await other.getByRole("link", { name: "Open it" }).click();
      await other.getByRole("button", { name: "Do not allow" }).click();
      await other.waitForSelector("text=That is settled.");
    },
    TIMEOUT_MS,
  );

  test(
    "is told of on a page that was opened later, and hides that something is being written",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      await ask(page);
      await eventually(() => page.locator(".writing").isVisible(), false);
      const other = await ann.open("/");
      await other.getByText("Another chat waits for your answer.").waitFor();
      await other.getByRole("link", { name: "Open it" }).click();
      await other.getByRole("button", { name: "Do not allow" }).click();
      await other.waitForSelector("text=That is settled.");
      await eventually(() => other.textContent("#status"), "");
    },
    TIMEOUT_MS,
  );

  test(
    "can be stopped instead of answered",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      await ask(page);
      await page.click("button.stop");
      await page.waitForSelector("button.send");
      await eventually(() => page.locator(".question").count(), 0);
      expect(await page.textContent(".reply")).toContain("Stopped.");
    },
    TIMEOUT_MS,
  );

  test(
    "whose page is old says what became of it",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      await ask(page);
      const [turn, call] = await Promise.all(
        ["turn", "call"].map((name) => page.inputValue(`.question [name=${name}]`)),
      );
      // As if the live channel were late.
      await page.evaluate('document.querySelector("#live").remove()');
      const answer = { form: { turn: turn ?? "", call: call ?? "", approve: "no" }, maxRedirects: 0 };
      await ann.context.request.post(`${new URL(page.url()).pathname}/approve`, answer);
      await page.getByRole("button", { name: "Allow", exact: true }).click();
      await page.waitForSelector("text=answered already: it was not allowed");
    },
    TIMEOUT_MS,
  );

  test(
    "asks by a form where there is no script",
    async () => {
      const ann = await person("ann", { javaScriptEnabled: false, viewport: { width: 390, height: 844 } });
      const page = await ann.open("/");
      await ask(page);
      await eventually(() => page.locator("noscript").count(), 0);
      await screenshot(page, "approval-no-script");
      await page.getByRole("button", { name: "Allow", exact: true }).click();
      await page.waitForSelector("text=That is settled.");
    },
    TIMEOUT_MS,
  );

  test(
    "fits a phone at night",
    async () => {
      const ann = await person("ann", { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true });
      const page = await ann.open("/");
      await ask(page);
      const box = await page.getByRole("button", { name: "Do not allow" }).boundingBox();
      expect(box && box.x + box.width).toBeLessThan(390);
      await screenshot(page, "approval-phone-dark");
    },
    TIMEOUT_MS,
  );
});
