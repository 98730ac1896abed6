import { describe, expect, test } from "bun:test";
import { atEnd } from "../../support/at-end";
import { type Client, startServer } from "../../support/server";
import { httpError, reply, startUpstream } from "../../support/upstream";

const upstream = startUpstream({ models: ["small-a", "small-b", "large-a"] });
atEnd(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const { core } = server;
const ann = await server.signIn();

const PAGE = { accept: "text/html" };

async function page(client: Client, path: string): Promise<string> {
  return (await client.fetch(path, { headers: PAGE })).text();
}

function send(
  client: Client,
  path: string,
  fields: Record<string, string> = {},
  headers: Record<string, string> = PAGE,
) {
  return client.fetch(path, { method: "POST", body: new URLSearchParams(fields), headers, redirect: "manual" });
}

async function settle(threadId: string): Promise<void> {
  const user = { username: "ann", role: "admin" } as const;
  const live = await core.turns.live(user, threadId);
  const events = live && (await core.turns.follow(user, live.id, 0, new AbortController().signal));
  for await (const _ of events ?? []);
}

interface Chat {
  readonly id: string;
  readonly path: string;
  readonly question: string;
  readonly answer: string;
}

async function converse(content: string, answer: string): Promise<Chat> {
  upstream.script(reply(answer));
  const location = (await send(ann, "/t", { content, model: "small-a" })).headers.get("location") ?? "";
  const [path = ""] = location.split("?");
  const id = path.split("/")[2] ?? "";
  await settle(id);
  const [question, replied] = await core.thread.messages("ann", id);
  return { id, path, question: question?.id ?? "", answer: replied?.id ?? "" };
}

const contents = async (id: string) => (await core.thread.messages("ann", id)).map(({ content }) => content);

describe("what is done with a message of the page", () => {
  test("an edit is a link to a form, whose text becomes another version of the message", async () => {
    const { id, path, question } = await converse("Once", "One.");
    const markup = await page(ann, path);
    expect(markup).toContain(`href="${path}?edit=${question}#m-${question}"`);
    expect(await page(ann, `${path}?edit=${question}`)).toMatch(/<textarea id="m-[^>]+>\nOnce<\/textarea>/);
    upstream.script(reply("Two."));
    const sent = await send(ann, `${path}/edit?message=${question}`, { content: "Twice\r\nsaid" });
    expect(sent.headers.get("location")).toBe(`${path}?stream=1`);
    await settle(id);
    expect(await contents(id)).toEqual(["Twice\nsaid", "Two."]);
    const edited = await page(ann, path);
    expect(edited).toContain('<span aria-label="Version 2 of 2">2/2</span>');
    const back = /formaction="([^"]+head[^"]+)"/.exec(edited)?.[1] ?? "";
    expect((await send(ann, back)).headers.get("location")).toBe(`${path}?at=${question}#m-${question}`);
    expect(await contents(id)).toEqual(["Once", "One."]);
  });

  test("a reply is answered again by any model that the user may use, and no other", async () => {
    const { id, path, question, answer } = await converse("Again?", "First.");
    const menu = await page(ann, `${path}/menu?message=${answer}`);
    expect(menu).toContain(`${path}/retry?parent=${question}&amp;model=small-b`);
    expect(await page(ann, `${path}?menu=${answer}`)).toContain("small-b</button>");
    upstream.script(reply("Second."));
    await send(ann, `${path}/retry?parent=${question}&model=small-b`);
    await settle(id);
    expect(upstream.requests.at(-1)?.body.model).toBe("small-b");
    expect(await contents(id)).toEqual(["Again?", "Second."]);
  });

  test("a version that failed without a word leaves the others within reach", async () => {
    const { id, path, question, answer } = await converse("Fail", "Well.");
    upstream.script(httpError(401, "no"));
    await send(ann, `${path}/retry?parent=${question}`);
    await settle(id);
    const markup = await page(ann, path);
    expect(markup).toContain('<span aria-label="Version 2 of 2">2/2</span>');
    await send(ann, `${path}/head?message=${answer}`);
    expect(await page(ann, path)).toContain("Well.");
  });

  test("a fork is a chat of its own", async () => {
    const { id, path, answer } = await converse("Fork", "Here.");
    const fork = (await send(ann, `${path}/fork?message=${answer}`)).headers.get("location") ?? "";
    expect(fork).not.toBe(path);
    expect(await contents(fork.split("/")[2] ?? "")).toEqual(await contents(id));
    expect(await page(ann, fork)).toContain("Here.");
  });
});

describe("the source of a message", () => {
  const source = async (client: Client, path: string, query: string) => {
    const response = await client.fetch(`${path}/source?message=${query}`);
    return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
  };

  test("is its Markdown as it was written, as text", async () => {
    const written = "# A\n\n<script>alert(1)</script> $x$\n";
    const { path, question, answer } = await converse("One *q*", written);
    expect(await source(ann, path, question)).toEqual({
      status: 200,
      type: "text/plain; charset=utf-8",
      text: "One *q*",
    });
    for (const query of [`${answer}&reply=1`, `${question}&reply=1`])
      expect((await source(ann, path, query)).text).toBe(written);
    expect((await ann.fetch(`${path}/source?message=${answer}`)).headers.get("x-content-type-options")).toBe("nosniff");
    expect(await page(ann, `${path}?menu=${answer}`)).toContain(`href="${path}/source?message=${answer}&amp;reply=1"`);
  });

  test("is that of the version that is asked for, and of no other reply", async () => {
    const { path, id, question, answer } = await converse("Versions", "First.");
    upstream.script(reply("Second."));
    await send(ann, `${path}/retry?parent=${question}`);
    await settle(id);
    upstream.script(reply("Later."));
    await send(ann, `${path}/messages`, { content: "And on" });
    await settle(id);
    expect((await source(ann, path, `${answer}&reply=1`)).text).toBe("First.");
    expect((await source(ann, path, `${question}&reply=1`)).text).toBe("Second.");
  });
});
