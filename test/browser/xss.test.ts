/**
 * Nothing that people, models, tools, files or plugins write runs as a script: asserted in a browser, with the policy and without.
 */

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import type { Page } from "playwright-core";
import { fragments, pages } from "../../src/contracts/views/fragments";
import type { Html, Plugin, Turn } from "../../src/protocols";
import { html, raw } from "../../views/html";
import { openMarkdown } from "../../views/markdown";
import { en } from "../../views/words/en";
import { eventually, newPerson, noBrowser, type Person } from "../support/browser";
import { testViews } from "../support/chat-data";
import { PAYLOADS } from "../support/payloads";
import { startServer } from "../support/server";
import { startUpstream, toolCall } from "../support/upstream";

const TIMEOUT_MS = 120_000;
const views = testViews();

const upstream = startUpstream({ models: ["small-a"] });
const bare = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: bareDocument });
afterAll(() => Promise.all([upstream.stop(), bare.stop(true)]));

const hostile: Plugin = {
  name: "hostile",
  tools: [
    {
      name: "shout",
      description: "Says all of it.",
      parameters: Type.Object({ fails: Type.Boolean() }),
      async *execute({ fails }: { fails: boolean }, turn: Turn) {
        for (const payload of PAYLOADS) {
          turn.notify(payload);
          yield payload;
        }
        if (fails) throw new Error(PAYLOADS.join("\n"));
        return PAYLOADS.join("\n");
      },
    },
  ],
};
const server = await startServer({
  config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl },
  plugins: [hostile],
});
const { core } = server;

let ann: Person | null = null;
afterEach(async () => {
  const complaints = ann?.complaints ?? [];
  await ann?.context.close();
  ann = null;
  // Whatever the policy had to refuse is told here.
  expect(complaints).toEqual([]);
});

/** Counts what runs, in every document before anything of it. */
const COUNT = `globalThis.hits = 0; globalThis.hit = () => { globalThis.hits++; };
for (const name of ["alert", "confirm", "prompt", "print"]) globalThis[name] = globalThis.hit;`;

/** What a browser makes of it in the value of a field of one line. */
function asValue(payload: string): string {
  return payload.replace(/[\r\n]/g, "").replaceAll("\0", "\uFFFD");
}

async function open(path: string): Promise<Page> {
  ann ??= await newPerson(server.url);
  await ann.context.addInitScript(COUNT);
  return ann.open(path);
}

/** Goes over everything as a person may, and looks for what would run: events, and addresses that are code. */
const PROVOKE = `(() => {
  const found = [];
  for (const element of document.querySelectorAll("*")) {
    for (const name of ["mouseover", "pointerenter", "focus", "focusin", "error", "load", "toggle", "animationstart", "begin"])
      element.dispatchEvent(new Event(name));
    for (const { name, value } of element.attributes) {
      if (/^(?:data-)?on|^(?:data-)?hx-on|^srcdoc$|^style$/i.test(name)) found.push(element.outerHTML.slice(0, 200));
      if (/^[^a-z]*(?:javascript|data|vbscript|blob|livescript|feed|view-source):/i.test(value) && name !== "value" && name !== "placeholder" && name !== "title" && name !== "download" && name !== "aria-label") found.push(element.outerHTML.slice(0, 200));
    }
  }
  return found;
})()`;

async function expectNothingRan(page: Page): Promise<void> {
  expect(await page.evaluate(PROVOKE)).toEqual([]);
  // Pictures are the page's own: of attached files, and of the one that is looked at.
  const foreign =
    'script:not([src]), iframe, object, embed, base, style, video, audio, img:not(#viewer img, [src^="/files/"])';
  expect(await page.locator(foreign).count()).toBe(0);
  expect(await page.evaluate("globalThis.hits")).toBe(0);
}

/** Whole fragments with a payload in every field, and the payload as Markdown, alone and while it is written. */
function bareDocument(request: Request): Response {
  const from = Number(new URL(request.url).searchParams.get("from"));
  const parts = PAYLOADS.slice(from, from + GROUP).flatMap((payload) => [
    views.markdown(payload, en),
    ...[0.3, 0.6, 0.9].map((share) => openMarkdown(payload.slice(0, payload.length * share), en).tail),
    ...fragments(views, en, payload).map(([, fragment]) => fragment),
    ...pages(views, en, payload).map(([, page]) => contentOf(page)),
  ]);
  return new Response(html`<!doctype html><title>bare</title>${parts.map((part) => html`<div>${part}</div>`)}`.markup, {
    headers: { "content-type": "text/html; charset=utf-8" },
  });
}

const GROUP = 40;

/** Of a whole document what stands in its sidebar or its card: head and scripts are not ours to load here. */
function contentOf(page: Html): Html {
  const inner = /<aside[\s\S]*<\/aside>|<main class="card"[\s\S]*<\/main>/.exec(page.markup)?.[0];
  return page.markup.startsWith("<!doctype") ? raw(inner ?? "") : page;
}

describe.skipIf(noBrowser !== null)("a script in whatever is shown", () => {
  test("there are enough of them to mean something, each its own", () => {
    expect(new Set(PAYLOADS).size).toBe(PAYLOADS.length);
    expect(PAYLOADS.length).toBeGreaterThanOrEqual(150);
  });

  test(
    "what is counted is counted: the same texts do run where nothing is escaped",
    async () => {
      const free = await open("/login");
      await free.route("**/free", (route) =>
        route.fulfill({ contentType: "text/html", body: PAYLOADS.slice(0, 60).join("\n") }),
      );
      await free.goto(new URL("/free", bare.url).href);
      await free.waitForFunction("globalThis.hits > 5");
      if (ann) ann.complaints.length = 0;
    },
    TIMEOUT_MS,
  );

  test(
    "does not run in any fragment, even without the page's policy",
    async () => {
      const page = await open("/");
      for (let from = 0; from < PAYLOADS.length; from += GROUP) {
        await page.goto(new URL(`/?from=${from}`, bare.url).href);
        await expectNothingRan(page);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "does not run in a reply, its thinking, a tool's call, progress and outcome, or a plugin's notice, live and after a reload",
    async () => {
      const page = await open("/");
      for (const fails of [false, true]) {
        const words = PAYLOADS.flatMap((payload) => [payload.slice(0, 7), payload.slice(7), "\n\n"]);
        upstream.script(
          {
            parts: [
              { reasoning: PAYLOADS.join("\n\n") },
              ...words,
              "\n```\n```\n\n",
              ...toolCall(`shout`, JSON.stringify({ fails, more: PAYLOADS })),
            ],
          },
          { parts: ["done"] },
        );
        await page.fill("#text", PAYLOADS.join("\n\n"));
        await page.press("#text", "Enter");
        await page.waitForSelector(".reply:last-child >> text=done", { timeout: TIMEOUT_MS / 3 });
        await page.waitForSelector("button.send", { timeout: TIMEOUT_MS / 3 });
        await expectNothingRan(page);
        for (const place of [".reply .text", ".reply .thinking", ".reply .tool", ".reply .notice", ".bubble"])
          expect((await page.locator(place).allTextContents()).join("")).toContain("onerror=hit(1)");
        await page.reload();
        await expectNothingRan(page);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "does not run in titles, file names, snippets and searches",
    async () => {
      const file = { type: "text/plain", size: 1, sha256: "0".repeat(64), created: "2026-01-01T00:00:00.000Z" };
      const all = await core.thread.create("ann", { title: "Files" });
      const files = PAYLOADS.map((name, index) => ({ ...file, id: `f${index}`, name }));
      const common = { turnId: "t", step: 0, content: "needle" };
      const question = await core.thread.append("ann", all.id, {
        ...common,
        role: "user",
        type: "text",
        parentId: null,
        files,
      });
      await core.thread.append("ann", all.id, {
        ...common,
        role: "assistant",
        type: "file",
        parentId: question.id,
        files,
      });
      for (const payload of PAYLOADS) {
        const { id } = await core.thread.create("ann", { title: `needle ${payload}` });
        const content = `${payload} haystack ${payload}`;
        await core.thread.append("ann", id, { ...common, role: "user", type: "text", parentId: null, content });
      }
      const page = await open(`/t/${all.id}`);
      await expectNothingRan(page);
      for (const path of ["/?q=needle", "/?q=haystack"]) {
        await page.goto(path);
        expect(await page.locator("#threads li").count()).toBeGreaterThan(20);
        await expectNothingRan(page);
      }
      await page.goto("/");
      while ((await page.locator("#threads .more a").count()) > 0) {
        const next = await page.locator("#threads .more a").getAttribute("href");
        await page.goto(`/${next}`);
        await expectNothingRan(page);
      }
      for (const payload of PAYLOADS.filter((_, index) => index % 20 === 0)) {
        await page.goto(`/?q=${encodeURIComponent(payload)}`);
        await expectNothingRan(page);
        const found = await core.thread.list("ann", { limit: 1 });
        await core.thread.update("ann", found[0]?.id ?? "", { title: payload });
        await page.goto(`/t/${found[0]?.id}`);
        await eventually(() => page.inputValue("#title input"), asValue(payload));
        await expectNothingRan(page);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "does not run in a name that somebody signs in with, or in an address",
    async () => {
      const page = await open("/");
      await ann?.context.clearCookies();
      for (const payload of PAYLOADS.filter((_, index) => index % 30 === 0)) {
        await page.goto(`/login?next=${encodeURIComponent(payload)}`);
        await page.fill("#username", payload);
        await page.fill("#password", "wrong");
        await page.press("#password", "Enter");
        await page.waitForSelector(".error");
        await expectNothingRan(page);
        await page.goto(`/t/${encodeURIComponent(payload)}`);
        await expectNothingRan(page);
      }
    },
    TIMEOUT_MS,
  );
});
