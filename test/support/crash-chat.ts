/** The chats of one round of the crash harness: what each sends, who follows it, and how its calls are answered. */

import { type Api, answerCall, followAfter, type Seen, sendMessage } from "./crash-client";
import { createScript, type Script } from "./crash-script";
import type { Random } from "./random";

/** One of the history. */
export interface Entry {
  readonly id: string;
  readonly parent_id: string | null;
  readonly role: string;
  readonly type: string;
  readonly content: string;
  readonly turn_id: string;
  readonly call_id?: string;
  readonly name?: string;
  readonly arguments?: { readonly n?: string };
  readonly approved?: boolean;
  readonly error?: string;
}

export interface Chat {
  readonly script: Script;
  readonly seen: Seen;
  /** Known before when the chat went on in an older thread. */
  readonly threadId: string | null;
  /** Whether the server that it was sent to goes on. */
  readonly isSpared: boolean;
  /** At a server that goes on, since the turn began. */
  readonly followers: Seen[];
  readonly answers: Answered[];
}

/** What was said about a call that waited for a yes or no. */
export interface Answered {
  readonly callId: string;
  readonly approve: boolean;
  /** The server has said that it took the answer. */
  isAcknowledged: boolean;
  /** Resolves when it has, or the connection broke. */
  readonly over: Promise<void>;
}

export interface ChatOptions {
  readonly scripts: Map<string, Script>;
  readonly random: Random;
  /** Threads to go on in. */
  readonly threads: string[];
  /** Whether its tools want a yes. */
  readonly asks: boolean;
  readonly isSpared: boolean;
}

export function startChat(api: Api, { scripts, random, threads, asks, isSpared }: ChatOptions): Chat {
  const script = createScript(`turn-${scripts.size + 1}`, random, asks);
  scripts.set(script.id, script);
  // Taken, because one turn at a time runs in a thread.
  const threadId = random.chance(0.6) ? (threads.shift() ?? null) : null;
  const body = { content: `${script.id} goes.`, ...(threadId && { thread_id: threadId }) };
  return { script, threadId, isSpared, seen: sendMessage(api, body), followers: [], answers: [] };
}

/** Follows the turn at another server, from when it is known there. */
export async function followAt(api: Api, { seen, followers }: Chat): Promise<void> {
  await eachEvent(seen, ({ event, data }) => {
    if (event === "thread_id" && data.turn_id) followers.push(followAfter(api, data.turn_id, 0));
  });
}

/** Says yes or no to each call that waits, a little after it was asked. */
export async function answerCalls(api: Api, { seen, answers }: Chat, random: Random): Promise<void> {
  const turnId = () => seen.events[0]?.data.turn_id ?? "";
  await eachEvent(seen, async ({ event, data }) => {
    if (event !== "approval_asked") return;
    await Bun.sleep(random.integer(0, 60));
    const approve = random.chance(0.7);
    const answered = { callId: String(data.call_id), approve, isAcknowledged: false };
    const over = answerCall(api, turnId(), answered.callId, approve).then(
      (response) => {
        all.isAcknowledged = response.ok;
      },
      () => {}, // The server was killed, and nobody knows whether it took the answer.
    );
    const all: Answered = Object.assign(answered, { over });
    answers.push(all);
  });
}

async function eachEvent(seen: Seen, tell: (event: Seen["events"][number]) => void): Promise<void> {
  let isOver = false;
  void seen.over.then(() => {
    isOver = true;
  });
  for (let at = 0; !isOver; await Bun.sleep(1)) {
    for (; at < seen.events.length; at++) {
      const event = seen.events[at];
      if (event) tell(event);
    }
  }
}
