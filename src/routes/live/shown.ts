/**
 * What one page shows of its thread, and how to bring it to the thread's present state with as little as will do: nothing,
 * the messages that are new, the one that changed last, or all. State is compared, not events, so it does not matter what
 * was missed.
 */

import type { Core, MessageData, Words } from "../../protocols";
import { type Branch, fingerprint } from "../page/branch";
import { partial } from "../partial";

export interface Shown {
  /** Fingerprints of its messages; null = not known. */
  readonly messages: readonly string[] | null;
  readonly liveTurnId: string | null;
  readonly title: string | null;
}

/** What a page shows that was made at the cursor `after`. Of a reply that was being written then, how far is not known. */
export function shownAfter(after: string, branch: Branch): Shown {
  if (after !== branch.cursor) return { messages: null, liveTurnId: null, title: null };
  const shown = shownOf(branch);
  const last = branch.messages.messages.at(-1);
  if (!branch.live || !last || !shown.messages) return shown;
  return { ...shown, messages: [...shown.messages.slice(0, -1), last.id] };
}

/** The page has been told of its last message by other means. */
export function withLast(shown: Shown, message: MessageData): Shown {
  if (!shown.messages) return shown;
  return { ...shown, messages: [...shown.messages.slice(0, -1), fingerprint(message)] };
}

export function shownOf({ messages, live, thread }: Branch): Shown {
  return { messages: messages.messages.map(fingerprint), liveTurnId: live?.id ?? null, title: thread.title };
}

/** Partials that lead from `shown` to `branch`. */
export function difference(core: Core, words: Words, shown: Shown, branch: Branch): string {
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

function messagesDifference(core: Core, words: Words, shown: Shown["messages"], { messages }: Branch): string {
  const list = messages.messages;
  const all = () => partial("messages", "outerMorph", core.views.messages(messages, words));
  if (shown === null || shown.length === 0 || list.length < shown.length) return all();
  const same = shown.findIndex((it, index) => it !== fingerprintAt(list, index));
  const isLastChanged = same === shown.length - 1 && idOf(shown[same]) === list[same]?.id;
  if (same !== -1 && !isLastChanged) return all();
  const [changed, added] = [isLastChanged ? list[same] : undefined, list.slice(shown.length)];
  const first = changed ? partial(changed.id, "outerMorph", core.views.message(changed, words)) : "";
  const markup = added.map((message) => core.views.message(message, words).markup).join("");
  return first + (markup && partial("messages", "beforeend", { markup }));
}

function fingerprintAt(list: readonly MessageData[], index: number): string | null {
  const message = list[index];
  return message ? fingerprint(message) : null;
}

function idOf(print: string | undefined): string | undefined {
  return print?.split(" ", 1)[0];
}
