/** What there is to choose from: models and system prompts. */

import { Elysia } from "elysia";
import { allowedModels } from "../allowed";
import type { Core } from "../protocols";
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
