/** What there is to choose from: models and system prompts. */

import { Elysia, t } from "elysia";
import { allowedModels } from "../basics/allowed";
import type { Core } from "../protocols";
import { answers, json } from "./openapi";
import { session } from "./session";

export function catalogueRoutes(core: Core) {
  return new Elysia({ prefix: "/api/v1" })
    .use(session(core))
    .guard({ user: true })
    .get("/models", ({ user }) => allowedModels(core, user), { detail: answers(json(t.Array(t.String()))) })
    .get(
      "/system_prompts",
      async () => {
        const prompts = await core.systemPrompt.list();
        return Object.fromEntries(prompts.map(({ name, description }) => [name, description]));
      },
      { detail: answers(json(t.Object({ default: t.String() }, { additionalProperties: t.String() }))) },
    );
}
