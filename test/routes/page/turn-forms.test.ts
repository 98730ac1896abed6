import { describe, expect, test } from "bun:test";
import { Type as t } from "@sinclair/typebox";
import type { Plugin } from "../../../src/protocols";
import { atEnd } from "../../support/at-end";
import { type Client, startServer } from "../../support/server";
import { gate, reply, startUpstream, toolCall } from "../../support/upstream";

const upstream = startUpstream({ models: ["small-a", "large-a"] });
atEnd(() => upstream.stop());
const asking: Plugin = {
  name: "asking",
  tools: [{ name: "ask_first", description: "", parameters: t.Object({}), approval: true, execute: async () => "ran" }],
};
const config = { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl };
const server = await startServer({ config, plugins: [asking] });
const ann = await server.signIn();

const PAGE = { accept: "text/html" };
const HTMX = { ...PAGE, "hx-request": "true" };

function send(client: Client, path: string, fields: Record<string, string>, headers: Record<string, string> = PAGE) {
  return client.fetch(path, { method: "POST", body: new URLSearchParams(fields), headers, redirect: "manual" });
}

async function settle(threadId: string): Promise<void> {
  const user = { username: "ann", role: "admin" } as const;
  const live = await server.core.turns.live(user, threadId);
  const events = live && (await server.core.turns.follow(user, live.id, 0, new AbortController().signal));
  for await (const _ of events ?? []);
}

describe("a form about a reply", () => {
  const user = { username: "ann", role: "admin" } as const;

  /** The chat that was begun last, with its turn. */
  const begin = async () => {
    const path = (await send(ann, "/t", { content: "Write" })).headers.get("location")?.replace(/\?.*/, "") ?? "";
    const threadId = path.slice("/t/".length);
    const [turn] = await server.core.turns.list(user, threadId);
    return { path, threadId, turnId: turn?.id ?? "" };
  };
  const expectRefusedElsewhere = async (action: string, fields: Record<string, string> = {}) => {
    const { id: other } = await server.core.thread.create("ann", { title: "Other" });
    for (const elsewhere of [other, "nowhere", "%E2%82%AC", "a%0d%0ab", "%2F%2Felsewhere.example"]) {
      const answer = await send(ann, `/t/${elsewhere}/${action}`, fields);
      expect([elsewhere, answer.status, answer.headers.get("location")]).toEqual([elsewhere, 404, null]);
    }
  };

  test("acts only in the chat of its address, to stop it or to go on", async () => {
    const end = gate();
    upstream.script({ parts: ["Writing ", { wait: end.opened }, "on."] });
    const { threadId, turnId } = await begin();
    await expectRefusedElsewhere(`stop?turn=${turnId}`);
    await expectRefusedElsewhere(`continue?turn=${turnId}`);
    end.open();
    await settle(threadId);
    expect((await server.core.thread.messages("ann", threadId)).at(-1)?.content).toBe("Writing on.");
  });

  test("acts only in the chat of its address, to answer a call that waits", async () => {
    upstream.script({ parts: toolCall("ask_first", {}) }, reply("Done."));
    const { path, threadId, turnId } = await begin();
    const events = (await server.core.turns.follow(user, turnId, 0, new AbortController().signal)) ?? [];
    const fields = { turn: turnId, call: "", approve: "no" };
    for await (const moment of events) {
      const asked = moment.map(({ event }) => event).find((event) => event.type === "approvalAsked");
      if (!asked) continue;
      fields.call = asked.callId;
      break;
    }
    await expectRefusedElsewhere("approve", { ...fields, approve: "yes" });
    const answered = await send(ann, `${path}/approve`, fields);
    expect(answered.headers.get("location")).toBe(`${path}?stream=1`);
    await settle(threadId);
    const call = (await server.core.thread.messages("ann", threadId)).find(({ type }) => type === "tool");
    expect(call?.approved).toBe(false);
  });
});

describe("a message that is sent by the page", () => {
  test("with htmx, the first message turns the page into that of its chat", async () => {
    upstream.script(reply("Yes."));
    const response = await send(ann, "/t", { content: "First" }, HTMX);
    const path = response.headers.get("hx-push-url") ?? "";
    expect(path).toMatch(/^\/t\/[\w-]+$/);
    expect(response.headers.get("hx-retarget")).toBe("#main");
    const markup = await response.text();
    expect(markup).toStartWith('<main id="main"');
    expect(markup).toContain('hx-target="#threads"');
    await settle(path.slice("/t/".length));
    const next = await send(ann, `${path}/messages`, { content: "Second" }, HTMX);
    expect(await next.text()).toMatch(
      /^<hx-partial hx-target="#send-key" [^>]*><input id="send-key" [^>]*><\/hx-partial>$/,
    );
    await settle(path.slice("/t/".length));
  });

  test("brings an archived chat back, and the page looks so at once", async () => {
    upstream.otherwise(reply("Yes."));
    const { id } = await server.core.thread.create("ann", { title: "Old" });
    await server.core.thread.archive("ann", id);
    const archived = await (await ann.fetch(`/t/${id}`, { headers: PAGE })).text();
    expect(archived).toContain(`action="/t/${id}/restore"`);
    const sent = await send(ann, `/t/${id}/messages`, { content: "New" }, HTMX);
    expect(sent.headers.get("hx-retarget")).toBe("#main");
    const markup = await sent.text();
    expect(markup).toContain(`action="/t/${id}/archive"`);
    expect(markup).not.toContain(`action="/t/${id}/restore"`);
    await settle(id);
    await server.core.thread.archive("ann", id);
    const [question] = await server.core.thread.messages("ann", id);
    const again = await send(ann, `/t/${id}/retry?parent=${question?.id}`, {}, HTMX);
    expect([again.status, again.headers.get("hx-redirect")]).toEqual([204, `/t/${id}`]);
    await settle(id);
  });

  test("may bring files of some size, and one that is edited may be as long as any", async () => {
    upstream.otherwise(reply("Yes."));
    const body = new FormData();
    body.set("content", "Look at this");
    body.set("files", new File(["x".repeat(3 * 1024 * 1024)], "large.txt"));
    const sent = await ann.fetch("/t", { method: "POST", body, headers: PAGE, redirect: "manual" });
    expect(sent.status).toBe(303);
    const path = sent.headers.get("location")?.replace(/\?.*/, "") ?? "";
    const threadId = path.slice("/t/".length);
    await settle(threadId);
    const [question] = await server.core.thread.messages("ann", threadId);
    expect(question?.files?.map(({ size }) => size)).toEqual([3 * 1024 * 1024]);
    const edited = await send(ann, `${path}/edit?message=${question?.id}`, { content: "€".repeat(100_000) });
    expect(edited.status).toBe(303);
    await settle(threadId);
  });
});
