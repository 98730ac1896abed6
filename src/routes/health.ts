/** GET /health: whether the server can do its work, for whoever watches it. */

import { Elysia } from "elysia";
import { AppError } from "../errors";
import type { Core } from "../protocols";

export function healthRoutes(core: Core) {
  return new Elysia().get("/health", async () => {
    try {
      await core.store.ping();
    } catch (error) {
      throw new AppError("unavailable", "The store cannot be reached.", { cause: error });
    }
    return { status: "ok" };
  });
}
