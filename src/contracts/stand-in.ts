/**
 * The model that `skeleton check` puts below a plugin: it answers at once and needs no network, so that one that only wraps `model` has
 * something to wrap, and nothing of the owner's is called. A plugin that offers models of its own is held to its promises with those.
 */

import { AppError } from "../basics/errors";
import type { Plugin } from "../protocols";

export const STAND_IN = "stand-in";

export const standIn: Plugin = {
  name: STAND_IN,
  priority: 0,
  provide: {
    model: () => ({
      list: async () => [STAND_IN],
      async *stream({ model }, signal) {
        if (model !== STAND_IN) throw new AppError("upstream", "There is no such model.");
        if (signal.aborted) return;
        yield { type: "text", text: "Hello." };
        yield { type: "finish", reason: "stop" };
      },
    }),
  },
};
