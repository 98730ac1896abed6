/** Which models a user may use, asked of `auth`; a refusal says why when `auth` does. */

import { AppError } from "./errors";
import type { Core, User } from "./protocols";

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
