import { describe, expect, test } from "bun:test";
import { createLog } from "../../src/basics/log";
import { viewsContract } from "../../src/contracts/views";
import { createViews, safeViews } from "../../src/core/views";
import type { Core, ViewsProtocol } from "../../src/protocols";
import { html } from "../../views/html";
import { en } from "../../views/words/en";
import { chat, testThread, testViews } from "../support/chat-data";
import { PAYLOADS } from "../support/payloads";

describe("the default views", () => {
  test.each(viewsContract.map(({ name, run }) => [name, run] as const))("%s", async (_name, run) => {
    await run({ views: testViews() } as Core);
  });
});

test("a fragment that a plugin replaces is replaced wherever it stands", () => {
  const wrapped = testViews(() => ({
    threadItem: ({ thread }) => html`<li>${thread.title.toUpperCase()}</li>`,
    part: ({ message }) => html`<div>${message.type}!</div>`,
    go: () => html`<button>Go on</button>`,
  }));
  const page = wrapped.chatPage(chat(), en).markup;
  expect(page).toContain("<li>TRIP TO LISBON</li>");
  expect(page).toContain("<div>thinking!</div>");
  expect(page).toContain("<button>Go on</button>");
});

describe("safe views", () => {
  const logged: string[] = [];
  const core = {} as Core & { views: ViewsProtocol };
  Object.assign(core, { log: createLog("error", (_level, line) => void logged.push(line)) });
  const fail = (): never => {
    throw new Error("It cannot be shown.");
  };
  const wrapped = (views: Partial<ViewsProtocol>, plugin: string | null) => {
    logged.length = 0;
    core.views = safeViews(core, { ...createViews(core), ...views }, plugin);
    return core.views;
  };

  test("show plainly what the server's own views throw on, each fragment with its element, and the page around it", () => {
    const { markup } = wrapped({ part: fail, messageFoot: fail, title: fail, threadItem: fail }, null).chatPage(
      chat(),
      en,
    );
    for (const { id, parts, role } of chat().messages.messages) {
      const ids = [id, `${id}-foot`, ...(role === "user" ? [] : parts.map((part) => part.id))];
      expect(ids.filter((it) => !markup.includes(`id="${it}"`))).toEqual([]);
    }
    expect(markup).toContain('id="title"');
    expect(markup).toContain("Trip to Lisbon</a></li>");
    expect(markup).toEndWith("</html>\n");
    expect(logged.map((line) => /view=(\w+)/.exec(line)?.[1]).sort()).toEqual([
      "messageFoot",
      "part",
      "threadItem",
      "title",
    ]);
  });

  test("show by the server's own view what a plugin's throws on, and name the plugin", () => {
    const views = wrapped({ message: fail, chatPage: () => "<p>" as never }, "broken");
    expect(views.chatPage(chat(), en).markup).toBe(testViews().chatPage(chat(), en).markup);
    expect(logged.map((line) => /plugin=(\w+)/.exec(line)?.[1])).toEqual(["broken", "broken"]);
  });

  test("throw what nothing else can show, as before", () => {
    expect(() => wrapped({ chatPage: fail }, null).chatPage(chat(), en)).toThrow("It cannot be shown.");
    expect(logged).toEqual([]);
  });

  test("escape what they show plainly", () => {
    const views = wrapped({ markdown: fail, openMarkdown: fail, title: fail }, null);
    for (const text of PAYLOADS) {
      const thread = testThread("t", text);
      const shown = [views.markdown(text, en), views.openMarkdown(text, en).tail, views.title(thread, en)];
      const inner = shown.map(({ markup }) =>
        markup.replace(/^<pre class="as-written">|<\/pre>\n$|^<div id="title" class="title"><h1>|<\/h1><\/div>$/g, ""),
      );
      expect(inner.filter((markup) => /[<>"']/.test(markup))).toEqual([]);
    }
  });
});
