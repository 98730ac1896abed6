/**
 * A chat of 2,000 messages: opened, read to its beginning, and written in while all of it is on the page.
 */

import { afterAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import type { Message } from "../../src/protocols";
import { eventually, newPerson, noBrowser, screenshot } from "../support/browser";
import { startServer } from "../support/server";
import { gate, reply, startUpstream } from "../support/upstream";

const MESSAGES = 2000;
const TIMEOUT_MS = 180_000;
/** Half of the frames may take so many times what they take in a short chat on the same machine, and one frame more. */
const [TIMES, FRAME_MS] = [2, 17];

const upstream = startUpstream({ models: ["small-a"] });
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });

async function longThread(): Promise<string> {
  const { id } = await server.core.thread.create("ann", { title: "Long" });
  let parentId: string | null = null;
  for (let index = 0; index < MESSAGES; index++) {
    const role = index % 2 === 0 ? ("user" as const) : ("assistant" as const);
    const content =
      role === "user" ? `Question ${index}` : `Answer **${index}**\n\n- a\n- b\n\n\`\`\`js\nlet x = ${index};\n\`\`\``;
    const said = { role, type: "text" as const, content, turnId: "none", step: 0, parentId };
    const message: Message = await server.core.thread.append("ann", id, said);
    parentId = message.id;
  }
  return id;
}

const MEDIAN_FRAME = `new Promise((resolve) => {
  const times = [];
  const frame = (time) => {
    times.push(time);
    if (times.length <= 60) return requestAnimationFrame(frame);
    const lengths = times.slice(1).map((time, index) => time - times[index]).sort((a, b) => a - b);
    resolve(lengths[30]);
  };
  requestAnimationFrame(frame);
})`;

/** Milliseconds of a frame while a reply is written, which is left to end. */
async function medianFrame(page: Page): Promise<number> {
  const end = gate();
  const words = Array.from({ length: 100 }, (_, index) => [`word ${index} `, { pauseMs: 10 }]).flat();
  upstream.script({ parts: [...words, { wait: end.opened }, ...reply(" the end").parts] });
  await page.fill("#text", "And now?");
  await page.press("#text", "Enter");
  await page.waitForSelector(".reply >> text=word 1");
  const median = (await page.evaluate(MEDIAN_FRAME)) as number;
  end.open();
  await page.waitForSelector(".reply >> text=the end");
  await page.waitForSelector("button.send");
  return median;
}

describe.skipIf(noBrowser !== null)(`a chat of ${MESSAGES} messages`, () => {
  test(
    "opens at its end, is read to its beginning with nothing lost or doubled, and stays smooth while a reply is written",
    async () => {
      const path = `/t/${await longThread()}`;
      const ann = await newPerson(server.url);
      ann.context.setDefaultTimeout(30_000);
      const page = await ann.open(path);
      await page.waitForSelector(`text=Question ${MESSAGES - 2}`);
      const earlier = page.locator(".earlier");
      while ((await earlier.count()) > 0) {
        const count = await page.locator(".message").count();
        await page.evaluate("document.getElementById('scroll').scrollTop = 0");
        await page.waitForSelector(`.message >> nth=${count}`, { state: "attached" });
      }
      const asked = await page.locator(".user .bubble").allTextContents();
      expect(asked).toEqual(Array.from({ length: MESSAGES / 2 }, (_, index) => `Question ${2 * index}`));
      await eventually(() => page.locator(".reply").count(), MESSAGES / 2);
      await screenshot(page, "long-beginning");

      const long = await medianFrame(page);
      await eventually(() => page.locator(".message").count(), MESSAGES + 2);
      await page.goto("/");
      expect(long).toBeLessThan(TIMES * (await medianFrame(page)) + FRAME_MS);
      expect(ann.complaints).toEqual([]);
      await ann.context.close();
    },
    TIMEOUT_MS,
  );
});
