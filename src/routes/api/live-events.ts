/**
 * GET /api/v1/live: what concerns the user, as it happens. A client that comes back with the last id it saw gets what it
 * missed; when that is not known any more, it is told to reload by a `reset`. What was told lately is in a journal, which begins when the
 * first client listens and is forgotten some minutes after the last one left. Ids name the journal, so that one of an earlier
 * journal or of another process is known to be of no use here.
 */

import { Elysia } from "elysia";
import { takeSlot } from "../../basics/allowed";
import { EVERYBODY, userTopic } from "../../basics/facts";
import { perServer } from "../../basics/once";
import { encodePlace, encodeSse } from "../../basics/sse";
import type { Core, Fact, Json } from "../../protocols";
import { streamResponse } from "../http/stream";
import { findUser, session } from "../session/session";
import { LiveEvent, told } from "./json";
import { answers, eventStreamBody, resumes } from "./openapi";

export function liveEventRoutes(core: Core) {
  const journals = factJournals(core);
  return new Elysia().use(session(core)).get(
    "/api/v1/live",
    async ({ user, request, server }) => {
      // Before the first byte: a client that has the answer hears what happens from then on, in other processes too.
      const now = await journals.position(user.username);
      return streamResponse({
        core,
        slot: takeSlot(core, user.username),
        counted: "streams_live",
        request,
        server,
        async begin({ send }) {
          const lastEventId = request.headers.get("last-event-id");
          // Else a client that is cut off before the first event would come back without a place, and miss what was between.
          if (lastEventId === null) send(encodePlace(now));
          return journals.listen(user.username, lastEventId ?? now, (told) => send(encode(told)));
        },
        isAllowed: async () => (await findUser(core, request)) !== null,
      });
    },
    { user: true, detail: { ...answers(eventStreamBody(LiveEvent), 429), ...resumes } },
  );
}

function encode({ id, fact }: Told): Uint8Array {
  const message = { id, data: JSON.stringify(told(fact ?? { type: "reset" })) };
  return encodeSse(fact ? message : { ...message, event: "reset" });
}

const KEPT = 500; // Facts. A client that missed more reloads faster than it catches up.
const KEPT_MS = 10 * 60_000; // After the last client left: a laptop's short sleep.

export type Told = { readonly id: string; readonly fact: Fact } | { readonly id: string; readonly fact: null };

interface Journal {
  readonly name: string;
  readonly told: Told[];
  /** How many facts there were, of which the last ones are kept. */
  count: number;
  readonly listeners: Set<(told: Told) => void>;
  forget: Timer | undefined;
  readonly ends: (() => void)[];
}

/** The journals of facts of a server, which its pages and its API share. */
export const factJournals = perServer(createFactJournals);

function createFactJournals(core: Core) {
  const journals = new Map<string, Promise<Journal>>();

  const open = (username: string): Promise<Journal> => {
    const opened = journals.getOrInsertComputed(username, () => startJournal(core, username));
    opened.catch(() => journals.delete(username));
    return opened;
  };

  const leave = (username: string, journal: Journal): void => {
    if (journal.listeners.size > 0) return;
    clearTimeout(journal.forget);
    journal.forget = setTimeout(() => {
      journals.delete(username);
      for (const end of journal.ends) end();
    }, KEPT_MS);
    journal.forget.unref();
  };

  return {
    /** Id of the last fact until now: what happens after this moment is told after it. */
    async position(username: string): Promise<string> {
      const journal = await open(username);
      leave(username, journal);
      return placeIn(journal);
    },

    /**
     * Tells facts after the one with the id `after` (null = from now on), and then as they come, until the function returned is
     * called. A null fact comes first when `after` cannot be served: reload everything.
     */
    async listen(username: string, after: string | null, tell: (told: Told) => void): Promise<() => void> {
      const journal = await open(username);
      clearTimeout(journal.forget);
      for (const told of missedSince(journal, after) ?? [{ id: placeIn(journal), fact: null }]) tell(told);
      journal.listeners.add(tell);
      return () => {
        journal.listeners.delete(tell);
        leave(username, journal);
      };
    },
  };
}

async function startJournal(core: Core, username: string): Promise<Journal> {
  const name = Bun.randomUUIDv7();
  const journal: Journal = { name, told: [], count: 0, listeners: new Set(), forget: undefined, ends: [] };
  const tell = (message: Json): void => {
    journal.count += 1;
    const told = { id: placeIn(journal), fact: message as unknown as Fact };
    journal.told.push(told);
    if (journal.told.length > KEPT) journal.told.shift();
    for (const listener of [...journal.listeners]) listener(told);
  };
  for (const topic of [userTopic(username), EVERYBODY]) journal.ends.push(await core.bus.subscribe(topic, tell));
  return journal;
}

/** The id of the last fact until now. */
function placeIn({ name, count }: Journal): string {
  return `${name}.${count}`;
}

/** The facts that were told after the one of that id, or null when that one is not known any more. */
function missedSince({ name, told, count }: Journal, after: string | null): Told[] | null {
  if (after === null) return [];
  const [journal, digits] = after.split(".", 2);
  const missed = count - Number(digits);
  return journal === name && missed >= 0 && missed <= told.length ? told.slice(told.length - missed) : null;
}
