/** What the first person on a fresh server does, from the set-up link to searching yesterday's chat, over real HTTP. */

import assert from "node:assert/strict";
import type { ServerProcess } from "./server-process";

const USERNAME = "first-admin";
const PASSWORD = "a long first password";
const QUESTION = "Does the smoke test find this aardvark?";

export interface WireEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

export interface Visit {
  readonly threadId: string;
  /** Of the session, as a bearer token. */
  readonly token: string;
}

/** Makes the first administrator with the link that the server printed. The link works once. */
export async function setUp({ address, printed }: ServerProcess): Promise<void> {
  const url = new URL(await printed(/http:\/\/\S+\/setup\?token=\S+/));
  const here = `${address}${url.pathname}${url.search}`;
  assert.equal((await fetch(here)).status, 200);
  const form = { token: url.searchParams.get("token") ?? "", username: USERNAME, password: PASSWORD };
  const send = () => sendForm(`${address}/setup`, form);
  const made = await send();
  assert.equal(made.status, 303, await made.text());
  assert.equal((await send()).status, 404);
  assert.equal((await fetch(here)).status, 404);
}

/** Signs in, talks to the demonstration model, and finds everything again. */
export async function visit(address: string): Promise<Visit> {
  const { token, cookie } = await signIn(address, USERNAME, PASSWORD);
  const get = (path: string) => getJson(address, path, { authorization: `Bearer ${token}` });
  assert.deepEqual(await getJson(address, "/api/v1/models", { cookie }), ["demo"]);
  assert.deepEqual(await get("/api/v1/models"), ["demo"]);
  assert.ok("default" in (await get("/api/v1/system_prompts")));

  const events = await sendMessage(address, token, { content: QUESTION });
  assert.equal(events[0]?.event, "thread_id");
  assert.equal(events.at(-1)?.event, "stream_end", JSON.stringify(events.at(-1)));
  assert.ok(events.every(({ id }) => id !== ""));
  const threadId = String(events[0]?.data.thread_id);
  await checkHistory(address, { token, threadId }, textOf(events));
  await checkPage(address, cookie, threadId);
  return { threadId, token };
}

/** The thread is there with the question and the same reply, and the search finds it. */
export async function checkHistory(address: string, { token, threadId }: Visit, reply?: string): Promise<void> {
  const get = (path: string) => getJson(address, path, { authorization: `Bearer ${token}` });
  const messages = await get(`/api/v1/threads/${threadId}/messages`);
  assert.deepEqual([messages[0].role, messages[0].content], ["user", QUESTION]);
  const kept = messages.filter((it: { role: string; type: string }) => it.role === "assistant" && it.type === "text");
  assert.ok(kept.length > 0);
  if (reply !== undefined) assert.equal(kept.map((it: { content: string }) => it.content).join(""), reply);
  const threads = await get("/api/v1/threads");
  assert.deepEqual([threads.length, threads[0].id], [1, threadId]);
  const hits = await get("/api/v1/search?q=aardvark");
  assert.deepEqual([hits.length, hits[0].id], [1, threadId]);
}

/** The page opens with what it needs, all from this server. */
async function checkPage(address: string, cookie: string, threadId: string): Promise<void> {
  const page = await fetch(`${address}/`, { headers: { cookie } });
  const html = await page.text();
  assert.equal(page.status, 200);
  assert.ok(html.includes(threadId), "the thread is in the list");
  const assets = [...html.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)].map((it) => it[1] ?? "");
  assert.ok(assets.length >= 2, "a style sheet and a script at least");
  for (const path of assets) {
    const asset = await fetch(`${address}${path}`);
    assert.equal(asset.status, 200, path);
    assert.ok((await asset.bytes()).length > 0, path);
  }
  assert.ok(!/(?:src|href)="(?:https?:)?\/\//.test(html), "nothing is loaded from elsewhere");
}

/** Signs in as a program does, and as a browser does. */
export async function signIn(
  address: string,
  username: string,
  password: string,
): Promise<{ token: string; cookie: string }> {
  const asProgram = await fetch(`${address}/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  const { access_token: token, token_type } = (await asProgram.json()) as Record<string, string>;
  assert.deepEqual([asProgram.status, token_type], [200, "bearer"]);
  const asBrowser = await sendForm(`${address}/login`, { username, password });
  assert.equal(asBrowser.status, 303);
  const cookie = asBrowser.headers.get("set-cookie")?.split(";")[0] ?? "";
  assert.ok(token && cookie);
  return { token, cookie };
}

function sendForm(url: string, fields: Record<string, string>): Promise<Response> {
  const body = new URLSearchParams(fields);
  return fetch(url, { method: "POST", body, headers: { accept: "text/html" }, redirect: "manual" });
}

/** Sends a message and reads the turn's events to their end. */
export async function sendMessage(address: string, token: string, body: object): Promise<WireEvent[]> {
  const response = await fetch(`${address}/api/v1/message`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return readEvents(text);
}

export function textOf(events: readonly WireEvent[]): string {
  const texts = events.filter(({ event }) => event === "message_tokens");
  return texts.map(({ data }) => String(data.content)).join("");
}

function readEvents(stream: string): WireEvent[] {
  return stream.split("\n\n").flatMap((block) => {
    const data = /^data: (.*)$/m.exec(block)?.[1];
    return data ? [{ id: /^id: (.*)$/m.exec(block)?.[1] ?? "", ...JSON.parse(data) }] : [];
  });
}

// biome-ignore lint/suspicious/noExplicitAny: the answer is what is being tested.
export async function getJson(address: string, path: string, headers: Record<string, string> = {}): Promise<any> {
  const response = await fetch(`${address}${path}`, { headers });
  assert.equal(response.status, 200, `${path}: ${response.status}`);
  return response.json();
}
