import { describe, expect, test } from "bun:test";
import { html } from "../../views/html";
import { en } from "../../views/words/en";
import { chat, reply, testPart, testThread, testTurn, testViews, userMessage } from "../support/chat-data";

const views = testViews();
const HOSTILE = `"'><script>alert(1)</script>`;

describe("views", () => {
  test("every fragment has the id by which the live channel finds it", () => {
    const page = views.chatPage(chat(), en).markup;
    for (const id of [
      "main",
      "title",
      "threads",
      "messages",
      "m-1",
      "r-1",
      "r-1-parts",
      "r-1-foot",
      "p-2",
      "p-2-summary",
      "go",
      "status",
      "live",
      "page-title",
    ]) {
      expect(page.split(` id="${id}"`)).toHaveLength(2);
    }
  });

  test("what people, models and tools wrote is text everywhere", () => {
    const thread = testThread("t1", HOSTILE);
    const parts = [
      testPart({ id: "2", content: HOSTILE }),
      testPart({ id: "3", type: "tool", role: "tool", name: HOSTILE, arguments: HOSTILE, error: HOSTILE }),
      testPart({
        id: "4",
        type: "tool",
        role: "tool",
        name: HOSTILE,
        arguments: `{"a":${JSON.stringify(HOSTILE)}}`,
        content: HOSTILE,
      }),
      testPart({ id: "5", type: "notice", content: HOSTILE }),
    ];
    const data = chat({
      user: { username: HOSTILE, role: "user" },
      thread,
      threads: {
        ...chat().threads,
        hits: [{ thread, snippet: `\u0002${HOSTILE}\u0003`, messageId: "1" }],
        query: HOSTILE,
        currentId: "t1",
        before: HOSTILE,
      },
      messages: {
        threadId: "t1",
        messages: [
          userMessage("1", HOSTILE),
          reply("1", parts, testTurn({ status: "failed", error: HOSTILE, model: HOSTILE })),
        ],
        before: HOSTILE,
        next: HOSTILE,
        isLatest: false,
        isThreadsBranch: false,
      },
      status: { text: HOSTILE, kind: "error" },
    });
    const plain = chat();
    const asked = {
      ...data,
      composer: {
        ...plain.composer,
        models: [HOSTILE],
        model: HOSTILE,
        draft: HOSTILE,
        prompts: [{ name: HOSTILE, description: HOSTILE, content: "" }, ...plain.composer.prompts],
      },
    };
    expect(views.chatPage(asked, en).markup).not.toContain("<script>");
    const page = { ...data, user: null };
    expect(views.loginPage({ ...page, username: HOSTILE, error: HOSTILE, next: HOSTILE }, en).markup).not.toContain(
      "<script>",
    );
    expect(views.setupPage({ ...page, username: HOSTILE, error: HOSTILE, token: HOSTILE }, en).markup).not.toContain(
      "<script>",
    );
    expect(views.errorPage({ ...page, status: 400, detail: HOSTILE }, en).markup).not.toContain("<script>");
  });

  test("the words found are marked, and nothing else", () => {
    const hit = { thread: testThread("t1", "T"), snippet: "a \u0002b\u0003 c <i>\u0002d\u0003", messageId: "1" };
    expect(
      views.threadItem(
        {
          thread: hit.thread,
          isCurrent: false,
          isRunning: false,
          filter: { archived: false, tag: null },
          query: "",
          hit,
        },
        en,
      ).markup,
    ).toContain("a <mark>b</mark> c &lt;i&gt;<mark>d</mark>");
  });

  test("a running turn has Stop, and each way to end says so and offers what can be done", () => {
    expect(views.go({ threadId: "t1", liveTurnId: "u1" }, en).markup).toContain("/t/t1/stop?turn=u1");
    expect(views.go({ threadId: "t1", liveTurnId: null }, en).markup).toContain('aria-label="Send"');
    const foot = (status: "running" | "done" | "stopped" | "failed" | "interrupted", parts = [testPart({ id: "9" })]) =>
      views.messageFoot(reply("1", parts, testTurn({ status, error: status === "failed" ? "It broke." : null })), en)
        .markup;
    expect(foot("running")).toContain("Writing…");
    expect(foot("done")).toContain("demo · 412 tokens");
    expect(foot("done")).not.toContain("Retry");
    expect(foot("stopped")).toMatch(/Stopped\..*Continue.*Retry/);
    expect(foot("interrupted")).toMatch(/Interrupted.*Continue/);
    expect(foot("failed")).toMatch(/It broke\..*Continue.*Retry/);
    expect(foot("failed", [])).not.toContain("Continue");
  });

  test("shows what cannot be seen, or turns text around, in the arguments that somebody shall say yes to", () => {
    const hidden = { role: "tool", type: "tool", name: "pay", arguments: '{"to":"a\u202eb\u200bc\u{e0041}"}' } as const;
    const { markup } = views.part(testPart(hidden, { tail: html``, isWaiting: true }), en);
    expect(markup).toContain("a\\u202eb\\u200bc\\udb40\\udc41");
  });

  test("a page without script leads to the one that the reply is written into, unless something here would be lost", () => {
    const running = { ...chat().composer, liveTurnId: "u1" };
    expect(views.chatPage(chat({ composer: running }), en).markup).toContain(
      '<noscript><meta http-equiv="refresh" content="0; url=/t/t1?stream=1"></noscript>',
    );
    expect(views.chatPage(chat({ composer: { ...running, draft: "Typed" } }), en).markup).not.toContain("refresh");
    expect(views.chatPage(chat({ composer: { ...running, isStreamed: true } }), en).markup).not.toContain("refresh");
    expect(views.chatPage(chat(), en).markup).not.toContain("refresh");
    const tool = testPart({ role: "tool", type: "tool", name: "ask" }, { tail: html``, isWaiting: true });
    const messages = { ...chat().messages, messages: [reply("1", [tool], testTurn({ status: "running" }))] };
    expect(views.chatPage(chat({ composer: running, messages }), en).markup).not.toContain("refresh");
  });

  test("arguments that are JSON are shown over several lines, unless they nest deep or become long", () => {
    const shown = (args: string) => views.part(testPart({ type: "tool", role: "tool", arguments: args }), en).markup;
    expect(shown('{"a":[1]}')).toContain("{\n  &quot;a&quot;: [\n    1\n  ]\n}");
    const deep = "[".repeat(5_000) + "]".repeat(5_000);
    const wide = `${"[".repeat(60)}${"1,".repeat(500)}1${"]".repeat(60)}`;
    const since = performance.now();
    for (const args of [deep, wide, "{broken"]) expect(shown(args)).toContain(`>${args}</pre>`);
    expect(performance.now() - since).toBeLessThan(200);
  });

  test("of what a tool is given and gives the page shows a part that can be read, and says so", () => {
    const long = "x".repeat(20_001);
    const fields = { type: "tool", role: "tool", arguments: long } as const;
    for (const outcome of [{ content: long }, { error: long }]) {
      const { markup } = views.part(testPart({ ...fields, ...outcome }), en);
      expect(
        markup.match(/x{20000}<\/pre><p class="cut">These are the first 20,000 of 20,001 characters\.<\/p>/g),
      ).toHaveLength(2);
      expect(markup).not.toContain(long);
    }
    // Before a yes all of it is there.
    const asked = testPart({ ...fields, arguments: "y".repeat(100_000) }, { tail: html``, isWaiting: true });
    expect(views.part(asked, en).markup).toContain(`${"y".repeat(100_000)}</pre><input`);
    const more = testPart({ ...fields, arguments: "y".repeat(100_001) }, { tail: html``, isWaiting: true });
    expect(views.part(more, en).markup).toContain('</pre><p class="cut">These are the first 100,000 of 100,001');
  });

  test("what is added to the messages is read out, but not the end of a reply while it changes", () => {
    const body = html`<p>Finished.</p>`;
    const open = testPart({ id: "5" }, { body, tail: html`<p>Grow</p>` });
    const messages = { ...chat().messages, messages: [reply("1", [open], testTurn({ status: "running" }))] };
    const page = views.chatPage(chat({ messages }), en).markup;
    expect(page).toMatch(/<div id="messages" [^>]*role="log"/);
    expect(page).toContain('<p>Finished.</p><div id="p-5-tail" class="tail" aria-live="off"><p>Grow</p></div></div>');
    expect(page.match(/aria-live=/g)).toHaveLength(1);
  });

  test("ephemeral mode is told on every page", () => {
    const page = { ...chat({ ephemeral: true }), user: null };
    expect(views.chatPage(chat({ ephemeral: true }), en).markup).toContain("Nothing is kept");
    expect(views.loginPage({ ...page, username: "", error: null, next: "/" }, en).markup).toContain("Nothing is kept");
  });

  test("every letter in the list of keys is the access key of something on the page", () => {
    const page = views.chatPage(chat(), en).markup;
    const letters = [...page.matchAll(/<kbd>([A-Z])<\/kbd>/g)].map((it) => it[1]?.toLowerCase());
    const known = [...page.matchAll(/ accesskey="(\w)"/g)].map((it) => it[1]);
    expect(letters.sort()).toEqual(known.sort());
  });

  test("the parameters of a prompt stand beside its name, and those of the chat by themselves", () => {
    const { composer } = chat();
    const preset = { name: "terse", description: "Short answers", content: "", parameters: { temperature: 0.2 } };
    const shown = (parameters: typeof composer.parameters) =>
      views.chatPage(
        chat({ composer: { ...composer, prompts: [preset, ...composer.prompts], systemPrompt: "terse", parameters } }),
        en,
      ).markup;
    expect(shown(preset.parameters)).toContain(">Short answers · temperature 0.2</option>");
    expect(shown(preset.parameters)).not.toContain('class="parameters"');
    expect(shown({ temperature: 0.2, stop: ["a", "b"] })).toMatch(
      /class="parameters"[^>]*>stop \[&quot;a&quot;,&quot;b&quot;\]</,
    );
  });

  test("nothing is inline that the page's policy refuses", () => {
    const page = views.chatPage(chat(), en).markup;
    expect(page).not.toMatch(/ style="| on[a-z]+="|hx-on|<style|<script(?! src=)/);
  });
});
