/**
 * A chat as it is read: from right to left, on paper, and where a search led.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { extractText, getDocumentProxy } from "unpdf";
import { eventually, noBrowser, peopleOf, screenshot } from "../support/browser";
import { projectFolder } from "../support/project";
import { startServer } from "../support/server";
import { startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const person = peopleOf(server.url);
const TIMEOUT_MS = 60_000;

/** A chat of ann's; questions and replies in turn. */
async function chat(title: string, texts: readonly string[]): Promise<{ path: string; ids: string[] }> {
  const thread = await server.core.thread.create("ann", { title });
  const ids: string[] = [];
  for (const [index, content] of texts.entries()) {
    const role = index % 2 === 0 ? ("user" as const) : ("assistant" as const);
    const said = { role, type: "text" as const, content, turnId: "none", step: 0, parentId: ids.at(-1) ?? null };
    ids.push((await server.core.thread.append("ann", thread.id, said)).id);
  }
  return { path: `/t/${thread.id}`, ids };
}

/** How far an element is from the sides of another around it. */
function gaps(page: Page, inner: string, outer: string): Promise<{ left: number; right: number }> {
  return page.evaluate(`(() => {
    const inner = document.querySelector(${JSON.stringify(inner)}).getBoundingClientRect();
    const outer = document.querySelector(${JSON.stringify(outer)}).getBoundingClientRect();
    return { left: Math.round(inner.left - outer.left), right: Math.round(outer.right - inner.right) };
  })()`);
}

const HEBREW = "מה שלומך? code היום";
const MIXED = `${HEBREW}

An English paragraph.

- ראשון
- שני

> ציטוט

| שם | ערך |
|---|---|
| א | 1 |

\`\`\`js
const שם = 1; // הערה
\`\`\``;

describe.skipIf(noBrowser !== null)("a chat", () => {
  test(
    "stands on the right side, whichever way it is written",
    async () => {
      const { path } = await chat(HEBREW, [HEBREW, MIXED, "A question from left to right", "A reply."]);
      const ann = await person();
      const page = await ann.open(path);
      for (const bubble of [".message:nth-child(1) .bubble", ".message:nth-child(3) .bubble"]) {
        const { left, right } = await gaps(page, bubble, ".message:nth-child(1)");
        expect(right).toBe(0);
        expect(left).toBeGreaterThan(100);
      }
      const directions = await page.evaluate(
        `[".bubble", ".parts ul", ".parts blockquote", ".parts .table", ".parts pre", "#title input", ".thread .name"].map(
          (it) => getComputedStyle(document.querySelector(it)).direction)`,
      );
      expect(directions).toEqual(["rtl", "rtl", "rtl", "rtl", "ltr", "rtl", "rtl"]);
      expect(
        await page.evaluate(`getComputedStyle(document.querySelector(".parts blockquote")).borderRightWidth`),
      ).toBe("3px");
      // The text of each paragraph begins on its own side.
      const sides = await page.evaluate(`[...document.querySelectorAll(".message:nth-child(2) .text > p")].map((it) => {
        const range = new Range();
        range.selectNodeContents(it);
        const [text, box] = [range.getBoundingClientRect(), it.getBoundingClientRect()];
        return text.left - box.left < 1 ? "left" : box.right - text.right < 1 ? "right" : "between";
      })`);
      expect(sides).toEqual(["right", "left"]);
      await screenshot(page, "right-to-left");
    },
    TIMEOUT_MS,
  );

  test(
    "goes to paper whole: earlier messages are loaded, and nothing but the chat is there",
    async () => {
      const texts = Array.from(
        { length: 120 },
        (_, index) => `number ${index}. See [this](https://example.com/${index})`,
      );
      texts[3] += "\n\n```js\nlet code;\n```";
      texts[1] += " or https://example.com/plain itself";
      const { path } = await chat("On paper", texts);
      const ann = await person("ann", { colorScheme: "dark" });
      await ann.context.addInitScript("window.print = () => { window.printed = true }");
      const page = await ann.open(path);
      const text = async () => {
        const bytes = await page.pdf({ format: "A4" });
        mkdirSync(join(projectFolder, "test/output"), { recursive: true });
        writeFileSync(join(projectFolder, "test/output/printed.pdf"), bytes);
        return (await extractText(await getDocumentProxy(new Uint8Array(bytes)), { mergePages: true })).text;
      };
      const unasked = await text();
      expect(unasked).toContain("There are more messages here, which are not printed.");
      expect(unasked).toContain("number 119.");
      await page.keyboard.press("Control+p");
      await page.waitForFunction("window.printed");
      const printed = (await text()).replace(/\s+/g, " ");
      const numbers = [...printed.matchAll(/number (\d+)\./g)].map(([, number]) => Number(number));
      expect(numbers).toEqual(texts.map((_, index) => index));
      expect(printed).toContain("(https://example.com/1)");
      expect(printed).toContain("or https://example.com/plain itself");
      expect(printed).toContain("On paper");
      for (const absent of ["New chat", "Copy", "Download", "not printed", "Message…", "Sign out", "Regenerate"])
        expect(printed).not.toContain(absent);
      await page.emulateMedia({ media: "print" });
      expect(await page.evaluate("getComputedStyle(document.body).color")).toBe("rgb(27, 28, 32)");
    },
    TIMEOUT_MS,
  );

  test(
    "opens where a search found something, with the words marked",
    async () => {
      const filler = Array.from({ length: 60 }, (_, index) => `Paragraph ${index}.`).join("\n\n");
      const texts = Array.from({ length: 60 }, (_, index) => `number ${index}.`);
      texts[21] = `${filler}\n\nThe **eﬃ**cient שָׁלוֹם of Straße, effi\u00adcient.\n\n${filler}`;
      const { ids } = await chat("Found", texts);
      const ann = await person();
      const page = await ann.open("/");
      await page.fill("#search input", "efficient strasse שלום");
      await page.click("#threads .open:has(mark)");
      await page.waitForURL(`**?at=${ids[21]}&mark=*#m-${ids[21]}`);
      const marked = () => page.evaluate(`[...(CSS.highlights.get("found") ?? [])].map(String)`);
      await eventually(marked, ["eﬃcient", "effi\u00adcient", "Straße", "שָׁלוֹם"]);
      const place = () =>
        page.evaluate(`(() => {
          const { top, bottom } = [...CSS.highlights.get("found")][0].getBoundingClientRect();
          return top > 0 && bottom < innerHeight;
        })()`);
      await eventually(place, true);
      await screenshot(page, "search-marked");
      // Without script its message is where the address leads.
      const bare = await person("ann", { javaScriptEnabled: false });
      const plain = await bare.open(`/?q=${encodeURIComponent("efficient")}`);
      await plain.click("#threads .thread .open");
      await eventually(async () => ((await plain.locator(`#m-${ids[21]}`).boundingBox())?.y ?? -1) >= 0, true);
    },
    TIMEOUT_MS,
  );
});
