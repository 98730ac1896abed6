/** What strict endpoints refuse in a conversation: odd ids, names or arguments of calls, and results of calls that nobody made. */

import type { UpstreamMessage } from "./upstream";
import { type HttpAnswer, httpError } from "./upstream-answers";

export function refusalOf(messages: readonly UpstreamMessage[]): HttpAnswer | null {
  const made = new Set<string>();
  for (const { role, tool_calls = [], tool_call_id = "" } of messages) {
    if (role === "tool" && !made.has(tool_call_id)) return httpError(400, `no call has the id ${tool_call_id}`);
    for (const call of tool_calls) {
      const wrong = wrongIn(call.id, call.function);
      if (wrong !== null) return httpError(400, wrong);
      made.add(call.id);
    }
  }
  return null;
}

function wrongIn(id: string, called: { readonly name: string; readonly arguments: string }): string | null {
  if (!/^[a-zA-Z0-9_-]{1,40}$/.test(id)) return `the id ${id} of a call is too long or odd`;
  if (!/^[a-zA-Z0-9_-]{1,64}$/.test(called.name)) return `the name ${called.name} of a call does not match`;
  return isObject(called.arguments) ? null : `the arguments ${called.arguments} of a call are no JSON object`;
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
