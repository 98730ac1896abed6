/** Which models a user may use, asked of `auth`; a refusal says why when `auth` does. */

import { AppError } from "./errors";
import type { Core, User } from "./protocols";

/** Throws AppError("forbidden") when the user may not use the model. */
export async function requireAllowed(core: Core, user: User, model: string): Promise<void> {
  if (await core.auth.requestAllowed(user, model)) return;
  const why = await core.auth.whyRefused?.(user, model);
  if (why) throw new AppError("forbidden", why);
  const name = JSON.stringify(model.slice(0, 100));
  throw new AppError("forbidden", `You may not use the model ${name}.`, { reason: "modelRefused" });
}

/** Ids of the models that the user may use, in the endpoints' order. */
export async function allowedModels(core: Core, user: User): Promise<string[]> {
  const models = await core.model.list();
  const allowed = await Promise.all(models.map((model) => core.auth.requestAllowed(user, model)));
  return models.filter((_, index) => allowed[index]);
}
