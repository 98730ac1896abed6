/**
 * The pictures of the README. `bun run screenshots` takes those in docs/screenshots anew; else they go to test/output, and this shows
 * that each of their states can be reached. Look at them before you commit them.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContextOptions, Page } from "playwright-core";
import { newPerson, noBrowser } from "../support/browser";
import { projectFolder } from "../support/project";
import { askForTool, converse, type Scene, setScene } from "../support/screenshot-scene";

const folder = join(projectFolder, process.env.SCREENSHOTS ?? "test/output/screenshots");
mkdirSync(folder, { recursive: true });

const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true } as const;

const take = (page: Page, name: string) => page.screenshot({ path: join(folder, `${name}.png`), caret: "initial" });

describe.skipIf(noBrowser !== null)("the pictures of the README", () => {
  let scene: Scene;
  afterAll(() => scene.upstream.stop());
  const open = async (path: string, options: BrowserContextOptions = {}) =>
    (await newPerson(scene.server.url, "ann", options)).open(path);

  test("show a chat, a question by night, a search, and the same on a phone", async () => {
    scene = await setScene();
    const desk = await open("/");
    await converse(desk, scene);
    await take(desk, "chat");
    const path = new URL(desk.url()).pathname;

    const phone = await open(path, PHONE);
    await phone.waitForSelector("time[title]");
    await take(phone, "phone");
    const pocket = await open(path, { ...PHONE, colorScheme: "dark" });
    await pocket.tap(".menu");
    await pocket.waitForSelector("#sidebar:popover-open");
    await take(pocket, "phone-list-dark");

    const night = await open(path, { colorScheme: "dark" });
    await askForTool(night, scene);
    await take(night, "approval-dark");
    await night.getByRole("button", { name: "Do not allow" }).click();
    await night.waitForSelector("button.send");

    const plain = await open(`${path}?q=index`, { javaScriptEnabled: false });
    expect(await plain.locator(".threads mark").count()).toBeGreaterThan(0);
    await take(plain, "search-no-script");
  }, 60_000);
});
