/**
 * Keeps all pages that show one thread up to date. When something happened, the branch is loaded once, compared with the branch that the pages
 * show, and the difference is sent to all of them. While a reply is written, the reply tells the pages itself how it grows. A page that joins
 * has the branch of its cursor and is sent the difference from that. A page that missed events needs none of them, since states are compared.
 */

import { errorOf } from "../../basics/errors";
import { createCoalesced } from "../../basics/once";
import { pageIds } from "../../basics/page-ids";
import { encodeSse } from "../../basics/sse";
import type { Core, MessageData, Words } from "../../protocols";
import { fragment } from "../http/respond";
import { type Branch, fingerprint, loadBranch, noteSeen } from "../page/branch";
import { type LiveReply, openReply } from "../reply/growing-reply";
import type { Reader } from "../session/session";

export interface ThreadFeed {
  /** Brings the pages up to date, soon. Calls while that is under way lead to one more round. */
  sync(): void;
  /** Tells a page, which was made at the cursor `after`, what to change, until the function returned is called. */
  join(after: string, put: Put): () => void;
  readonly isEmpty: boolean;
}

export type Put = (message: Uint8Array) => void;

export function createThreadFeed(core: Core, reader: Reader, threadId: string): ThreadFeed {
  const pages = new Set<Put>();
  /** Pages that are not up to date yet, with their cursors. */
  const joining = new Map<Put, string>();
  let shown: PageState | null = null;
  let cursor = "";
  let reply: LiveReply | null = null;
  const isEmpty = () => pages.size + joining.size === 0;

  const tell = (message: Uint8Array): void => {
    for (const put of pages) put(message);
  };
  const leaveReply = (): void => {
    reply?.close();
    reply = null;
  };
  /** From then on the pages show the reply as the thread keeps it, or, if the thread has none of it, as it was told. */
  const endReply = async ({ messages }: Branch): Promise<void> => {
    await reply?.ended;
    if (!reply) return;
    const kept = messages.messages.find(({ id, turn }) => id === reply?.id && turn?.id === reply.turnId);
    if (kept) tell(encodeSse({ data: reply.endAs(kept) }));
    shown = shown && withLast(shown, fingerprint(kept ?? reply.snapshot()));
    leaveReply();
  };
  const followReply = async ({ live, messages }: Branch): Promise<void> => {
    const base = messages.messages.at(-1);
    if (live && base) reply = await openReply({ core, reader, turn: live, base, tell });
  };
  const round = async (): Promise<void> => {
    // A page that joins during the load may know more than the branch loaded, so it waits for the next round.
    const asking = [...joining];
    const branch = await loadBranch(core, reader, threadId);
    if (!branch || isEmpty()) return;
    void branch.later?.then(sync);
    if (reply && reply.turnId !== branch.live?.id) await endReply(branch);
    if (reply) shown = shown && withLast(shown, fingerprint(reply.snapshot()));
    else await followReply(branch);
    if (isEmpty()) return leaveReply();
    show(branch, asking);
    if (!branch.live) await noteSeen(core, reader.user.username, branch.thread);
  };
  /** Sends the pages what differs. Awaits nothing: a page must get the difference before the reply tells it more. */
  const show = (branch: Branch, asking: readonly (readonly [Put, string])[]): void => {
    const now = reply ? withReply(branch, reply.snapshot()) : branch;
    const change = changeTo(now, cursor, shown);
    if (change && shown) tell(change);
    for (const [after, puts] of Map.groupBy(asking, ([, after]) => after)) {
      const own = changeTo(now, after, shownAfter(after, branch));
      for (const [put] of puts) {
        if (!joining.delete(put)) continue;
        if (own) put(own);
        pages.add(put);
      }
    }
    cursor = now.cursor;
    shown = shownOf(now);
  };
  /** Null when there is nothing to tell. */
  const changeTo = (now: Branch, after: string, before: PageState | null): Uint8Array | null => {
    const data = before ? difference(core, reader.words, before, now) : "";
    return data === "" && after === now.cursor ? null : encodeSse({ id: now.cursor, data });
  };
  const coalesce = createCoalesced<void>();
  const sync = (): void => {
    // The pages stay as they are until something happens again.
    const failed = (error: unknown) =>
      core.log.error("Pages could not be brought up to date", { thread: threadId, error: errorOf(error) });
    void coalesce("", () => round().catch(failed));
  };
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

interface PageState {
  /** Fingerprints of its messages. */
  readonly messages: readonly string[];
  /** Undefined = not known, and so for the title. */
  readonly liveTurnId: string | null | undefined;
  readonly title: string | undefined;
}

/** What a page shows that was made at the cursor `after`. Of a reply that was being written then, how far is not known. */
function shownAfter(after: string, branch: Branch): PageState {
  if (after !== branch.cursor) return { messages: [], liveTurnId: undefined, title: undefined };
  const last = branch.messages.messages.at(-1);
  return branch.live && last ? withLast(shownOf(branch), last.id) : shownOf(branch);
}

/** The page has been told of its last message by other means. */
function withLast(shown: PageState, print: string): PageState {
  return { ...shown, messages: [...shown.messages.slice(0, -1), print] };
}

function shownOf({ messages, live, thread }: Branch): PageState {
  return { messages: messages.messages.map(fingerprint), liveTurnId: live?.id ?? null, title: thread.title };
}

/** Fragments that lead a page from `shown` to `branch`. */
function difference(core: Core, words: Words, shown: PageState, branch: Branch): string {
  const { thread, live } = branch;
  let markup = messagesDifference(core, words, shown.messages, branch);
  const liveTurnId = live?.id ?? null;
  if (shown.liveTurnId !== liveTurnId) {
    markup += fragment("go", "outerHTML", core.views.go({ threadId: thread.id, liveTurnId }, words));
  }
  if (shown.title !== thread.title) {
    markup += fragment("title", "outerMorph", core.views.title(thread, words));
    markup += fragment("page-title", "innerHTML", core.views.pageTitle(thread, words));
  }
  return markup;
}

function messagesDifference(core: Core, words: Words, shown: PageState["messages"], { messages }: Branch): string {
  const { views } = core;
  const list = messages.messages;
  // The page may show more above: what is loaded now begins further down, or the reader went upwards.
  const start = shown.findIndex((print) => idOf(print) === list[0]?.id);
  if (start < 0) return fragment("messages", "outerMorph", views.messages(messages, words));
  const old = shown.slice(start);
  const firstOther = old.findIndex((print, index) => idOf(print) !== list[index]?.id);
  const same = firstOther < 0 ? old.length : firstOther;
  const changed = list.slice(0, same).filter((message, index) => fingerprint(message) !== old[index]);
  const [replaced, ...gone] = old.slice(same).map(idOf);
  const markup = list
    .slice(same)
    .map((message) => views.message(message, words).markup)
    .join("");
  return [
    ...changed.map((message) => tellChanged(core, words, message)),
    ...gone.map((id) => fragment(id, "delete", { markup: "" })),
    replaced === undefined
      ? markup && fragment("messages", "beforeend", { markup })
      : fragment(replaced, markup ? "outerHTML" : "delete", { markup }),
  ].join("");
}

/** What a user wrote stays, and may be under their hands in a form. */
function tellChanged({ views }: Core, words: Words, message: MessageData): string {
  if (message.role === "user")
    return fragment(pageIds.foot(message.id), "outerMorph", views.messageFoot(message, words));
  return fragment(message.id, "outerMorph", views.message(message, words));
}

function idOf(print: string): string {
  return print.split(" ", 1)[0] ?? "";
}
