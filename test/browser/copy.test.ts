/**
 * What is copied, at the address of the machine itself and at a name of it over plain HTTP, where there is no clipboard but by
 * the event `copy`.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { eventually, noBrowser, type Person, PLAIN_HOST, peopleOf } from "../support/browser";
import { PASSWORD, startServer } from "../support/server";
import { gate, reply, startUpstream } from "../support/upstream";

if (noBrowser) console.warn(`Copying is not tested in a browser: ${noBrowser}.`);

const upstream = startUpstream({ models: ["small-a"] });
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const at = peopleOf(server.url);
const atName = peopleOf(`http://${PLAIN_HOST}:${new URL(server.url).port}`);

const TIMEOUT_MS = 60_000;

const ANSWER = `# Two things

Text **bold** with $x^2$ and
[a link](https://example.org/a).

- one

| a | b |
|---|---|
| 1 | 2 |

$$
\\frac{a}{b}
$$

\`\`\`python
let = 1
print(let)
\`\`\`

Done.`;

/** By the form: what is not the browser does not know the machine by its name. */
async function enter(who: Person): Promise<Page> {
  const page = await who.open("/");
  await page.fill("#username", "ann");
  await page.fill("#password", PASSWORD);
  await page.press("#password", "Enter");
  await page.waitForSelector(".welcome");
  return page;
}

async function converse(who: Person, answer = ANSWER): Promise<Page> {
  const page = await enter(who);
  upstream.script(reply(answer));
  await page.fill("#text", "A *question*\n\nof two lines");
  await page.click("#go");
  await page.waitForURL(/\/t\//);
  await page.waitForSelector("button.send");
  await page.waitForSelector(".reply .facts");
  return page;
}

/** What a program is given that takes text, and one that takes markup. Pages may not read it, but what is pasted into them. */
async function pasted(page: Page): Promise<{ text: string; markup: string }> {
  await page.evaluate(`addEventListener("paste", ({ clipboardData: it }) => {
    window.pasted = { text: it.getData("text/plain"), markup: it.getData("text/html") };
  }, { capture: true, once: true })`);
  await page.fill("#text", "");
  await page.press("#text", "Control+V");
  return page.evaluate("window.pasted") as Promise<{ text: string; markup: string }>;
}

const isSecure = (page: Page) => page.evaluate("isSecureContext") as Promise<boolean>;

describe.skipIf(noBrowser !== null)("what is copied", () => {
  test.each([
    ["the machine itself", at, true],
    ["its name over plain HTTP", atName, false],
  ] as const)(
    "at %s is the Markdown of a reply and its rendering, code as it is, and a formula as TeX",
    async (_, person, secure) => {
      const page = await converse(await person(null));
      expect(await isSecure(page)).toBe(secure);
      const copy = async (button: string) => {
        await page.click(button);
        await page.waitForSelector(`${button}.copied`);
        return pasted(page);
      };
      const whole = await copy(".reply .message-foot .copy");
      expect(whole.text.replaceAll("\r", "")).toBe(ANSWER);
      for (const part of [
        "<strong>bold</strong>",
        '<a href="https://example.org/a"',
        "<td>1</td>",
        "<mfrac>",
        "print(let)",
      ])
        expect(whole.markup).toContain(part);
      expect(whole.markup).not.toMatch(/<button|Download|annotation|class="(?!ql)|tabindex/);
      expect((await copy("figure .copy")).text.replaceAll("\r", "")).toBe("let = 1\nprint(let)");
      await page.hover(".user");
      expect((await copy(".user .message-foot .copy")).text.replaceAll("\r", "")).toBe("A *question*\n\nof two lines");
      await page.click(".reply p math");
      await eventually(() => page.textContent("#status"), "The formula is copied as TeX.");
      expect((await pasted(page)).text).toBe("x^2");
      await page.focus("div.formula");
      await page.keyboard.press("Enter");
      expect((await pasted(page)).text).toBe("\\frac{a}{b}");
    },
    TIMEOUT_MS,
  );

  test(
    "by hand has its formulas as TeX",
    async () => {
      const page = await converse(await atName(null));
      await page.evaluate("getSelection().selectAllChildren(document.querySelector('.part.text'))");
      await page.keyboard.press("Control+C");
      const { text, markup } = await pasted(page);
      expect(text.replaceAll("\r", "")).toContain("Text bold with $x^2$ and\na link.");
      expect(text).toContain("$$\\frac{a}{b}$$");
      expect(markup).toContain("<mfrac>");
    },
    TIMEOUT_MS,
  );

  test(
    "of a reply that is being written is what is there, on a screen that is touched too",
    async () => {
      const ann = await atName(null, { hasTouch: true });
      const page = await enter(ann);
      const [more, end] = [gate(), gate()];
      upstream.script({ parts: ["The **first** part", { wait: more.opened }, " and more", { wait: end.opened }, "."] });
      await page.fill("#text", "Go on");
      await page.click("#go");
      await page.waitForSelector(".reply >> text=first");
      const copied = async () => {
        await page.tap(".reply .message-foot .copy");
        await page.waitForSelector(".reply .copy.copied");
        return (await pasted(page)).text;
      };
      expect(await copied()).toBe("The **first** part");
      more.open();
      await page.waitForSelector(".reply >> text=and more");
      await page.waitForSelector(".reply .copy:not(.copied)");
      await eventually(copied, "The **first** part and more");
      end.open();
      await page.waitForSelector("button.send");
      await eventually(copied, "The **first** part and more.");
    },
    TIMEOUT_MS,
  );

  test(
    "of code can be wrapped, and saved under a name by its language",
    async () => {
      const page = await converse(await atName(null), `\`\`\`python\nprint("${"long ".repeat(200)}")\n\`\`\``);
      const width = () =>
        page.evaluate(
          "(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector('.code pre'))",
        );
      expect(await width()).toBe(true);
      await page.click(".code .wrap");
      expect(await page.getAttribute(".code .wrap", "aria-pressed")).toBe("true");
      expect(await width()).toBe(false);
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(".code .download")]);
      expect(download.suggestedFilename()).toBe("code.py");
      expect(readFileSync(await download.path(), "utf8")).toStartWith('print("long long ');
    },
    TIMEOUT_MS,
  );
});
