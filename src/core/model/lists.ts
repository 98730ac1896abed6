/**
 * The lists of models that endpoints give, kept for a minute. A list that is old is served while it is fetched again, so
 * that only the first page ever waits, and not for long.
 */

import { MODEL_NAME_MAX } from "../../basics/allowed";
import type { Log } from "../../protocols";
import { listSentence, readJson, refusalOf } from "./failure";

/** What gives a list. Known by its identity. */
export interface Lister {
  /** Of the owner; for the log. */
  readonly name: string;
  /** True = nobody configured it: that it does not answer is no news. */
  readonly isGuess?: boolean;
  /** Its address, for administrators; absent = it is not told. */
  readonly baseUrl?: string;
  /** What of its words nobody may see. */
  readonly apiKey?: string | null;
  readonly secrets?: readonly string[];
}

export interface Lists<Endpoint extends Lister> {
  /** Ids the endpoint offers now; empty while it is down. Never throws. */
  get(endpoint: Endpoint): Promise<readonly string[]>;
  /** Whether the endpoint did not give its list when it was last asked. */
  isDown(endpoint: Endpoint): boolean;
  /** For an administrator, why it offers nothing; null while it offers something, and of a guess. */
  whyMissing(endpoint: Endpoint): string | null;
  /** Whether the endpoint ever listed the model. */
  hasListed(endpoint: Endpoint, id: string): boolean;
}

const FRESH_MS = 60_000;
const RETRY_DOWN_MS = 5_000; // A server that was just started should show up at the next look.
const FIRST_WAIT_MS = 3_000; // As long as a person waits for a page; a slower endpoint shows up later.
const FETCH_MS = 15_000;
const GUESS_FETCH_MS = 1_000; // A server of this machine that does not answer in a second is none.

interface ListState {
  ids: readonly string[];
  seen: ReadonlySet<string>;
  isDown: boolean;
  /** Of the last time that it was asked, when it offered nothing. */
  why: string | null;
  staleAt: number;
  pending: Promise<void> | null;
  /** Resolves when the first list is there, or it has been waited for long enough. */
  firstWait: Promise<unknown> | null;
}

/**
 * `ask` requests a list, as OpenAI and others give it: JSON with a list of ids, or of objects that have one. `changed` is called when models came or
 * went after they were first known.
 *
 * @example
 * ```ts
 * const notes = { name: "notes", baseUrl: "https://notes.example" };
 * const ask = (endpoint: typeof notes, signal: AbortSignal) => fetchEndpoint(`${endpoint.baseUrl}/models`, { signal });
 * const lists = createLists(core.log, ask, () => core.log.info("Other models than before."));
 * const ids = await lists.get(notes);
 * ```
 */
export function createLists<Endpoint extends Lister>(
  log: Log,
  ask: (endpoint: Endpoint, signal: AbortSignal) => Promise<Response>,
  changed: () => void,
): Lists<Endpoint> {
  const states = new WeakMap<Endpoint, ListState>();

  const stateOf = (endpoint: Endpoint): ListState => {
    const known = states.get(endpoint);
    if (known) return known;
    const state: ListState = {
      ids: [],
      seen: new Set<string>(),
      isDown: false,
      why: null,
      staleAt: 0,
      pending: null,
      firstWait: null,
    };
    states.set(endpoint, state);
    return state;
  };

  const refresh = async (endpoint: Endpoint, state: ListState): Promise<void> => {
    const before = state.staleAt === 0 ? null : state.ids;
    try {
      const ids = await readList(
        await ask(endpoint, AbortSignal.timeout(endpoint.isGuess ? GUESS_FETCH_MS : FETCH_MS)),
      );
      if (state.isDown && !endpoint.isGuess) log.info("model endpoint answers again", { endpoint: endpoint.name });
      const why = ids.length > 0 ? null : `The endpoint “${endpoint.name}” answers, and offers no models.`;
      Object.assign(state, { ids, seen: new Set([...state.seen, ...ids]), isDown: false, why });
    } catch (error) {
      const isNews = !state.isDown && !endpoint.isGuess;
      const { name, baseUrl, apiKey = null, secrets = [] } = endpoint;
      const why = listSentence(error, { name, apiKey, secrets, ...(baseUrl !== undefined && { address: baseUrl }) });
      if (isNews) log.warn("model endpoint gives no list", { endpoint: name, reason: why });
      Object.assign(state, { ids: [], isDown: true, why });
    }
    state.staleAt = performance.now() + (state.isDown && !endpoint.isGuess ? RETRY_DOWN_MS : FRESH_MS);
    state.pending = null;
    if (before && !Bun.deepEquals(before, state.ids)) changed();
  };

  return {
    async get(endpoint) {
      const state = stateOf(endpoint);
      if (performance.now() >= state.staleAt) state.pending ??= refresh(endpoint, state);
      state.firstWait ??= Promise.race([state.pending, Bun.sleep(FIRST_WAIT_MS)]);
      await state.firstWait;
      return state.ids;
    },
    whyMissing(endpoint) {
      const { why, staleAt } = stateOf(endpoint);
      if (endpoint.isGuess) return null;
      return staleAt === 0 ? `The endpoint “${endpoint.name}” has not answered yet.` : why;
    },
    isDown: (endpoint) => stateOf(endpoint).isDown,
    hasListed: (endpoint, id) => stateOf(endpoint).seen.has(id),
  };
}

const MAX_LIST_BYTES = 8 * 1024 * 1024; // The longest list seen, OpenRouter's with all its prose, has 1 MB.
const MAX_IDS = 10_000;

async function readList(response: Response): Promise<string[]> {
  if (!response.ok) throw await refusalOf(response);
  const body = await readJson(response, MAX_LIST_BYTES);
  const list = listIn(body);
  const ids = list?.map(idOf).filter(isModelId) ?? [];
  if (list === null || (list.length > 0 && ids.length === 0))
    throw Object.assign(new Error("the answer is not a list of models"), { error: body });
  return [...new Set(ids)].slice(0, MAX_IDS);
}

/** OpenAI has it under `data`; others as it is, or under a name of their own. Null when there is none. */
function listIn(answer: unknown): readonly unknown[] | null {
  if (Array.isArray(answer)) return answer;
  if (typeof answer !== "object" || answer === null) return null;
  const { data, models, ...others } = answer as Record<string, unknown>;
  const named = [data, models, ...Object.values(others)].filter((it) => typeof it === "object" && it !== null);
  const list = named.find(Array.isArray);
  if (list) return list;
  // By id: each value says what the model is.
  const byId = [data, models].find((it) => typeof it === "object" && it !== null);
  if (!byId) return null;
  const inside = byId as { data?: unknown; models?: unknown };
  return listIn(inside.data) ?? listIn(inside.models) ?? Object.keys(byId);
}

function idOf(model: unknown): unknown {
  if (typeof model !== "object" || model === null) return model;
  const { id, name, model: ofItself, model_id, model_name, key } = model as Record<string, unknown>;
  return id ?? model_id ?? ofItself ?? model_name ?? name ?? key;
}

function isModelId(id: unknown): id is string {
  return typeof id === "string" && id.length <= MODEL_NAME_MAX && id.trim() !== "" && !/\p{Cc}/u.test(id);
}
