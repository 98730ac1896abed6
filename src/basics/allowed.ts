/**
 * What one user may do and have: models and parameters, room for files and texts, streams at a time. A refusal of a model says why when `auth`
 * does; a parameter is never refused, but left out. Nothing is cut off for a bound: a reply that has begun is kept and a stream that is open
 * stays, and what would come next is refused.
 */

import type { Core, Json, JsonObject, ModelInfo, User } from "../protocols";
import { AppError } from "./errors";
import { isJsonObject } from "./json";
import { perServer } from "./once";
import { sizeText } from "./size";

/** Characters of a model's name. A mask is a regular expression, and what it is held against comes from strangers. */
export const MODEL_NAME_MAX = 256;

/** Asks `auth`, but for a name that is too long to be one. */
export async function isAllowed(core: Core, user: User, model: string): Promise<boolean> {
  return model.length <= MODEL_NAME_MAX && core.auth.requestAllowed(user, model);
}

/** Throws AppError("forbidden") when the user may not use the model, "invalid" when the name is too long to be one. */
export async function requireAllowed(core: Core, user: User, model: string): Promise<void> {
  if (model.length > MODEL_NAME_MAX) {
    const sentence = `The name of a model has at most ${MODEL_NAME_MAX} characters. Choose another one.`;
    throw new AppError("invalid", sentence, { reason: "modelGone" });
  }
  if (await core.auth.requestAllowed(user, model)) return;
  const why = await core.auth.whyRefused?.(user, model);
  if (why) throw new AppError("forbidden", why);
  const name = JSON.stringify(model.slice(0, 100));
  throw new AppError("forbidden", `You may not use the model ${name}.`, { reason: "modelRefused" });
}

/** Ids of the models that the user may use, in the endpoints' order. */
export async function allowedModels(core: Core, user: User): Promise<string[]> {
  const models = await core.model.list();
  const allowed = await Promise.all(models.map((model) => isAllowed(core, user, model)));
  return models.filter((_, index) => allowed[index]);
}

export interface AllowedParameters {
  readonly parameters: JsonObject;
  /** Names of the parameters that are not sent, as the request had them. */
  readonly leftOut: readonly string[];
}

/**
 * `model` is what is known of the model that is called. Plugins get it from `skeleton`.
 *
 * @example
 * ```ts
 * const info = (await core.model.describe?.(turn.model)) ?? null;
 * const { parameters, leftOut } = allowedParameters(turn.user, turn.parameters, info);
 * if (leftOut.length > 0) turn.notify(`Not yours to set: ${leftOut.join(", ")}.`);
 * ```
 */
export function allowedParameters(user: User, parameters: JsonObject, model: ModelInfo | null): AllowedParameters {
  const isMasked = user.modelMask !== undefined;
  const isAllowed = (name: string) =>
    !isOwn(name) && (!isMasked || USUAL.has(name) || (model?.allowParameters?.includes(name) ?? false));
  const names = Object.keys(parameters);
  const allowed = names.filter(isAllowed).map((name) => [name, withoutOwn(name, parameters[name] ?? null)]);
  return { parameters: Object.fromEntries(allowed), leftOut: names.filter((name) => !isAllowed(name)) };
}

/** The parameters that users with a model mask may set: those known to be harmless. Others choose models, providers, plugins or prices on some endpoint. */
const USUAL: ReadonlySet<string> = new Set([
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "max_tokens",
  "max_completion_tokens",
  "stop",
  "seed",
  "presence_penalty",
  "frequency_penalty",
  "response_format",
  "reasoning",
  "reasoning_effort",
  "thinking",
  "verbosity",
]);

/** What the server says itself in each call, and `n`: one answer is read, and each is paid for. */
const OWN: ReadonlySet<string> = new Set(["model", "messages", "stream", "stream_options", "tools", "functions", "n"]);

function isOwn(name: string): boolean {
  return OWN.has(plain(name));
}

const NAME_MAX = 64; // No longer name is written as one of ours, and normalising a run of marks takes time with its square.

/** Servers written in Go read a field by its name in any case, with letters that only look like others. */
function plain(name: string): string {
  return name.length > NAME_MAX ? name : name.normalize("NFKC").toLowerCase();
}

/** A gateway lays what is under `extra_body` over the rest. */
function withoutOwn(name: string, value: Json): Json {
  if (plain(name) !== "extra_body" || !isJsonObject(value)) return value;
  const kept = Object.entries(value).filter(([inner]) => !isOwn(inner));
  return Object.fromEntries(kept.map(([inner, it]) => [inner, withoutOwn(inner, it)]));
}

/** In bytes. */
export async function usedBytes(core: Core, username: string): Promise<number> {
  const sizes = await Promise.all([core.file.size(username), core.thread.size(username)]);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Throws AppError("tooLarge") when the user has no room for so many bytes more, of which `counted` are counted already.
 *
 * @example
 * ```ts
 * const picture = await core.file.open(user.username, "some-id");
 * if (picture) await requireRoom(core, user.username, picture.size);
 * ```
 */
export async function requireRoom(core: Core, username: string, bytes: number, counted = 0): Promise<void> {
  const most = core.config.quotaBytes;
  if (most === 0) return;
  const used = (await usedBytes(core, username)) - counted;
  if (used + bytes <= most) return;
  const sentence =
    `Your files and messages take ${sizeText(used)} of the ${sizeText(most)} that you may use, and there is no room for ${sizeText(bytes)} more. ` +
    "Remove files that you no longer need (GET and DELETE /api/v1/files), or ask the owner of this server for more.";
  throw new AppError("tooLarge", sentence, { reason: "quotaFull", figures: [used, most] });
}

export interface StreamSlot {
  /** Gives it back; further calls do nothing. */
  release(): void;
}

const RETRY_S = 10; // As often as a page tries by itself to connect.

/** How many each user has open in this process: one who opens them without end takes memory and connections from everybody. */
const streamsOpen = perServer(() => new Map<string, number>());

/** Throws AppError("limited") when the user has as many as STREAMS_PER_USER allows. */
export function takeSlot(core: Core, username: string): StreamSlot {
  const open = streamsOpen(core);
  const taken = open.get(username) ?? 0;
  const most = core.config.streamsPerUser;
  if (most > 0 && taken >= most) {
    const sentence = `You have ${taken} streams open, the most that one user may have. Close windows or programs that you do not need, and try again.`;
    throw new AppError("limited", sentence, { retryAfterS: RETRY_S, reason: "manyStreams" });
  }
  open.set(username, taken + 1);
  let isTaken = true;
  return {
    release() {
      if (!isTaken) return;
      isTaken = false;
      const left = (open.get(username) ?? 1) - 1;
      if (left > 0) open.set(username, left);
      else open.delete(username);
    },
  };
}

/** Of requests that a plugin's page answers, by which page and server speak of the same one. */
const slots = new WeakMap<Request, StreamSlot>();

/**
 * Counts the answer to a request of a plugin's page as one of the user's streams, before the work for it begins; further calls for
 * the same request do nothing. It ends with the answer. Throws AppError("limited") when the user has as many as may be.
 *
 * @example
 * ```ts
 * takeSlotFor(core, request, user.username);
 * const answer = eventStream(
 *   (async function* () {
 *     yield { data: "now" };
 *   })(),
 * );
 * ```
 */
export function takeSlotFor(core: Core, request: Request, username: string): void {
  if (!slots.has(request)) slots.set(request, takeSlot(core, username));
}

/** To be called once the answer has ended, or was no stream. */
export function releaseSlotOf(request: Request): void {
  slots.get(request)?.release();
  slots.delete(request);
}
