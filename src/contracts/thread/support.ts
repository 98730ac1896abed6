/** A person named ann, who writes; for the cases about threads. */

import type { Core, NewMessage } from "../../protocols";

export function userMessage(parentId: string | null, content: string): NewMessage {
  return { parentId, role: "user", type: "text", content, turnId: "turn", step: 0 };
}

export async function say(
  core: Core,
  threadId: string,
  parentId: string | null,
  content: string,
  at?: string,
): Promise<string> {
  const message = { ...userMessage(parentId, content), ...(at && { timestamp: at }) };
  return (await core.thread.append("ann", threadId, message)).id;
}

export async function texts(core: Core, threadId: string): Promise<string[]> {
  return (await core.thread.messages("ann", threadId)).map(({ content }) => content);
}

export function isNotFound(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "notFound";
}
