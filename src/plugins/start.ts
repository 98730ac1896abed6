/** Starts plugins, asks them for their tools and pages, and stops them. */

import { errorOf } from "../errors";
import type { Core, InstalledPage, Log, Tool } from "../protocols";
import type { Found } from "./load";
import { type Patience, within } from "./patience";
import type { Failure } from "./provide";
import { checkPage, checkTools } from "./shape";

/** What a plugin that has started gives beside providers and hooks. */
export interface Running {
  readonly tools: readonly Tool[];
  readonly page: InstalledPage | null;
}

/** The plugins that run, in the order in which they started; null = its start came through and the rest did not. */
export type Runnings = Map<Found, Running | null>;

/** Starts those that do not run yet. Returns the first failure, which ends the starting, or null. */
export async function startAll(
  core: Core,
  plugins: readonly Found[],
  running: Runnings,
  { startS }: Patience,
): Promise<Failure | null> {
  const names = new Set<string>();
  for (const plugin of plugins) {
    try {
      // A built-in may have to change the tables of a large database, which takes as long as it takes.
      if (!running.has(plugin)) await startOne(core, plugin, running, plugin.isBuiltIn ? null : startS);
      for (const { name } of running.get(plugin)?.tools ?? []) {
        if (names.has(name)) throw new Error(`There is a tool ${name} already. Give one of them another name.`);
        names.add(name);
      }
    } catch (cause) {
      return { plugin, cause };
    }
  }
  return null;
}

async function startOne(core: Core, plugin: Found, running: Runnings, seconds: number | null): Promise<void> {
  const { tools = [], page, access = "user" } = plugin;
  await within(seconds, "start", async () => plugin.start?.(core));
  running.set(plugin, null);
  const own = typeof tools === "function" ? await within(seconds, "list of tools", () => tools(core)) : tools;
  const made = page ? checkPage(page(core)) : null;
  // Called on its own object, which may be of a class.
  running.set(plugin, { tools: checkTools(own), page: made && { access, handle: (...args) => made.handle(...args) } });
}

/** One that fails, or takes too long, does not keep the others from stopping. */
export async function stopOne(log: Log, plugin: Found, { stopS }: Patience): Promise<void> {
  try {
    await within(stopS, "stop", async () => plugin.stop?.());
  } catch (error) {
    const cause = errorOf(error);
    log.warn("A plugin failed to stop", { plugin: plugin.name, error: cause });
  }
}
