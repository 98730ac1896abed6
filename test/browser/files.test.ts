/**
 * Files on the page: attached in every way there is, told what of them can be read, taken off, sent, and looked at.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { eventually, noBrowser, peopleOf, screenshot } from "../support/browser";
import { PIXEL } from "../support/pixel";
import { startServer } from "../support/server";
import { reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
afterAll(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const TIMEOUT_MS = 60_000;
const DOCUMENTS = join(import.meta.dir, "../documents/files");

const person = peopleOf(server.url);

const names = (page: Page) => page.locator(".chip .name").allTextContents();
const textFile = (name: string, text: string) => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) });

/** Pastes or drops what is given: text, and files by name. */
function give(page: Page, type: "paste" | "drop", text: string, files: Record<string, string> = {}, target = "#text") {
  return page.evaluate(`(() => {
    const data = new DataTransfer();
    if (${JSON.stringify(text)}) data.setData("text/plain", ${JSON.stringify(text)});
    for (const [name, text] of Object.entries(${JSON.stringify(files)})) data.items.add(new File([text], name));
    const [Kind, key] = "${type}" === "paste" ? [ClipboardEvent, "clipboardData"] : [DragEvent, "dataTransfer"];
    const event = new Kind("${type}", { [key]: data, bubbles: true, cancelable: true });
    return !document.querySelector("${target}").dispatchEvent(event);
  })()`);
}

async function say(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

describe.skipIf(noBrowser !== null)("files", () => {
  test(
    "come by choice, by paste and dropped anywhere, go one by one, and are sent once",
    async () => {
      const page = await (await person()).open("/");
      await page.setInputFiles("#files", [textFile("one.txt", "one"), textFile("two.py", "two")]);
      expect(await give(page, "paste", "", { "three.txt": "three" })).toBe(true);
      expect(await give(page, "drop", "", { "four.txt": "four" }, ".bar")).toBe(true);
      await eventually(() => names(page), ["one.txt", "two.py", "three.txt", "four.txt"]);
      await page.getByRole("button", { name: "Remove “three.txt”" }).click();
      await eventually(() => names(page), ["one.txt", "two.py", "four.txt"]);
      await eventually(() => server.core.store.count("ann", "files"), 3);
      upstream.script(reply("Three files."));
      await say(page, "Look at these");
      await page.waitForSelector("text=Three files.");
      await eventually(() => page.locator(".user .files .name").allTextContents(), ["one.txt", "two.py", "four.txt"]);
      await eventually(() => names(page), []);
      const sent = JSON.stringify(upstream.requests.at(-1)?.body.messages);
      for (const text of ["one", "two", "four"]) expect(sent).toContain(`:\\n${text}`);
      upstream.script(reply("None."));
      await say(page, "And now");
      await page.waitForSelector("text=None.");
      await eventually(() => page.locator(".user .files a").count(), 3);
    },
    TIMEOUT_MS,
  );

  test(
    "say at once what of them a model can read, and may go without a word beside them",
    async () => {
      const page = await (await person()).open("/");
      const files = ["latex.pdf", "encrypted.pdf", "libreoffice.xlsx", "old.doc"];
      await page.setInputFiles(
        "#files",
        files.map((name) => join(DOCUMENTS, name)),
      );
      await page.setInputFiles("#files", { name: "a.bin", mimeType: "", buffer: Buffer.from([0, 1, 2, 3]) });
      await eventually(
        () => page.locator(".chip .report").allTextContents(),
        [
          "3 pages, about 63 tokens; 1 page has no text",
          "needs a password: the model cannot read it",
          "1 sheet, about 41 tokens",
          "an old Office format: save it as DOCX, XLSX or PPTX, then the model can read it",
          "the model cannot read this kind of file",
        ],
      );
      await screenshot(page, "chips");
      upstream.script(reply("I see."));
      await page.click("#go");
      await page.waitForSelector("text=I see.");
      expect(JSON.stringify(upstream.requests.at(-1)?.body.messages)).toContain("Efficient findings of flows.");
    },
    TIMEOUT_MS,
  );

  test(
    "a text with a picture of it, as office programs copy, is a text; a picture alone is a file",
    async () => {
      const page = await (await person()).open("/");
      expect(await give(page, "paste", "a\tb", { "image.png": "x" })).toBe(false);
      expect(await give(page, "paste", "", { "image.png": "x" })).toBe(true);
      await eventually(() => names(page), ["image.png"]);
    },
    TIMEOUT_MS,
  );

  test(
    "a long paste becomes a file, and the message again when that is wanted; a message that is too long becomes one too",
    async () => {
      const page = await (await person()).open("/");
      const long = "some words ".repeat(800);
      expect(await give(page, "paste", "x".repeat(8000))).toBe(false);
      expect(await give(page, "paste", long)).toBe(true);
      await eventually(() => names(page), ["pasted.txt"]);
      await page.fill("#text", "Before: ");
      await page.getByRole("button", { name: "Put it into the message" }).click();
      await eventually(() => page.inputValue("#text"), `Before: ${long}`);
      await eventually(() => names(page), []);

      await say(page, "long ".repeat(20_001));
      await page.waitForSelector("text=is attached as a file");
      await eventually(() => names(page), ["pasted.txt"]);
      upstream.script(reply("It is long."));
      await say(page, "How long is it?");
      await page.waitForSelector("text=It is long.");
    },
    TIMEOUT_MS,
  );

  test(
    "a send waits for what is still on its way",
    async () => {
      const page = await (await person()).open("/");
      const { promise, resolve } = Promise.withResolvers<void>();
      await page.route("**/files", async (route) => {
        await promise;
        await route.continue();
      });
      await page.setInputFiles("#files", textFile("slow.txt", "slow words"));
      await say(page, "Read it");
      await page.waitForSelector(".composer.uploading");
      expect(new URL(page.url()).pathname).toBe("/");
      upstream.script(reply("Read."));
      resolve();
      await page.waitForSelector("text=Read.");
      expect(JSON.stringify(upstream.requests.at(-1)?.body.messages)).toContain("slow words");
    },
    TIMEOUT_MS,
  );

  test(
    "pictures are shown small where they are attached and sent, and large when they are clicked",
    async () => {
      const page = await (await person()).open("/");
      const picture = await new Bun.Image(PIXEL).resize(1200, 800).png().bytes();
      await page.setInputFiles("#files", { name: "plot.png", mimeType: "image/png", buffer: Buffer.from(picture) });
      await page.waitForSelector(".chip img");
      await screenshot(page, "chip-picture");
      upstream.script(reply("A plot."));
      await say(page, "What is it?");
      await page.waitForSelector("text=A plot.");
      const shown = page.locator(".user .picture img");
      await eventually(() => shown.evaluate((it: { naturalWidth: number }) => it.naturalWidth), 640);
      await shown.click();
      const large = page.locator("#viewer[open] img");
      await eventually(() => large.evaluate((it: { naturalWidth: number }) => it.naturalWidth), 1200);
      await screenshot(page, "viewer");
      await page.keyboard.press("Escape");
      await eventually(() => page.locator("#viewer[open]").count(), 0);
      // A file that only says it is a picture is none.
      await page.setInputFiles("#files", { name: "not.png", mimeType: "image/png", buffer: Buffer.from("<svg>") });
      await page.waitForSelector(".chip >> text=not.png");
      expect(await page.locator(".chip img").count()).toBe(0);
      const heic = Buffer.from("\0\0\0\x18ftypheic\0\0\0\0", "latin1");
      await page.setInputFiles("#files", { name: "photo.heic", mimeType: "image/heic", buffer: heic });
      await page.waitForSelector("#status >> text=HEIC");
    },
    TIMEOUT_MS,
  );
});
