/**
 * GET /api/v1/live: what concerns the user, as it happens. Ids belong to one listening process; after a gap that it cannot
 * fill, the client is told to reload with a `reset`.
 */

import { Elysia } from "elysia";
import type { Core } from "../protocols";
import { encodeSse } from "../sse";
import { type Fact, userTopic } from "../turn/facts";
import { session } from "./session";
import { streamResponse } from "./stream";

export function liveEventRoutes(core: Core) {
  return new Elysia()
    .use(session(core))
    .get(
      "/api/v1/live",
      ({ user, request, server }) =>
        streamResponse({ core, request, server, messages: (signal) => listen(core, user.username, signal) }),
      { user: true },
    );
}

const WAITING_AT_MOST = 1000; // Facts; a client that is so far behind reloads faster than it catches up.

async function* listen(core: Core, username: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let waiting: Fact[] = [];
  let wake: (() => void) | null = null;
  const unsubscribe = await core.bus.subscribe(userTopic(username), (fact) => {
    if (waiting.length < WAITING_AT_MOST) waiting.push(fact as unknown as Fact);
    wake?.();
  });
  signal.addEventListener("abort", () => wake?.(), { once: true });
  try {
    while (!signal.aborted && waiting.length < WAITING_AT_MOST) {
      const facts = waiting;
      waiting = [];
      for (const fact of facts) yield encodeFact(fact);
      if (waiting.length > 0 || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    unsubscribe();
  }
}

function encodeFact(fact: Fact): Uint8Array {
  const { type, ...ids } = fact;
  const data = Object.fromEntries(
    Object.entries(ids).map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]),
  );
  const timestamp = new Date().toISOString();
  return encodeSse({ data: JSON.stringify({ event: type.replaceAll("-", "_"), data: { ...data, timestamp } }) });
}
