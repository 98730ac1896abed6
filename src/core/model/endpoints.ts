/**
 * Which endpoints there are: those of `models.yaml`; without that file the one of OPENAI_API_KEY and OPENAI_BASE_URL; without those the model
 * servers that people usually run on their own machine, of which the list tells which answer. How they are asked, and what models they list.
 */

import { join } from "node:path";
import { MODEL_NAME_MAX } from "../../basics/allowed";
import { isRecord } from "../../basics/json";
import { within } from "../../basics/within";
import type { Core, Log } from "../../protocols";
import { createYamlFile } from "../yaml-file";
import { listSentence, readAnswer, refusalOf } from "./failure";
import { type Endpoint, parseEndpoints } from "./models-yaml";

export interface EndpointOptions {
  /** Value of an environment variable that the owner's file names; null = not set. */
  readonly secret: (name: string) => string | null;
  /** Where to look for servers of this machine; default LOCAL_SERVERS. */
  readonly localServers?: Readonly<Record<string, string>>;
}

const LOCAL_SERVERS = {
  ollama: "http://127.0.0.1:11434/v1",
  "lm-studio": "http://127.0.0.1:1234/v1",
  "llama.cpp": "http://127.0.0.1:8080/v1",
};

const OPENAI_URL = "https://api.openai.com/v1";

/** The endpoints as they are now: the same objects until the configuration changes, so that they can key what is known of them. */
export function createEndpoints(
  core: Core,
  { secret, localServers = LOCAL_SERVERS }: EndpointOptions,
): () => readonly Endpoint[] {
  const { config, log } = core;
  const file = createYamlFile<readonly Endpoint[] | null>({
    path: join(config.dataPath, "models.yaml"),
    missing: null,
    parse(content) {
      const { endpoints, problems } = parseEndpoints(content, secret);
      for (const problem of problems) log.warn(`models.yaml: ${problem} It is left out.`);
      return endpoints;
    },
    log,
  });
  const { openaiApiKey, openaiBaseUrl } = config;
  const unlisted =
    openaiApiKey === null && openaiBaseUrl === null
      ? Object.entries(localServers).map(([name, baseUrl]) => endpoint(name, baseUrl, null, true))
      : [endpoint("openai", openaiBaseUrl ?? OPENAI_URL, openaiApiKey, false)];
  return () => file.get() ?? unlisted;
}

function endpoint(name: string, baseUrl: string, apiKey: string | null, isGuess: boolean): Endpoint {
  return { name, baseUrl: baseUrl.replace(/\/+$/, ""), apiKey, models: [], isAsked: true, parameters: {}, isGuess };
}

/** The address of something that the endpoint has, such as `/models`. */
export function endpointAddress({ baseUrl }: Endpoint, path: string): string {
  const url = new URL(baseUrl);
  url.pathname = url.pathname.replace(/\/+$/, "") + path;
  url.hash = "";
  return url.href;
}

/**
 * The only place where requests to endpoints leave: with a body by POST. Not by the `openai` package: of an error it keeps one form alone, and
 * it would add whatever OPENAI_CUSTOM_HEADERS, OPENAI_ORG_ID and their like say, and a description of this machine.
 */
export function send(endpoint: Endpoint, path: string, signal: AbortSignal, body?: string): Promise<Response> {
  const headers = {
    accept: "application/json, text/event-stream",
    ...(endpoint.apiKey !== null && { authorization: `Bearer ${endpoint.apiKey}` }),
    ...(body !== undefined && { "content-type": "application/json" }),
    ...endpoint.headers,
  };
  const sent = body === undefined ? { method: "GET" } : { method: "POST", body };
  return fetchEndpoint(endpointAddress(endpoint, path), { ...sent, headers, signal });
}

/**
 * `fetch` for addresses that the owner named: past a proxy of the environment where the address is near, and without the time limit of Bun,
 * which would give up after five minutes without a byte: the caller's signal is what counts. Plugins get it from `skeleton`.
 *
 * @example
 * ```ts
 * const body = JSON.stringify(call.messages);
 * const answer = await fetchEndpoint("http://models.local:8080/chat", { method: "POST", body, signal });
 * ```
 */
export function fetchEndpoint(url: string | URL, init: RequestInit = {}): Promise<Response> {
  // Bun's types lack `proxy: false`: no proxy of the environment is asked.
  return fetch(url, { ...init, timeout: false, ...(isNear(String(url)) && ({ proxy: false } as object)) });
}

/**
 * Whether the address is of this machine or its own network, which a proxy of the environment (HTTP_PROXY) cannot reach or should not: what
 * runs beside the server would be looked for on the proxy's machine.
 */
function isNear(url: string): boolean {
  const host = (URL.parse(url)?.hostname ?? "").toLowerCase();
  if (host.startsWith("[")) return /^\[(?:::1|f[cd]|fe80:)/.test(host);
  if (/^(?:127|10)\.[\d.]+$|^192\.168\.[\d.]+$|^172\.(?:1[6-9]|2\d|3[01])\.[\d.]+$|^169\.254\.[\d.]+$/.test(host))
    return true;
  return !host.includes(".") || /\.(?:localhost|local|internal|lan|home\.arpa)$/.test(host);
}

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

interface ListState {
  ids: readonly string[];
  seen: ReadonlySet<string>;
  isDown: boolean;
  /** Why it offers nothing; null when it does. */
  why: string | null;
  /** 0 = it was never asked. */
  staleAt: number;
  pending: Promise<void> | null;
  /** Resolves when the first list is there, or it has been waited for long enough. */
  firstWait: Promise<unknown> | null;
}

const FRESH_MS = 60_000;
const RETRY_DOWN_MS = 5_000; // A server that was just started should show up at the next look.
const FIRST_WAIT_MS = 3_000; // As long as a person waits for a page; a slower endpoint shows up later.
const FETCH_MS = 15_000;
const GUESS_FETCH_MS = 1_000; // A server of this machine that does not answer in a second is none.

/**
 * The lists that endpoints give, kept for a minute. A list that is old is served while it is fetched again, so that only the first page ever
 * waits, and not for long. `ask` requests a list, as OpenAI and others give it: JSON with a list of ids, or of objects that have one.
 * `changed` is called when models came or went after they were first known.
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

  const stateOf = (endpoint: Endpoint): ListState => states.getOrInsertComputed(endpoint, nothingListed);

  const refresh = async (endpoint: Endpoint, state: ListState): Promise<void> => {
    const { name, isGuess = false, apiKey = null, baseUrl } = endpoint;
    const { ids: before, isDown: wasDown, staleAt } = state;
    try {
      const response = await ask(endpoint, AbortSignal.timeout(isGuess ? GUESS_FETCH_MS : FETCH_MS));
      const ids = await readList(response);
      const why = ids.length > 0 ? null : `The endpoint “${name}” answers, and offers no models.`;
      Object.assign(state, { ids, seen: new Set([...state.seen, ...ids]), isDown: false, why });
      if (wasDown && !isGuess) log.info("model endpoint answers again", { endpoint: name });
    } catch (error) {
      const why = listSentence(error, { ...endpoint, apiKey, address: baseUrl });
      Object.assign(state, { ids: [], isDown: true, why });
      if (!wasDown && !isGuess) log.warn("model endpoint gives no list", { endpoint: name, reason: why });
    }
    state.staleAt = performance.now() + (state.isDown && !isGuess ? RETRY_DOWN_MS : FRESH_MS);
    state.pending = null;
    if (staleAt > 0 && !Bun.deepEquals(before, state.ids)) changed();
  };

  return {
    async get(endpoint) {
      const state = stateOf(endpoint);
      if (performance.now() >= state.staleAt) state.pending ??= refresh(endpoint, state);
      state.firstWait ??= within(state.pending ?? Promise.resolve(), { ms: FIRST_WAIT_MS }, () => {});
      await state.firstWait;
      return state.ids;
    },
    whyMissing: (endpoint) => (endpoint.isGuess ? null : stateOf(endpoint).why),
    isDown: (endpoint) => stateOf(endpoint).isDown,
    hasListed: (endpoint, id) => stateOf(endpoint).seen.has(id),
  };
}

function nothingListed({ name }: Lister): ListState {
  const why = `The endpoint “${name}” has not answered yet.`;
  return { ids: [], seen: new Set(), isDown: false, why, staleAt: 0, pending: null, firstWait: null };
}

const MAX_LIST_BYTES = 8 * 1024 * 1024; // The longest list seen, OpenRouter's with all its prose, has 1 MB.
const MAX_IDS = 10_000;

async function readList(response: Response): Promise<string[]> {
  if (!response.ok) throw await refusalOf(response);
  const body = await readAnswer(response, MAX_LIST_BYTES);
  const list = listIn(body);
  const ids = list?.map(idOf).filter(isModelId) ?? [];
  if (list === null || (list.length > 0 && ids.length === 0))
    throw Object.assign(new Error("the answer is not a list of models"), { error: body });
  return [...new Set(ids)].slice(0, MAX_IDS);
}

/** OpenAI has it under `data`; others as it is, or under a name of their own. Null when there is none. */
function listIn(answer: unknown): readonly unknown[] | null {
  if (Array.isArray(answer)) return answer;
  if (!isRecord(answer)) return null;
  const { data, models, ...others } = answer;
  const list = [data, models, ...Object.values(others)].find(Array.isArray);
  if (list) return list;
  // By id: each value says what the model is.
  const byId = [data, models].find(isRecord);
  return byId ? (listIn(byId.data) ?? listIn(byId.models) ?? Object.keys(byId)) : null;
}

function idOf(model: unknown): unknown {
  if (!isRecord(model)) return model;
  const { id, model_id, model: ofItself, model_name, name, key } = model;
  return id ?? model_id ?? ofItself ?? model_name ?? name ?? key;
}

function isModelId(id: unknown): id is string {
  return typeof id === "string" && id.length <= MODEL_NAME_MAX && id.trim() !== "" && !/\p{Cc}/u.test(id);
}
