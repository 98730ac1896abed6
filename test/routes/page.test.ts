import { describe, expect, test } from "bun:test";
import type { Thread } from "../../src/protocols";
import { atEnd } from "../support/at-end";
import { type Client, PASSWORD, startServer } from "../support/server";
import { gate, httpError, reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a", "large-a"] });
atEnd(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];

const PAGE = { accept: "text/html" };

async function page(client: Client, path: string): Promise<string> {
  return (await client.fetch(path, { headers: PAGE })).text();
}

function send(client: Client, path: string, fields: Record<string, string>, headers: Record<string, string> = PAGE) {
  return client.fetch(path, { method: "POST", body: new URLSearchParams(fields), headers, redirect: "manual" });
}

/** Says something, waits for the reply, and gives the thread's path. */
async function converse(client: Client, content: string, path = "/t"): Promise<string> {
  const response = await send(client, path, { content, model: "small-a" });
  expect(response.status).toBe(303);
  await settle(pathOf(response));
  return pathOf(response);
}

/** Of the chat that a form leads to. */
function pathOf(response: Response): string {
  return (response.headers.get("location") ?? "").replace(/\?.*/, "");
}

describe("the chat page", () => {
  test("sends who is not signed in to sign in, and back to where they were", async () => {
    const response = await fetch(`${server.url}/t/x?q=a`, { headers: PAGE, redirect: "manual" });
    expect(response.headers.get("location")).toBe("/login?next=%2Ft%2Fx%3Fq%3Da");
    const body = new URLSearchParams({ username: "ann", password: PASSWORD, next: "/t/x?q=a" });
    const signedIn = await fetch(`${server.url}/login`, { method: "POST", body, headers: PAGE, redirect: "manual" });
    expect(signedIn.headers.get("location")).toBe("/t/x?q=a");
  });

  test("offers the models that the user may use, and the prompts", async () => {
    expect(await page(ann, "/")).toContain('value="large-a"');
    expect(await page(bob, "/")).not.toContain("large-a");
    expect(await page(bob, "/")).toContain('value="small-a" selected>');
  });

  test("a message makes a chat whose page shows it with its reply", async () => {
    upstream.script(reply("Hello **Ann**."));
    const path = await converse(ann, "Hi\r\nthere");
    const markup = await page(ann, path);
    expect(markup).toContain("Hi\nthere</div>");
    expect(markup).toContain("<p>Hello <strong>Ann</strong>.</p>");
    expect(markup).toContain('value="small-a" selected>');
    expect(upstream.requests.at(-1)?.body.messages.at(-1)?.content).toBe("Hi\nthere");
  });

  test("text that looks like JSON, or like markup, is text", async () => {
    for (const content of ['{"k":1}', "[1,2]", "<hx-partial>", "null"]) {
      expect(await page(ann, await converse(ann, content))).toContain(`${Bun.escapeHTML(content)}</div>`);
    }
  });

  test("a failure before any text is shown below the message, with Retry", async () => {
    upstream.script(httpError(401, "no"), reply("Better."));
    const path = await converse(ann, "Will it fail?");
    const markup = await page(ann, path);
    expect(markup).toContain('class="outcome failed"');
    const retry = /formaction="([^"]+retry[^"]+)"/.exec(markup)?.[1] ?? "";
    const gone = await send(ann, retry, {});
    expect(gone.headers.get("location")).toBe(`${path}?stream=1`);
    await upstream.request(upstream.requests.length);
    await settle(path);
    expect(await page(ann, path)).toContain("Better.");
  });

  test("while a reply is written it can be stopped, and a page without script is led to where it is written", async () => {
    const begun = gate();
    upstream.script({ parts: ["Some ", { wait: begun.opened }, { wait: new Promise(() => {}) }] });
    const response = await send(ann, "/t", { content: "Go" });
    const path = pathOf(response);
    const markup = await page(ann, path);
    expect(markup).toContain('http-equiv="refresh"');
    const stop = /formaction="([^"]+)"/.exec(markup)?.[1] ?? "";
    begun.open();
    expect((await send(ann, stop, {})).headers.get("location")).toBe(path);
    expect((await send(ann, stop, {})).status).toBe(303);
    expect(await page(ann, path)).toContain("Stopped.");
  });

  test("a chat is renamed, found and archived", async () => {
    upstream.script(reply("The capital of Mongolia is Ulaanbaatar."));
    const path = await converse(ann, "Asia");
    expect((await send(ann, `${path}/title`, { title: "  Capitals of Asia " })).status).toBe(303);
    expect(await page(ann, "/threads?q=")).toContain(">Capitals of Asia<");
    const found = await page(ann, "/threads?q=mongolia");
    expect(found).toContain(`href="${path}?at=`);
    expect(found).toContain("<mark>Mongolia</mark>");
    expect(await page(ann, "/?q=mongolia")).toContain("<mark>Mongolia</mark>");
    expect(await page(bob, "/threads?q=mongolia")).toContain("Nothing found");
    for (const strange of ['"', "NEAR(", "*", "col:x", "\0", "a OR"]) {
      expect((await ann.fetch(`/threads?q=${encodeURIComponent(strange)}`)).status).toBe(200);
    }
    expect((await send(ann, `${path}/archive`, {})).headers.get("location")).toBe("/");
    expect(await page(ann, "/threads")).not.toContain("Capitals of Asia");
    expect(await page(ann, path)).toContain("Capitals of Asia");
  });

  test("a long chat opens at its end and is read upwards, page by page", async () => {
    const { thread } = await longThread(250);
    const seen: number[] = [];
    let path: string | null = `/t/${thread.id}`;
    for (let pages = 0; path && pages < 5; pages++) {
      const markup: string = await page(ann, path);
      seen.unshift(...numbersIn(markup));
      expect(markup.includes("/live?t=")).toBe(pages === 0);
      expect(markup.includes("/messages?whole=1")).toBe(pages > 0);
      path = /href="([^"]+)"[^>]*>Earlier/.exec(markup)?.[1] ?? null;
    }
    expect(seen).toEqual(Array.from({ length: 250 }, (_, index) => index));
  });

  test("an address leads to one message, and downwards from there to the end", async () => {
    const { thread, ids } = await longThread(250);
    const seen: number[] = [];
    let path: string | null = `/t/${thread.id}?at=${ids[31]}`;
    for (let pages = 0; path && pages < 6; pages++) {
      const markup: string = await page(ann, path);
      if (pages === 0) {
        expect(markup).toContain(`<span id="m-${ids[31]}" class="target"></span><div id="p-${ids[31]}"`);
        expect(markup).toContain(`id="m-${ids[30]}"`);
      }
      const numbers = numbersIn(markup);
      seen.push(...numbers.filter((number) => number > (seen.at(-1) ?? -1)));
      expect(markup.includes("/live?t=")).toBe(numbers.at(-1) === 249);
      path = /href="([^"]+)#m-[^"]+"[^>]*>Later/.exec(markup)?.[1] ?? null;
    }
    expect(seen).toEqual(Array.from({ length: 240 }, (_, index) => index + 10));
    const latest = await page(ann, `/t/${thread.id}?at=${ids[248]}`);
    expect(latest).toContain(
      `<article id="m-${ids[248]}" class="message user"><h2 class="for-reader">You</h2><span class="target">`,
    );
    expect(latest).toContain("/live?t=");
    expect((await bob.fetch(`/t/${thread.id}?at=${ids[31]}`, { headers: PAGE })).status).toBe(404);
  });

  test("an address that leads to another branch shows it, leaves the thread as it is, and goes on from there", async () => {
    upstream.script(reply("First answer."), reply("Second answer."), reply("Third answer."));
    const path = await converse(ann, "Question");
    const id = path.split("/")[2] ?? "";
    const [question, first] = await server.core.thread.messages("ann", id);
    await send(ann, `${path}/retry?parent=${question?.id}`, {});
    await settle(path);
    const [, second] = await server.core.thread.messages("ann", id);
    const markup = await page(ann, `${path}?at=${first?.id}`);
    expect(markup).toContain("First answer.");
    expect(markup).toContain("another version of the chat");
    expect(markup).not.toContain("Second answer.");
    expect((await server.core.thread.get("ann", id))?.headId).toBe(second?.id ?? "");
    expect(markup).toContain(`name="parent" value="${first?.id}"`);
    await send(ann, `${path}/messages`, { content: "And then?", parent: first?.id ?? "" });
    await settle(path);
    const contents = (await server.core.thread.messages("ann", id)).map(({ content }) => content);
    expect(contents).toEqual(["Question", "First answer.", "And then?", "Third answer."]);
    expect(await page(ann, `${path}?at=${question?.id}`)).not.toContain("another version of the chat");
  });

  test("the list of chats comes in pages", async () => {
    for (let index = 0; index < 60; index++) await server.core.thread.create("bob", { title: `chat-${index}.` });
    const titles = new Set<string>();
    let path: string | null = "/";
    for (let pages = 0; path && pages < 5; pages++) {
      const markup: string = await page(bob, path);
      for (const [title] of markup.matchAll(/chat-\d+\./g)) titles.add(title);
      const next: string | undefined = /hx-get="(\/threads\?list=[^"]+)"/.exec(markup)?.[1];
      path = next?.replaceAll("&amp;", "&") ?? null;
    }
    expect(titles.size).toBe(60);
  });
});

/** A thread whose messages say their number. */
async function longThread(count: number): Promise<{ thread: Thread; ids: string[] }> {
  const thread = await server.core.thread.create("ann", { title: "Long" });
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    const role = index % 2 === 0 ? ("user" as const) : ("assistant" as const);
    const said = { role, type: "text" as const, content: `number ${index}.`, turnId: "none", step: 0 };
    ids.push((await server.core.thread.append("ann", thread.id, { ...said, parentId: ids.at(-1) ?? null })).id);
  }
  return { thread, ids };
}

function numbersIn(markup: string): number[] {
  return [...markup.matchAll(/number (\d+)\./g)].map(([, number]) => Number(number));
}

/** Resolves when no turn runs in the thread. */
async function settle(path: string): Promise<void> {
  const user = { username: "ann", role: "admin" } as const;
  const live = await server.core.turns.live(user, path.split("/")[2] ?? "");
  const events = live && (await server.core.turns.follow(user, live.id, 0, new AbortController().signal));
  for await (const _ of events ?? []);
}
