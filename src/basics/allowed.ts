/**
 * Which models a user may use, asked of `auth`, and which parameters a user may set. A refusal of a model says why when `auth` does; a
 * parameter is never refused, but left out.
 */

import type { Core, Json, JsonObject, ModelInfo, User } from "../protocols";
import { AppError } from "./errors";
import { isJsonObject } from "./json";

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
