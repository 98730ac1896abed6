/**
 * Keeps all pages that show one thread up to date: loads the state once when something happened, sends all of them what differs
 * from what they show, and while a reply is written lets that tell of itself. A page that joins is brought to that state by
 * its cursor.
 */

import { encodeSse } from "../../basics/sse";
import type { Core, MessageData } from "../../protocols";
import { type Branch, loadBranch } from "../page/branch";
import { noteSeen } from "../page/seen";
import { type LiveReply, openReply } from "../reply/live-reply";
import type { Reader } from "../session/session";
import { difference, type PageState, shownAfter, shownOf, withLast } from "./shown";

export interface ThreadFeed {
  /** Brings the pages up to date, soon. Calls while that is under way lead to one more round. */
  sync(): void;
  /** Tells a page, which was made at the cursor `after`, what to change, until the function returned is called. */
  join(after: string, put: Put): () => void;
  readonly isEmpty: boolean;
}

export type Put = (message: Uint8Array) => void;

/** A reply that tells of itself, until `leave`. */
interface Followed {
  readonly reply: LiveReply;
  readonly leave: () => void;
}

export function createThreadFeed(core: Core, reader: Reader, threadId: string): ThreadFeed {
  const pages = new Set<Put>();
  /** Those that are not up to date yet, with their cursors. */
  const joining = new Map<Put, string>();
  let shown: PageState | null = null;
  let cursor = "";
  let followed: Followed | null = null;
  const isEmpty = () => pages.size + joining.size === 0;

  const tell = (message: Uint8Array): void => {
    for (const put of pages) put(message);
  };
  const followReply = async (branch: Branch): Promise<Followed | null> => {
    const base = branch.messages.messages.at(-1);
    if (!branch.live || !base) return null;
    const reply = await openReply({ core, reader, turn: branch.live, base });
    return { reply, leave: reply.follow(tell) };
  };
  const leaveReply = (): void => {
    followed?.leave();
    followed = null;
  };
  const round = async (): Promise<void> => {
    // A page that comes later may know more than what is loaded now.
    const asking = [...joining];
    const branch = await loadBranch(core, reader, threadId);
    if (!branch || isEmpty()) return;
    void branch.later?.then(sync);
    if (followed && branch.live?.id !== followed.reply.turnId) {
      await followed.reply.ended;
      if (followed) shown = shown && withLast(shown, followed.reply.snapshot());
      leaveReply();
    }
    if (followed) shown = shown && withLast(shown, followed.reply.snapshot());
    else followed = await followReply(branch);
    if (isEmpty()) return leaveReply();
    // From here on nothing waits: what the reply tells must come after what is put now.
    const now = followed ? withReply(branch, followed.reply.snapshot()) : branch;
    const change = changeTo(now, cursor, shown);
    if (change && shown) tell(change);
    const changes = new Map<string, Uint8Array | null>();
    for (const [put, after] of asking) {
      if (!joining.delete(put)) continue;
      const own = changes.has(after) ? changes.get(after) : changeTo(now, after, shownAfter(after, branch));
      changes.set(after, own ?? null);
      if (own) put(own);
      pages.add(put);
    }
    cursor = now.cursor;
    shown = shownOf(now);
    if (!branch.live) await noteSeen(core, reader.user.username, branch.thread);
  };
  /** Null when there is nothing to tell. */
  const changeTo = (now: Branch, after: string, before: PageState | null): Uint8Array | null => {
    const data = before ? difference(core, reader.words, before, now) : "";
    return data === "" && after === now.cursor ? null : encodeSse({ id: now.cursor, data });
  };
  const sync = oneAtATime(async () => {
    // The pages stay as they are until something happens again.
    await round().catch((error) =>
      core.log.error("Pages could not be brought up to date", { thread: threadId, error }),
    );
  });
  return {
    sync,
    join(after, put) {
      joining.set(put, after);
      sync();
      return () => {
        joining.delete(put);
        pages.delete(put);
        if (isEmpty()) leaveReply();
      };
    },
    get isEmpty() {
      return isEmpty();
    },
  };
}

function withReply(branch: Branch, reply: MessageData): Branch {
  const messages = [...branch.messages.messages.slice(0, -1), reply];
  return { ...branch, messages: { ...branch.messages, messages } };
}

/** Runs `work` when called; calls meanwhile lead to one more run after it. */
export function oneAtATime(work: () => Promise<void>): () => void {
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
