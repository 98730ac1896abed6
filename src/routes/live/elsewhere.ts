/** What a page says of the user's other chats: that a call waits there for a yes or no, which the turn waits for. */

import type { Core, Fact, StatusData, Words } from "../../protocols";
import { encodeSse } from "../../sse";
import { partial } from "../partial";

/** Takes what happened and gives what the page is to say now, encoded, or null. `threadId` is what the page shows itself. */
export function createElsewhere(core: Core, words: Words, threadId: string | null): (fact: Fact) => Uint8Array | null {
  /** Turns by the calls that wait. */
  const waiting = new Map<string, string>();
  const say = (status: StatusData): Uint8Array =>
    encodeSse({ data: partial("status", "outerMorph", core.views.status(status, words)) });

  return (fact) => {
    if (fact.type === "approval-asked" && fact.threadId !== threadId) {
      waiting.set(`${fact.turnId} ${fact.callId}`, fact.turnId);
      const link = { path: `/t/${fact.threadId}`, label: words.status.open };
      return say({ text: words.status.waiting, kind: "info", link });
    }
    if (waiting.size === 0) return null;
    if (fact.type === "approval-given") waiting.delete(`${fact.turnId} ${fact.callId}`);
    else if (fact.type === "turn-ended") {
      for (const [call, turnId] of waiting) if (turnId === fact.turnId) waiting.delete(call);
    }
    return waiting.size === 0 ? say({ text: "", kind: "info" }) : null;
  };
}
