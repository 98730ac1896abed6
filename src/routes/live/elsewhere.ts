/** What pages say of their user's other chats: that a call waits there for a yes or no, which the turn waits for. */

import { errorOf } from "../../basics/errors";
import { encodeSse } from "../../basics/sse";
import type { Core, Fact } from "../../protocols";
import { partial } from "../partial";
import type { Reader } from "../reader";
import type { OpenPage } from "./list";

export interface ElsewhereFeed {
  hear(fact: Fact): void;
  /** Tells the page what waits already, and from now on what comes. Facts must be heard from before this. */
  join(page: OpenPage): () => void;
}

interface Waiting {
  readonly turnId: string;
  readonly threadId: string;
}

export function createElsewhere(core: Core, { user, words }: Reader): ElsewhereFeed {
  const pages = new Set<OpenPage>();
  const waiting = new Map<string, Waiting>();
  /** Calls and turns that were over while what waits was read; null = that is known. */
  let over: Set<string> | null = new Set();
  let isReading = false;

  const say = (threadId: string | null): Uint8Array => {
    const link = threadId !== null && { link: { path: `/t/${threadId}`, label: words.status.open } };
    const status = core.views.status({ text: link ? words.status.waiting : "", kind: "info", ...link }, words);
    return encodeSse({ data: partial("status", "outerMorph", status) });
  };
  const lastFor = (page: OpenPage): string | null =>
    [...waiting.values()].findLast(({ threadId }) => threadId !== page.threadId)?.threadId ?? null;

  const note = (call: string, turnId: string, threadId: string): void => {
    waiting.set(call, { turnId, threadId });
    const said = say(threadId);
    for (const page of pages) if (page.threadId !== threadId) page.put(said);
  };
  const forget = (isOver: (call: string, turnId: string) => boolean): void => {
    const gone = [...waiting].filter(([call, { turnId }]) => isOver(call, turnId));
    if (gone.length === 0) return;
    for (const [call] of gone) waiting.delete(call);
    const nothing = say(null);
    for (const page of pages) {
      const hadOne = gone.some(([, { threadId }]) => threadId !== page.threadId);
      if (hadOne && lastFor(page) === null) page.put(nothing);
    }
  };
  const read = async (): Promise<void> => {
    for (const threadId of await core.turns.running(user)) {
      const live = await core.turns.live(user, threadId);
      for (const part of live?.parts.filter((it) => live.waiting.includes(it.id)) ?? []) {
        const call = `${part.turnId} ${part.callId}`;
        if (!waiting.has(call) && !over?.has(call) && !over?.has(part.turnId)) note(call, part.turnId, threadId);
      }
    }
    over = null;
  };
  /** After a failure the next page has it read again. */
  const readOnce = async (): Promise<void> => {
    isReading = true;
    await read().catch((error) => core.log.error("Pages were not told what waits", { error: errorOf(error) }));
    isReading = false;
  };

  return {
    hear(fact) {
      if (fact.type === "approval-asked") note(`${fact.turnId} ${fact.callId}`, fact.turnId, fact.threadId);
      else if (fact.type === "approval-given") {
        const given = `${fact.turnId} ${fact.callId}`;
        over?.add(given);
        forget((call) => call === given);
      } else if (fact.type === "turn-ended") {
        over?.add(fact.turnId);
        forget((_, turnId) => turnId === fact.turnId);
      }
    },
    join(page) {
      const last = lastFor(page);
      if (last !== null) page.put(say(last));
      pages.add(page);
      if (over && !isReading) void readOnce();
      return () => pages.delete(page);
    },
  };
}
