/**
 * What may shut people out: every page in light and dark by axe-core, touch targets, narrow and magnified pages, languages.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import axe from "axe-core";
import type { Page } from "playwright-core";
import type { Plugin } from "../../src/protocols";
import { eventually, noBrowser, peopleOf, screenshot } from "../support/browser";
import { SAMPLE } from "../support/chat-data";
import { PASSWORD, startServer } from "../support/server";
import { gate, httpError, reply, startUpstream, toolCall } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a", "small-b"] });
afterAll(() => upstream.stop());
const config = { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl };

const mailing: Plugin = {
  name: "mailing",
  tools: [
    {
      name: "send_mail",
      description: "Sends a mail.",
      parameters: Type.Object({ to: Type.String() }),
      approval: true,
      execute: async ({ to }: { to: string }) => `sent to ${to}`,
    },
  ],
};

const server = await startServer({ config, plugins: [mailing] });
const fresh = await startServer({ config, hasUsers: false, setupToken: "a-token-for-this-test" });
const TIMEOUT_MS = 180_000; // The longest takes about 15 s, and many times that on a busy machine.

const person = peopleOf(server.url);
const firstPerson = peopleOf(fresh.url);

/** The rules broken, each with the elements that break it. Of a look that differs in colours alone, those about colours are asked. */
async function violations(page: Page, look: "light" | "dark"): Promise<string[]> {
  await page.emulateMedia({ colorScheme: look, reducedMotion: "reduce" }); // No colour is on its way to another one.
  if (!(await page.evaluate("'axe' in globalThis"))) await page.evaluate(axe.source);
  const only = look === "light" ? {} : { runOnly: ["color-contrast", "link-in-text-block"] };
  const options = JSON.stringify({ resultTypes: ["violations"], ...only });
  const found = (await page.evaluate(`axe.run(document, ${options})`)) as axe.AxeResults;
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
}

/** In light and in dark. */
async function expectNone(page: Page, name: string): Promise<void> {
  for (const look of ["light", "dark"] as const) {
    expect({ name, look, violations: await violations(page, look) }).toEqual({ name, look, violations: [] });
    await screenshot(page, `${name}-${look}`);
  }
}

async function converse(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.click("#go");
  await page.waitForURL(/\/t\//);
  await page.waitForSelector("button.send");
}

const PHONE = { viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true } as const;

describe.skipIf(noBrowser !== null)("nobody is shut out", () => {
  test.each([
    ["on a screen", {}],
    ["on a phone", PHONE],
  ] as const)(
    "of any page %s, in light and in dark",
    async (_, look) => {
      const name = (state: string) => `access-${state}${"viewport" in look ? "-phone" : ""}`;
      const nobody = await person(null, look);
      const login = await nobody.open("/login");
      await login.fill("#username", "ann");
      await login.fill("#password", "wrong");
      await login.click(".primary");
      await login.waitForSelector("[role=alert]");
      await expectNone(login, name("login"));
      const founder = await firstPerson(null, look);
      await expectNone(await founder.open("/setup?token=a-token-for-this-test"), name("setup"));

      const ann = await person("ann", look);
      const page = await ann.open("/t/none");
      await expectNone(page, name("error"));
      await page.goto("/");
      await expectNone(page, name("new-chat"));
      // The levels of a model's headings are its own; these are in order.
      const sample = SAMPLE.replace("###", "#");
      upstream.script({ parts: [{ reasoning: "Let me see." }, ...reply(sample).parts] });
      await converse(page, "Show me everything");
      await page.locator(".thinking summary").click();
      await expectNone(page, name("chat"));
      upstream.script(httpError(503, "Overloaded."));
      await converse(page, "And fail");
      await page.waitForSelector(".outcome.failed");
      await page.setInputFiles("#files", { name: "one.txt", mimeType: "text/plain", buffer: Buffer.from("one") });
      await expectNone(page, name("failed"));
      await page.locator(".reply [popovertarget=message-menu]").last().click();
      await page.waitForSelector("#message-menu:popover-open button");
      await expectNone(page, name("menu"));
      await page.keyboard.press("Escape");
      await page.locator(".user [id$=-edit]").last().click();
      await page.waitForSelector(".edit");
      await expectNone(page, name("edit"));
      upstream.script({ parts: toolCall("send_mail", { to: "bob@example.com" }) }, reply("It is sent."));
      await page.fill("#text", "Tell Bob");
      await page.click("#go");
      await page.waitForSelector(".question");
      await expectNone(page, name("question"));
      await page.getByRole("button", { name: "Allow", exact: true }).click();
      await page.waitForSelector("text=It is sent.");
      await page.waitForSelector("button.send");
      await page.locator(".tool summary").last().click();
      await expectNone(page, name("tool"));
      if ("viewport" in look) await page.click(".menu");
      await page.click(".filter summary");
      await expectNone(page, name("filter"));
      await page.click(".filter summary");
      await page.hover(".thread");
      await page.locator(".thread .change").first().click();
      await page.waitForSelector(".thread-form");
      await expectNone(page, name("form"));
      await page.click(".thread-form [formaction$=archive]");
      await page.waitForSelector(".welcome");
      await page.goto("/?archived=true");
      if ("viewport" in look) await page.click(".menu");
      await page.locator(".thread .open").first().waitFor();
      await expectNone(page, name("archived"));
      await page.locator(".thread .open").first().click();
      await page.waitForSelector(".archived");
      await page.goto("/_plugin/admin/");
      await expectNone(page, name("admin"));
      await page.goto("/");
      await converse(page, "Find everything");
      if ("viewport" in look) await page.click(".menu");
      await page.locator(".search input").pressSequentially("everything");
      await page.waitForSelector(".threads mark");
      await expectNone(page, name("search"));
      await page.click(".account [popovertarget=keys]");
      await page.waitForSelector("#keys:popover-open");
      await expectNone(page, name("keys"));
    },
    TIMEOUT_MS,
  );

  test(
    "by small targets: on a phone every control is at least 44 px high, and nothing is cut off at 320 px",
    async () => {
      for (const width of [390, 320]) {
        const ann = await person("ann", { ...PHONE, viewport: { width, height: 640 } });
        const page = await ann.open("/");
        upstream.script(reply(SAMPLE));
        await converse(page, "Show me everything");
        // 640 px at 200 % zoom are the same 320 px.
        expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
        await screenshot(page, `access-${width}`);
        const small = `[...document.querySelectorAll("button, select, textarea, input:not([type=hidden]), .bar a, .sidebar a")]
          .filter((it) => it.checkVisibility() && it.getBoundingClientRect().height < 44 && it.id !== "text")
          .map((it) => it.outerHTML.slice(0, 120) + " " + it.getBoundingClientRect().height)`;
        expect(await page.evaluate(small)).toEqual([]);
        await page.click(".menu");
        await page.waitForSelector("#sidebar:popover-open");
        expect(await page.evaluate(small)).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "by noise: a reply is read out block by block, not while the last one changes",
    async () => {
      const ann = await person("ann");
      const page = await ann.open("/");
      const [more, end] = [gate(), gate()];
      upstream.script({ parts: ["First.\n\nSec", { wait: more.opened }, "ond.\n\nThi", { wait: end.opened }, "rd."] });
      await page.fill("#text", "Go");
      await page.click("#go");
      /** Of each paragraph, the nearest element that says whether its changes are read out. */
      const regions = () =>
        page.evaluate<string[]>(`[...document.querySelectorAll("#messages .reply p")]
          .map((it) => it.textContent + " " + it.closest("[role=log], [aria-live]").className)`);
      await eventually(regions, ["First. messages", "Sec tail"]);
      more.open();
      await eventually(regions, ["First. messages", "Second. messages", "Thi tail"]);
      end.open();
      await eventually(regions, ["First. messages", "Second. messages", "Third. messages"]);
      const { nodes } = await (await ann.context.newCDPSession(page)).send("Accessibility.getFullAXTree");
      const log = nodes.find(({ role }) => role?.value === "log");
      expect(log?.properties).toContainEqual(
        expect.objectContaining({ name: "live", value: { type: "token", value: "polite" } }),
      );
    },
    TIMEOUT_MS,
  );

  test(
    "by motion: who wants less of it sees none",
    async () => {
      const ann = await person("ann", { reducedMotion: "reduce" });
      const page = await ann.open("/");
      upstream.script({ parts: ["Writing ", { wait: new Promise(() => {}) }] });
      await page.fill("#text", "Go");
      await page.click("#go");
      await page.waitForSelector(".writing");
      expect(await page.evaluate("document.getAnimations().length")).toBe(0);
      await page.click("button.stop");
    },
    TIMEOUT_MS,
  );

  test(
    "by language: the page is German for who asks for it, its dates are the browser's, and Arabic runs from the right",
    async () => {
      const ann = await person("ann", { locale: "de-DE", timezoneId: "Europe/Berlin" });
      const page = await ann.open("/");
      await eventually(() => page.textContent(".welcome h2"), "Was beschäftigt dich?");
      upstream.script(reply("مرحبا بالعالم"));
      await converse(page, "Grüß dich");
      await page.waitForSelector(".message-foot time[title]");
      const iso = (await page.getAttribute(".message-foot time", "datetime")) ?? "";
      const shown = new Intl.DateTimeFormat("de-DE", {
        dateStyle: "medium",
        timeStyle: "short",
        timeZone: "Europe/Berlin",
      }).format(new Date(iso));
      await eventually(() => page.locator(".reply .message-foot time").textContent(), shown);
      expect(await page.evaluate("getComputedStyle(document.querySelector('.reply .part')).direction")).toBe("rtl");
      await screenshot(page, "access-german");
    },
    TIMEOUT_MS,
  );

  test(
    "by a language that is not theirs on the way in: sign-in speaks German, too",
    async () => {
      const nobody = await person(null, { locale: "de-DE" });
      const page = await nobody.open("/");
      await page.fill("#username", "ann");
      await page.fill("#password", PASSWORD);
      await page.click("text=Anmelden >> nth=-1");
      await page.waitForSelector("text=Neuer Chat");
    },
    TIMEOUT_MS,
  );
});
