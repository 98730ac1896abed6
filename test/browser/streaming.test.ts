/**
 * A reply as it is written, in a real browser: what its last event shows is what a reload shows.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { eventually, markupOf, newPerson, noBrowser, screenshot } from "../support/browser";
import { SAMPLE } from "../support/chat-data";
import { ENDINGS } from "../support/endings";
import { createRandom } from "../support/random";
import { startServer } from "../support/server";
import { type Part, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });

const TEXT = `The roots of $ax^2 + bx + c = 0$ are[^1]

$$
x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}
$$

and \\(e^{i\\pi} + 1 = 0\\). It costs $5 and $10, says [Euler][e].

- one **bold _both_**
  - [x] two \`code\`

    \`\`\`py
    x = "<b>"  # *no*
    \`\`\`

${SAMPLE}

[^1]: By *Euler*.

[e]: https://example.com/euler
`;

/** Small pieces with pauses, so that the page changes many times within a word, a row or a fence. */
function pieces(text: string, seed: number): Part[] {
  const random = createRandom(seed);
  const parts: Part[] = [];
  for (let at = 0; at < text.length; ) {
    const length = random.integer(1, 12);
    parts.push(text.slice(at, at + length));
    at += length;
    if (random.chance(0.3)) parts.push({ pauseMs: 20 });
  }
  return parts;
}

describe.skipIf(noBrowser !== null)("a reply that is written", () => {
  test("ends as a reload shows it", async () => {
    const ann = await newPerson(server.url);
    const page = await ann.open("/");
    for (const seed of [1, 2]) {
      upstream.script({ parts: pieces(TEXT, seed) });
      await page.fill("#text", `Stream ${seed}`);
      await page.press("#text", "Enter");
      await page.waitForSelector(`.user >> text=Stream ${seed}`);
      await page.waitForSelector(".reply:last-child .footnotes", { timeout: 60_000 });
      await page.waitForSelector("button.send", { timeout: 60_000 });
    }
    await screenshot(page, "streaming-complete");
    const streamed = await markupOf(page, "#messages");
    await page.reload();
    expect(streamed).toBe(await markupOf(page, "#messages"));
    await eventually(() => page.locator(".reply math").count(), 6);
    await ann.context.close();
    expect(ann.complaints).toEqual([]);
  }, 90_000);

  test("says how it ended when that was no end, on the page that watched and on one that is loaded", async () => {
    const ann = await newPerson(server.url);
    for (const { what, answer, sentence, offered } of ENDINGS) {
      const page = await ann.open("/");
      upstream.script(answer);
      await page.fill("#text", what);
      await page.press("#text", "Enter");
      const foot = page.locator(".reply .message-foot");
      const shown = async () => [
        await foot.locator(".outcome span").allTextContents(),
        await foot.locator("button.quiet").allTextContents(),
      ];
      await eventually(shown, [[sentence], offered]);
      const seen = await markupOf(page, "#messages");
      await page.reload();
      expect(await markupOf(page, "#messages")).toBe(seen);
      await screenshot(page, `ended-${what}`);
      await page.close();
    }
    await ann.context.close();
    expect(ann.complaints).toEqual([]);
  }, 90_000);
});
