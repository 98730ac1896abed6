/** Edits of a context, laid over the list in the order they were made. */

import type { ContextMessage, StoreRecord } from "../../protocols";

export interface Edit {
  readonly id: string;
  /** Id of the message that is changed, left out, followed, or the last one replaced; empty = the beginning. */
  readonly target: string;
  readonly kind: "text" | "remove" | "add" | "replace";
  readonly messages: readonly ContextMessage[];
}

export function toEdit(record: StoreRecord): Edit {
  return {
    id: record.id,
    target: String(record.target),
    kind: record.kind as Edit["kind"],
    messages: (record.messages ?? []) as unknown as readonly ContextMessage[],
  };
}

/** An edit whose target is not in the list belongs to another branch, or to what a later edit replaced: it has no effect. */
export function layOver(messages: readonly ContextMessage[], edits: readonly Edit[]): ContextMessage[] {
  let list = [...messages];
  for (const edit of edits) list = apply(list, edit);
  return list;
}

function apply(list: ContextMessage[], edit: Edit): ContextMessage[] {
  if (edit.target === "") return [...edit.messages, ...list];
  const at = list.findIndex(({ id }) => id === edit.target);
  const target = list[at];
  if (!target) return list;
  switch (edit.kind) {
    case "text":
      return list.with(at, { ...target, content: edit.messages[0]?.content ?? "" });
    case "remove":
      return removeAt(list, at);
    case "add":
      return list.toSpliced(afterResults(list, at), 0, ...edit.messages);
    case "replace":
      return [...edit.messages, ...list.slice(afterResults(list, at))];
  }
}

/** A model refuses calls without results and results without calls, so they go together. */
function removeAt(list: ContextMessage[], at: number): ContextMessage[] {
  const target = list[at];
  if (target?.role === "tool") return list.with(at, { ...target, content: "(removed)" });
  return list.toSpliced(at, afterResults(list, at) - at);
}

/** The index behind the message and the tool results that belong to it. */
function afterResults(list: readonly ContextMessage[], at: number): number {
  let end = at + 1;
  while (list[end]?.role === "tool") end++;
  return end;
}
