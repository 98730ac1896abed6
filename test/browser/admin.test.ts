/**
 * The administrators' page of plugins in a real browser: by day and night, on a phone, and without script.
 */

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { eventually, noBrowser, peopleOf, screenshot } from "../support/browser";
import { writePlugins } from "../support/plugin-files";
import { startServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";

const TIMEOUT_MS = 60_000;

const pluginsPath = join(temporaryFolder(), "plugins");
writePlugins(pluginsPath, {
  "tools/dice.ts": "/** Rolls a die. */ export function roll_die(sides: number): number { return sides; }",
  "functions/notes.ts": `export default {
    name: "notes",
    access: "user",
    provide: { limit: (_core, base) => ({ ...base }) },
    hooks: { preCall: () => undefined, postCall() {} },
    page: () => ({ handle: () => new Response("notes") }),
  };`,
  "functions/broken.ts": "export default { name: 5 };",
});
const server = await startServer({ config: { pluginsPath } });

const person = peopleOf(server.url);

describe.skipIf(noBrowser !== null)("the page of plugins", () => {
  test(
    "is one step from the chats for an administrator, and shows what is there and what is wrong",
    async () => {
      const ann = await person("ann");
      const page = await ann.open("/");
      await page.getByRole("link", { name: "Plugins" }).click();
      await page.waitForSelector("text=Who provides what");
      const faults = page.getByRole("region", { name: "Not in use" });
      expect(await faults.textContent()).toContain("functions/broken.ts");
      const row = page.getByRole("row", { name: /^notes/ });
      expect(await row.textContent()).toMatch(/limit.*preCall, postCall.*user/);
      expect(await page.getByRole("row", { name: /^dice/ }).textContent()).toContain("roll_die");
      await screenshot(page, "admin");
      writePlugins(pluginsPath, { "functions/broken.ts": 'export default { name: "mended" };' });
      await page.getByRole("button", { name: "Reload plugins" }).click();
      await page.waitForSelector("text=Every plugin is in use.");
      expect(new URL(page.url()).pathname).toBe("/_plugin/admin/");
      await eventually(() => page.getByRole("row", { name: /mended/ }).count(), 1);
      await page.getByRole("link", { name: "Chats" }).click();
      await page.waitForSelector("#composer");
    },
    TIMEOUT_MS,
  );

  test(
    "is neither offered nor shown to others",
    async () => {
      const bob = await person("bob");
      const page = await bob.open("/");
      await eventually(() => page.getByRole("link", { name: "Plugins" }).count(), 0);
      await page.goto("/_plugin/admin/");
      expect(await page.textContent("main")).toContain("Only an administrator");
    },
    TIMEOUT_MS,
  );

  test(
    "fits a phone at night, and needs no script",
    async () => {
      const options = { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true } as const;
      const ann = await person("ann", { ...options, javaScriptEnabled: false, locale: "de" });
      const page = await ann.open("/_plugin/admin/");
      await page.getByRole("button", { name: "Plugins neu laden" }).click();
      await page.waitForSelector("text=Wer was bereitstellt");
      const width = await page.locator("main").boundingBox();
      expect(width?.width).toBeLessThanOrEqual(390);
      await screenshot(page, "admin-phone-dark");
    },
    TIMEOUT_MS,
  );
});
