/**
 * What one page shows of its thread, and how to bring it to the thread's present state with as little as will do: nothing,
 * the messages that are new or have changed, or all. State is compared, not events, so it does not matter what
 * was missed.
 */

import type { Core, MessageData, Words } from "../../protocols";
import { partial } from "../http/respond";
import { type Branch, fingerprint } from "../page/branch";

export interface PageState {
  /** Fingerprints of its messages; null = not known. */
  readonly messages: readonly string[] | null;
  readonly liveTurnId: string | null;
  readonly title: string | null;
}

/** What a page shows that was made at the cursor `after`. Of a reply that was being written then, how far is not known. */
export function shownAfter(after: string, branch: Branch): PageState {
  if (after !== branch.cursor) return { messages: null, liveTurnId: null, title: null };
  const shown = shownOf(branch);
  const last = branch.messages.messages.at(-1);
  if (!branch.live || !last || !shown.messages) return shown;
  return { ...shown, messages: [...shown.messages.slice(0, -1), last.id] };
}

/** The page has been told of its last message by other means. */
export function withLast(shown: PageState, message: MessageData): PageState {
  if (!shown.messages) return shown;
  return { ...shown, messages: [...shown.messages.slice(0, -1), fingerprint(message)] };
}

export function shownOf({ messages, live, thread }: Branch): PageState {
  return { messages: messages.messages.map(fingerprint), liveTurnId: live?.id ?? null, title: thread.title };
}

/** Partials that lead from `shown` to `branch`. */
export function difference(core: Core, words: Words, shown: PageState, branch: Branch): string {
  const { thread, live } = branch;
  let markup = messagesDifference(core, words, shown.messages, branch);
  const liveTurnId = live?.id ?? null;
  if (shown.messages === null || shown.liveTurnId !== liveTurnId) {
    markup += partial("go", "outerHTML", core.views.go({ threadId: thread.id, liveTurnId }, words));
  }
  if (shown.title !== thread.title) {
    markup += partial("title", "outerMorph", core.views.title(thread, words));
    markup += partial("page-title", "innerHTML", core.views.pageTitle(thread, words));
  }
  return markup;
}

function messagesDifference(core: Core, words: Words, shown: PageState["messages"], { messages }: Branch): string {
  const { views } = core;
  const list = messages.messages;
  // The page may show more above: what is loaded now begins further down, or the reader went upwards.
  const start = shown?.findIndex((print) => idOf(print) === list[0]?.id) ?? -1;
  if (!shown || start < 0) return partial("messages", "outerMorph", views.messages(messages, words));
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
    ...gone.map((id) => partial(id, "delete", { markup: "" })),
    replaced === undefined
      ? markup && partial("messages", "beforeend", { markup })
      : partial(replaced, markup ? "outerHTML" : "delete", { markup }),
  ].join("");
}

/** What a user wrote stays, and may be under their hands in a form. */
function tellChanged({ views }: Core, words: Words, message: MessageData): string {
  if (message.role === "user") return partial(`${message.id}-foot`, "outerMorph", views.messageFoot(message, words));
  return partial(message.id, "outerMorph", views.message(message, words));
}

function idOf(print: string): string {
  return print.split(" ", 1)[0] ?? "";
}
