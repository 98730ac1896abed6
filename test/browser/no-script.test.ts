/**
 * The page without JavaScript: a browser that has it switched off, and browsers of text.
 */

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { eventually, newPerson, noBrowser, type Person, screenshot } from "../support/browser";
import { ENDINGS } from "../support/endings";
import { PASSWORD, startServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";
import { gate, reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const TIMEOUT_MS = 60_000;

const people: Person[] = [];
const person = async (username: string | null = "ann") => {
  const someone = await newPerson(server.url, username, { javaScriptEnabled: false });
  people.push(someone);
  return someone;
};

afterEach(async () => {
  for (const someone of people.splice(0)) await someone.context.close();
});

describe.skipIf(noBrowser !== null)("without script", () => {
  test(
    "a reply is written into the page, block by block, and Stop is Send when it is complete",
    async () => {
      const ann = await person(null);
      const page = await ann.open("/");
      await page.fill("#username", "ann");
      await page.fill("#password", PASSWORD);
      await page.click("form button");
      const [half, end] = [gate(), gate()];
      upstream.script({
        parts: [
          { reasoning: "Let me *see*.\n\n" },
          "# Half\n\nis **here**.\n\n",
          { wait: half.opened },
          "And more.\n\n",
          { wait: end.opened },
          "Whole.",
        ],
      });
      await page.fill("#text", "Without script");
      await page.click("#go", { noWaitAfter: true });
      await page.waitForURL(/\?stream=1$/, { waitUntil: "commit" });
      await page.waitForSelector(".reply strong >> text=here");
      await eventually(() => page.locator(".thinking em").textContent(), "see");
      await page.fill("#text", "typed meanwhile");
      half.open();
      await page.waitForSelector(".reply >> text=And more.");
      await eventually(() => page.locator(".go.stop").isVisible(), true);
      await screenshot(page, "no-script-streaming");
      end.open();
      await page.waitForSelector(".reply >> text=Whole.");
      await page.waitForSelector(".go.send:visible");
      await eventually(() => page.locator(".go:visible").count(), 1);
      await eventually(() => page.inputValue("#text"), "typed meanwhile");
      await page.waitForSelector(".message-foot .facts");
      await eventually(() => page.locator(".writing").count(), 0);
      await screenshot(page, "no-script");
      upstream.script(reply("Heard."));
      await page.click(".go.send:visible", { noWaitAfter: true });
      await page.waitForSelector(".reply >> text=Heard.");
      await eventually(() => page.locator(".user .bubble").allTextContents(), ["Without script", "typed meanwhile"]);
    },
    TIMEOUT_MS,
  );

  test(
    "a reply that did not come to its end says so where it is written, and on a page that is loaded",
    async () => {
      const ann = await person();
      for (const { what, answer, sentence, offered } of ENDINGS) {
        const page = await ann.open("/");
        upstream.script(answer);
        await page.fill("#text", what);
        await page.click("#go", { noWaitAfter: true });
        await page.waitForURL(/\?stream=1$/, { waitUntil: "commit" });
        const shown = async () => [
          await page.locator(".reply .outcome span:visible").allTextContents(),
          await page.locator(".reply .message-foot button.quiet:visible").allTextContents(),
        ];
        await eventually(shown, [[sentence], offered]);
        await page.goto(new URL(page.url()).pathname);
        expect(await shown()).toEqual([[sentence], [...offered]]);
        await page.close();
      }
    },
    TIMEOUT_MS,
  );

  test(
    "a link whose address comes last, and a footnote, are there when the reply is complete",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      const end = gate();
      const parts = ["See [the page][p] and a note[^1].\n\nMore.\n\n", { wait: end.opened }];
      upstream.script({ parts: [...parts, "[p]: https://example.com/\n\n[^1]: Noted.\n"] });
      await page.fill("#text", "Refer");
      await page.click("#go", { noWaitAfter: true });
      await page.waitForSelector(".reply >> text=[the page][p]");
      end.open();
      await page.waitForSelector(".reply a[href='https://example.com/']");
      await page.waitForSelector(".reply .footnotes >> text=Noted.");
      await eventually(() => page.locator(".reply p:visible >> text=More.").count(), 1);
      await screenshot(page, "no-script-late");
      const shown = await page.locator(".reply .whole").textContent();
      await page.goto(new URL(page.url()).pathname);
      await eventually(() => page.locator(".reply .text").textContent(), shown);
    },
    TIMEOUT_MS,
  );

  test(
    "a reply is stopped, a file is sent, and chats are found",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      upstream.script({ parts: ["Again\n\n", { wait: new Promise(() => {}) }] });
      await page.fill("#text", "A long story");
      await page.setInputFiles("#files", { name: "plot.txt", mimeType: "text/plain", buffer: Buffer.from("plot") });
      await page.click("#go", { noWaitAfter: true });
      await page.waitForSelector(".reply >> text=Again");
      await eventually(() => page.locator(".user .files .name").textContent(), "plot.txt");
      await page.click(".go.stop", { noWaitAfter: true });
      await page.waitForSelector("text=Stopped.");
      await page.fill(".search input", "story");
      await page.press(".search input", "Enter");
      await page.waitForSelector(".threads mark");
    },
    TIMEOUT_MS,
  );

  test(
    "who comes back while a reply is written is led to the page that it is written into, unless a draft would be lost",
    async () => {
      const ann = await person();
      const page = await ann.open("/");
      const end = gate();
      upstream.script({ parts: ["Slow\n\n", { wait: end.opened }, "end."] });
      await page.fill("#text", "Slowly");
      await page.click("#go", { noWaitAfter: true });
      await page.waitForSelector(".reply >> text=Slow");
      const path = new URL(page.url()).pathname;
      const other = await ann.context.newPage();
      await other.goto(path, { waitUntil: "commit" });
      await other.waitForURL(/\?stream=1$/, { waitUntil: "commit" });
      await other.waitForSelector(".reply >> text=Slow");
      const refused = await ann.context.request.post(`${path}/messages`, {
        form: { content: "Too early" },
        headers: { accept: "text/html" },
      });
      expect(refused.status()).toBe(409);
      const markup = await refused.text();
      expect(markup).toContain(">Too early</textarea>");
      expect(markup).not.toContain("refresh");
      end.open();
      await other.waitForSelector("text=end.");
    },
    TIMEOUT_MS,
  );
});

describe.skipIf(noBrowser !== null)("a session that ends without script", () => {
  /** A chat in which "First" was answered. */
  const answered = async () => {
    const ann = await person();
    const page = await ann.open("/");
    upstream.script(reply("Hello."));
    await page.fill("#text", "First");
    await page.click("#go");
    await page.waitForSelector(".reply >> text=Hello.");
    return { ann, page };
  };
  const signIn = async (page: Page, password = PASSWORD) => {
    await page.fill("#username", "ann");
    await page.fill("#password", password);
    await page.click(".primary");
  };

  test(
    "keeps the text of a message, and shows it in its chat after sign-in",
    async () => {
      const { ann, page } = await answered();
      const typed = '{"not": ["lost"]}\n<b>ß</b>';
      await ann.context.clearCookies();
      await page.fill("#text", typed);
      await page.setInputFiles("#files", { name: "one.txt", mimeType: "text/plain", buffer: Buffer.from("one") });
      await page.click(".go.send:visible");
      await page.waitForSelector("text=Your session has ended.");
      expect(await page.textContent("[role=alert]")).toContain("attach them again");
      await screenshot(page, "no-script-expired");
      await signIn(page, "wrong");
      await page.waitForSelector("text=Wrong user name or password.");
      await signIn(page);
      await eventually(() => page.inputValue("#text"), typed);
      await eventually(() => page.locator(".user .bubble").textContent(), "First");
      upstream.script(reply("Found again."));
      await page.click(".go.send:visible");
      await page.waitForSelector(".reply >> text=Found again.");
      await eventually(() => page.locator(".user .bubble").nth(1).textContent(), typed);
    },
    TIMEOUT_MS,
  );

  test(
    "keeps the text of an edited message",
    async () => {
      const { ann, page } = await answered();
      await page.click("[aria-label='Edit your message']");
      await ann.context.clearCookies();
      await page.fill(".edit textarea", "Better");
      await page.click(".edit .send");
      await signIn(page);
      await eventually(() => page.inputValue(".edit textarea"), "Better");
    },
    TIMEOUT_MS,
  );
});

for (const [browser, args] of [
  ["w3m", ["-dump", "-cols", "90"]],
  ["lynx", ["-dump", "-nolist", "-width=90"]],
] as const) {
  describe.skipIf(Bun.which(browser) === null)(`in ${browser}`, () => {
    test("the page can be read and every button has a name", async () => {
      const ann = await server.signIn("ann");
      upstream.script(reply("A **plain** reply.\n\n- one\n- two\n"));
      const sent = await ann.post("/api/v1/message", { content: "Read me" });
      await sent.text();
      const [thread] = await ann.json<{ id: string }[]>("/api/v1/threads?limit=1");
      const markup = await (await ann.fetch(`/t/${thread?.id}`, { headers: { accept: "text/html" } })).text();
      const file = join(temporaryFolder(), "page.html");
      writeFileSync(file, markup);
      const { stdout } = Bun.spawnSync([browser, ...args, file]);
      const text = stdout.toString();
      expect(text).toContain("Read me");
      expect(text).toContain("A plain reply.");
      expect(text).toMatch(/[*+•·o] *one/);
      for (const name of ["Send", "Archive this chat", "Sign out", "New chat"]) expect(text).toContain(name);
    });
  });
}
