/**
 * Makes `import … from "skeleton"` work in plugin files, and from the packages that plugins share with the server, also beside
 * the executable where there is no node_modules. Must be called before the first plugin is imported.
 */

import * as typebox from "@sinclair/typebox";
import * as elysia from "elysia";
import * as skeleton from "../kit";

const LOADED: Readonly<Record<string, object>> = { skeleton, elysia, "@sinclair/typebox": typebox };

/** What only files of plugin_library/ need: in the executable, and loaded when the first plugin imports it. */
const ON_DEMAND: Readonly<Record<string, () => Promise<object>>> = {
  "@modelcontextprotocol/client": () => import("@modelcontextprotocol/client"),
  "@modelcontextprotocol/client/stdio": () => import("@modelcontextprotocol/client/stdio"),
};

let isRegistered = false;

export function registerModules(): void {
  if (isRegistered) return;
  isRegistered = true;
  Bun.plugin({
    name: "skeleton",
    setup(build) {
      for (const [name, exports] of Object.entries(LOADED)) {
        build.module(name, () => ({ exports: { ...exports }, loader: "object" }));
      }
      for (const [name, load] of Object.entries(ON_DEMAND)) {
        build.module(name, async () => ({ exports: { ...(await loadReal(name, load)) }, loader: "object" }));
      }
    },
  });
}

/** From source the name would lead here again, and its path leads to the package; in the executable nothing has a path. */
function loadReal(name: string, load: () => Promise<object>): Promise<object> {
  return Bun.isStandaloneExecutable ? load() : import(Bun.resolveSync(name, import.meta.dir));
}
