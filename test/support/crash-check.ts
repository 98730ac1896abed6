/** What must hold of a turn after the server that ran it was killed and another one started on the same folder. */

import assert from "node:assert/strict";
import { checkAnswers } from "./crash-answers";
import type { Chat, Entry } from "./crash-chat";
import { type Api, continueTurn, followAfter, get, type Seen, sendMessage } from "./crash-client";
import { continuation } from "./crash-script";
import { textOf } from "./read-sse";
import type { UpstreamBody, UpstreamMessage } from "./upstream";

export type Fate = "interrupted" | "done" | "unacknowledged";

export interface Crash {
  /** Which tool calls were run. */
  readonly executed: ReadonlySet<string>;
}

/** Throws what is wrong. Leaves the thread with a complete reply; `threadId` is null when there is none. */
export async function checkChat(
  api: Api,
  chat: Chat,
  { executed }: Crash,
): Promise<{ fate: Fate; threadId: string | null }> {
  const { script, seen } = chat;
  const threadId = chat.threadId ?? (await findThread(api, chat));
  if (!threadId) {
    assert(!seen.isAcknowledged, "the message was acknowledged, and its thread is gone");
    return { fate: "unacknowledged", threadId };
  }
  const history = await readHistory(api, threadId);
  const question = history.find(({ role, content }) => role === "user" && content.includes(`${script.id} `));
  if (seen.isAcknowledged) assert(question, "an acknowledged message is lost");
  const turnId = question?.turn_id;
  const turn = turnId ? await findTurn(api, turnId) : null;
  if (seen.isAcknowledged) assert(turn, "an acknowledged turn is lost");
  let fate: Fate = "unacknowledged";
  if (turn && turnId) {
    fate = turn.status === "done" ? "done" : "interrupted";
    assert(["done", "interrupted"].includes(turn.status), `the turn is ${turn.status}: ${turn.error}`);
    if (chat.isSpared) assert.equal(fate, "done", "a turn of a server that lives was ended");
    const parts = history.filter((entry) => entry.turn_id === turnId);
    checkText(chat, parts, fate);
    await checkResume(api, chat, parts, turnId);
    for (const follower of chat.followers) {
      await follower.over;
      assert.equal(follower.broke, null, "a follower at the other server was cut off");
      checkFollowed(follower.events, parts);
    }
    await checkAnswers(api, chat, parts, { turnId, executed });
    script.isContinued = true;
    if (fate === "interrupted") await checkContinue(api, chat, history, turnId);
  }
  await checkNext(api, chat, threadId);
  return { fate, threadId };
}

async function findThread(api: Api, { script, seen }: Chat): Promise<string | null> {
  const told = seen.events.find(({ event }) => event === "thread_id")?.data.thread_id;
  if (told) return told;
  const threads = await get<{ id: string; title: string }[]>(api, "/api/v1/threads?limit=20");
  return threads.find(({ title }) => title.startsWith(`${script.id} `))?.id ?? null;
}

async function findTurn(api: Api, turnId: string): Promise<{ status: string; error: string | null } | null> {
  // A message whose turn was not begun yet when the server was killed was not acknowledged.
  return get<{ status: string; error: string | null }>(api, `/api/v1/turns/${turnId}`).catch(() => null);
}

/** The branch that is shown, which must be well-formed whatever happened. */
async function readHistory(api: Api, threadId: string): Promise<Entry[]> {
  const history = await get<Entry[]>(api, `/api/v1/threads/${threadId}/messages`);
  for (const [at, entry] of history.entries()) {
    assert.equal(entry.parent_id, history[at - 1]?.id ?? null, "a message is not below the one before it");
    if (entry.type === "tool") assert(entry.content !== "" || entry.error, "a tool call has neither result nor error");
  }
  return history;
}

function checkText({ script, seen }: Chat, parts: readonly Entry[], fate: Fate): void {
  const read = sinceReset(seen.events);
  const kinds = [
    ["message_tokens", "assistant", script.sent.text],
    ["thinking_tokens", "thinking", script.sent.thinking],
  ] as const;
  for (const [event, role, sent] of kinds) {
    const kept = textOfRole(parts, role);
    assert(sent.startsWith(kept), `the ${role} text that was kept is not what was sent`);
    assert(sent.startsWith(textOf(read, event)), `the ${role} text that was shown is not what was sent`);
    const lost = textOf(read, event).length - kept.length;
    assert(lost <= 0, `${lost} characters of ${role} text are lost that were shown`);
    if (fate === "done") assert.equal(kept, sent, "the turn is done without all of its text");
  }
  if (seen.events.at(-1)?.event === "stream_end") assert.equal(fate, "done", "a turn that was shown as done is not");
  for (const { event, data } of seen.events) {
    if (event !== "tool_result") continue;
    const entry = parts.find((part) => part.call_id === data.call_id);
    assert.equal(entry?.content, data.result ?? "", "the result of a tool is lost");
  }
}

function textOfRole(parts: readonly Entry[], role: string): string {
  return parts
    .filter((part) => part.role === role && (part.type === "text" || part.type === "thinking"))
    .map(({ content }) => content)
    .join("");
}

/** The client comes back with the last id that it has, and then has what the thread has. */
async function checkResume(api: Api, { seen }: Chat, parts: readonly Entry[], turnId: string): Promise<void> {
  const after = seen.events.at(-1)?.id ?? 0;
  const rest = followAfter(api, turnId, after);
  await rest.over;
  assert.equal(rest.broke, null, `a client could not come back at ${after}`);
  assert(!rest.events.some(({ event }) => event === "reset"), `a client that comes back at ${after} begins again`);
  checkFollowed([...seen.events, ...rest.events], parts);
}

/** All that a client has read of a turn by its end, which is what the thread has. */
function checkFollowed(read: Seen["events"], parts: readonly Entry[]): void {
  const all = sinceReset(read);
  assert.equal(
    textOf(all),
    textOfRole(parts, "assistant"),
    "a client that comes back has another text than the thread",
  );
  assert.equal(textOf(all, "thinking_tokens"), textOfRole(parts, "thinking"), "and another thinking");
  const count = (name: string) => all.filter(({ event }) => event === name).length;
  assert.equal(count("stream_end") + count("error"), 1, "a turn has not exactly one end");
  assert.equal(count("tool_result"), count("tool_call"), "a call has not exactly one result");
}

function sinceReset(events: Seen["events"]): Seen["events"] {
  return events.slice(events.findLastIndex(({ event }) => event === "reset") + 1);
}

async function checkContinue(api: Api, { script }: Chat, history: readonly Entry[], turnId: string): Promise<void> {
  const continued = continueTurn(api, turnId);
  await continued.over;
  assert.equal(continued.broke, null, "Continue failed");
  assert.equal(textOf(continued.events), continuation(script.id), "Continue failed");
  assert.equal(continued.events.at(-1)?.event, "stream_end", "Continue did not come to its end");
  const body = script.calls.at(-1);
  assert(body, "Continue did not ask the model");
  checkContext(body);
  for (const { turn_id, type, call_id, content } of history) {
    if (turn_id !== turnId || type !== "tool" || content === "") continue;
    const given: UpstreamMessage | undefined = body.messages.find((message) => message.tool_call_id === call_id);
    assert.equal(given?.content, content, "the model is not given a result that was obtained");
  }
}

async function checkNext(api: Api, { script }: Chat, threadId: string): Promise<void> {
  const id = script.id;
  script.isContinued = true;
  const next = sendMessage(api, { content: `${id} once more`, thread_id: threadId });
  await next.over;
  assert.equal(next.broke, null, "the next turn failed");
  assert.equal(textOf(next.events), continuation(id), "the next turn failed");
  assert.equal(next.events.at(-1)?.event, "stream_end", "the next turn did not come to its end");
  const body = script.calls.at(-1);
  if (body) checkContext(body);
  await readHistory(api, threadId);
}

/** Every call is answered by the tool messages right after it, as models insist. */
function checkContext({ messages }: UpstreamBody): void {
  for (const [at, message] of messages.entries()) {
    const calls = message.tool_calls ?? [];
    const answers = messages.slice(at + 1, at + 1 + calls.length);
    assert.deepEqual(
      answers.map((answer) => answer.tool_call_id),
      calls.map((call) => call.id),
      "a call in the context is not answered",
    );
  }
}
