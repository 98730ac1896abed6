/** What a page says of the user's other chats: that a call waits there for a yes or no, which the turn waits for. */

import type { Core, Fact } from "../../protocols";
import { encodeSse } from "../../sse";
import { partial } from "../partial";
import type { Reader } from "../reader";

export interface Elsewhere {
  hear(fact: Fact): void;
  /** Says what waits already; to be called once, when facts are heard. */
  begin(): Promise<void>;
}

/** `threadId` is what the page shows itself. */
export function createElsewhere(
  core: Core,
  { user, words }: Reader,
  threadId: string | null,
  put: (message: Uint8Array) => void,
): Elsewhere {
  /** Turns by the calls that wait. */
  const waiting = new Map<string, string>();
  /** Calls and turns, for what `begin` reads late. */
  const over = new Set<string>();
  const say = (elsewhereId: string | null): void => {
    const link = elsewhereId !== null && { link: { path: `/t/${elsewhereId}`, label: words.status.open } };
    const status = core.views.status({ text: link ? words.status.waiting : "", kind: "info", ...link }, words);
    put(encodeSse({ data: partial("status", "outerMorph", status) }));
  };
  const forget = (isOver: (call: string, turnId: string) => boolean): void => {
    const before = waiting.size;
    for (const [call, turnId] of waiting) if (isOver(call, turnId)) waiting.delete(call);
    if (before > 0 && waiting.size === 0) say(null);
  };

  return {
    hear(fact) {
      if (fact.type === "approval-asked" && fact.threadId !== threadId) {
        waiting.set(`${fact.turnId} ${fact.callId}`, fact.turnId);
        say(fact.threadId);
      } else if (fact.type === "approval-given") {
        over.add(`${fact.turnId} ${fact.callId}`);
        forget((call) => over.has(call));
      } else if (fact.type === "turn-ended") {
        over.add(fact.turnId);
        forget((_, turnId) => over.has(turnId));
      }
    },
    async begin() {
      for (const id of await core.turns.running(user)) {
        if (id === threadId) continue;
        const live = await core.turns.live(user, id);
        for (const part of live?.parts.filter((it) => live.waiting.includes(it.id)) ?? []) {
          const call = `${part.turnId} ${part.callId}`;
          if (waiting.has(call) || over.has(call) || over.has(part.turnId)) continue;
          waiting.set(call, part.turnId);
          say(id);
        }
      }
    },
  };
}
