/** What there is to choose from: models and system prompts. */

import { Elysia } from "elysia";
import type { Core, User } from "../protocols";
import { session } from "./session";

export function catalogueRoutes(core: Core) {
  return new Elysia({ prefix: "/api/v1" })
    .use(session(core))
    .guard({ user: true })
    .get("/models", ({ user }) => allowedModels(core, user))
    .get("/system_prompts", async () => {
      const prompts = await core.systemPrompt.list();
      return Object.fromEntries(prompts.map(({ name, description }) => [name, description]));
    });
}

/** Ids of the models that the user may use, in the endpoints' order. */
export async function allowedModels(core: Core, user: User): Promise<string[]> {
  const models = await core.model.list();
  const allowed = await Promise.all(models.map((model) => core.auth.requestAllowed(user, model)));
  return models.filter((_, index) => allowed[index]);
}
