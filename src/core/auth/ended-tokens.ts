/**
 * Tokens that were ended before their time. They lie in the store until they would have expired anyway, and in the memory of
 * each process, which the bus tells of others: so a request asks no store.
 */

import { errorOf, isAppError } from "../../basics/errors";
import type { Core, Json, JsonObject } from "../../protocols";
import type { Claims } from "./tokens";

export interface EndedTokens {
  has(claims: Claims): boolean;
  end(claims: Claims): Promise<void>;
  endAll(username: string): Promise<void>;
  /** When a token of the user may say that it was made: now, and after all that were ended together. */
  madeMs(username: string): number;
}

const STORE = "ended_tokens";
const TOPIC = "tokens-ended";
const PER_USER = 20_000; // One a minute for a week, and a few megabytes. Whoever ends more ends all of theirs instead.
const FORGET_EVERY = 100; // Tokens of one user, between which those that have expired are forgotten.
const CLEAN_MS = 3_600_000;
const CLEANED = 1000; // Records at a time.

/** As it lies in the store and goes over the bus. */
interface End extends JsonObject {
  readonly username: string;
  /** Of the token; null = all that were made until `made`. */
  readonly token: string | null;
  /** Milliseconds. */
  readonly made: number;
  /** When the token expires, in milliseconds; null when all were ended, which holds for ever. */
  readonly until: number | null;
}

interface UserEnds {
  madeMs: number;
  /** When each expires, by id. */
  readonly tokens: Map<string, number>;
}

/** Reads what was ended before. Rejects when the store cannot be read. */
export async function openEndedTokens(core: Core): Promise<EndedTokens> {
  const users = new Map<string, UserEnds>();
  const note = (end: End): void => noteEnd(users, end);
  let cleanedMs = performance.now();

  const tell = async (end: End): Promise<void> => {
    // First, so that this process is right whatever fails.
    note(end);
    await keep(core, end);
    try {
      await core.bus.publish(TOPIC, end);
    } catch (error) {
      core.log.error("The bus did not tell others of a token that was ended", { error: errorOf(error) });
    }
    if (performance.now() - cleanedMs < CLEAN_MS) return;
    cleanedMs = performance.now();
    await clean(core);
  };
  const endAll = (username: string) => tell({ username, token: null, made: Date.now(), until: null });

  await core.store.createStoreIfNotExists(STORE, { username: "str", token: "str", made: "int", until: "int" });
  await clean(core);
  // Before reading, so that nothing is missed in between.
  await core.bus.subscribe(TOPIC, (message: Json) => note(message as End));
  for (const record of await core.store.find(null, STORE)) note(record as unknown as End);

  return {
    has({ username, id, madeMs }) {
      const ends = users.get(username);
      return ends !== undefined && (madeMs <= ends.madeMs || ends.tokens.has(id));
    },
    end({ username, id, madeMs, expiresMs }) {
      if ((users.get(username)?.tokens.size ?? 0) >= PER_USER) return endAll(username);
      return tell({ username, token: id, made: madeMs, until: expiresMs });
    },
    endAll,
    // A clock that was set back must not make tokens that have ended already.
    madeMs: (username) => Math.max(Date.now(), (users.get(username)?.madeMs ?? 0) + 1),
  };
}

function noteEnd(users: Map<string, UserEnds>, { username, token, made, until }: End): void {
  const ends = users.get(username) ?? { madeMs: 0, tokens: new Map<string, number>() };
  users.set(username, ends);
  if (token === null) {
    ends.madeMs = Math.max(ends.madeMs, made);
    ends.tokens.clear();
    return;
  }
  if (ends.tokens.size % FORGET_EVERY === FORGET_EVERY - 1) {
    for (const [id, expiresMs] of ends.tokens) if (expiresMs <= Date.now()) ends.tokens.delete(id);
  }
  if (made > ends.madeMs) ends.tokens.set(token, until ?? Number.POSITIVE_INFINITY);
}

/** One record for each token, and one for all of a user. */
async function keep(core: Core, end: End): Promise<void> {
  const id = `${end.token ?? "all"} ${end.username}`;
  try {
    await core.store.add(null, STORE, end, id);
  } catch (error) {
    if (!isAppError(error) || error.code !== "conflict") throw error;
    if (end.token === null) await core.store.update(null, STORE, id, { made: end.made }, { made: { lt: end.made } });
  }
}

async function clean(core: Core): Promise<void> {
  const expired = { where: { until: { lt: Date.now() } }, limit: CLEANED, select: [] };
  for (const { id } of await core.store.find(null, STORE, expired)) await core.store.delete(null, STORE, id);
}
