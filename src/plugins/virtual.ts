/**
 * Makes `import … from "skeleton"` (and "elysia", "@sinclair/typebox") work in plugin files, also beside the compiled binary
 * where there is no node_modules. Must be called before the first plugin is imported.
 */

import * as typebox from "@sinclair/typebox";
import * as elysia from "elysia";
import * as skeleton from "./skeleton";

let isRegistered = false;

export function registerModules(): void {
  if (isRegistered) return;
  isRegistered = true;
  Bun.plugin({
    name: "skeleton",
    setup(build) {
      for (const [name, exports] of Object.entries({ skeleton, elysia, "@sinclair/typebox": typebox })) {
        build.module(name, () => ({ exports: { ...exports }, loader: "object" }));
      }
    },
  });
}
