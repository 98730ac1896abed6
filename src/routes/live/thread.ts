/**
 * Keeps one page's thread up to date: loads the state when something happened, sends what differs from what the page shows,
 * and while a reply is written lets that tell of itself.
 */

import type { Core, MessageData } from "../../protocols";
import { encodeSse } from "../../sse";
import { type Branch, loadBranch } from "../page/branch";
import { noteSeen } from "../page/seen";
import type { Reader } from "../reader";
import type { Replies } from "./replies";
import type { Reply } from "./reply";
import { difference, type Shown, shownAfter, shownOf, withLast } from "./shown";

export interface FollowedThread {
  /** Brings the page up to date, soon. Calls while that is under way lead to one more round. */
  sync(): void;
  leave(): void;
}

export interface ThreadOptions {
  readonly core: Core;
  readonly reader: Reader;
  readonly replies: Replies;
  readonly threadId: string;
  /** Cursor of what the page shows. */
  readonly after: string;
  readonly put: (message: Uint8Array) => void;
}

/** A reply that tells of itself, until `leave`. */
interface Followed {
  readonly reply: Reply;
  readonly leave: () => void;
}

export function followThread({ core, reader, replies, threadId, after, put }: ThreadOptions): FollowedThread {
  let shown: Shown | null = null;
  let cursor = after;
  let followed: Followed | null = null;
  let hasLeft = false;

  const join = async (branch: Branch): Promise<Followed | null> => {
    const base = branch.messages.messages.at(-1);
    if (!branch.live || !base) return null;
    const reply = await replies.open(reader, branch.live, base);
    return hasLeft ? null : { reply, leave: reply.follow(put) };
  };
  const round = async (): Promise<void> => {
    const branch = await loadBranch(core, reader, threadId);
    if (!branch || hasLeft) return;
    let before = shown ?? shownAfter(after, branch);
    if (followed && branch.live?.id !== followed.reply.turnId) {
      await followed.reply.ended;
      before = withLast(before, followed.reply.snapshot());
      followed.leave();
      followed = null;
    }
    if (followed) before = withLast(before, followed.reply.snapshot());
    else followed = await join(branch);
    // From here on nothing waits: what the reply tells must come after what is put now.
    const now = followed ? withReply(branch, followed.reply.snapshot()) : branch;
    const data = difference(core, reader.words, before, now);
    if (data !== "" || cursor !== now.cursor) put(encodeSse({ id: now.cursor, data }));
    cursor = now.cursor;
    shown = shownOf(now);
    if (!branch.live) await noteSeen(core, reader.user.username, branch.thread);
  };
  const sync = oneAtATime(async () => {
    // The page stays as it is until something happens again.
    await round().catch((error) =>
      core.log.error("A page could not be brought up to date", { thread: threadId, error }),
    );
  });
  return {
    sync,
    leave() {
      hasLeft = true;
      followed?.leave();
    },
  };
}

function withReply(branch: Branch, reply: MessageData): Branch {
  const messages = [...branch.messages.messages.slice(0, -1), reply];
  return { ...branch, messages: { ...branch.messages, messages } };
}

/** Runs `work` when called; calls meanwhile lead to one more run after it. */
function oneAtATime(work: () => Promise<void>): () => void {
  let isBusy = false;
  let isAsked = false;
  return async () => {
    isAsked = true;
    if (isBusy) return;
    isBusy = true;
    while (isAsked) {
      isAsked = false;
      await work();
    }
    isBusy = false;
  };
}
