/** Starts plugins, asks them for their tools and pages, and stops them. */

import { errorOf, messageOf } from "../basics/errors";
import type { Core, InstalledPage, Log, PluginPage } from "../protocols";
import type { Background } from "../tools/background";
import type { LoadedPlugin } from "./load";
import { type Offer, offerOf } from "./offers";
import { inTime, type Patience } from "./patience";
import { checkPage } from "./shape";

/** What a plugin that has started gives beside providers and hooks. */
export interface Running {
  readonly offer: Offer;
  readonly page: InstalledPage | null;
}

export interface Stage {
  /** The plugins that run, in the order in which they started. */
  readonly running: Map<LoadedPlugin, Running>;
  readonly background: Background;
  readonly patience: Patience;
  readonly log: Log;
}

/** Unless it runs. Throws an Error that says which part of it failed; what it had begun is then stopped. */
export async function startPlugin(stage: Stage, plugin: LoadedPlugin, core: Core): Promise<void> {
  const { running, patience } = stage;
  if (running.has(plugin)) return;
  const { name, tools = [], page, access = "user" } = plugin;
  let isStarted = false;
  let last: Promise<unknown> = Promise.resolve();
  const step = <T>(what: string, run: () => T | Promise<T>): Promise<T> => {
    const begun = (async () => run())();
    last = begun;
    // A built-in may have to change the tables of a large database, which takes as long as it takes. Its message is the owner's to read.
    if (plugin.isBuiltIn) return begun;
    return inTime(patience.startS, what, () =>
      begun.catch((error) => {
        throw new Error(`Its ${what} failed: ${messageOf(error)}`, { cause: error });
      }),
    );
  };
  try {
    await step("start", async () => {
      await plugin.start?.(core);
      isStarted = true;
    });
    const own = await step("list of tools", () => (typeof tools === "function" ? tools(core) : tools));
    const made = page ? checkPage(await step("page", () => page(core))) : null;
    // Called on its own object, which may be of a class.
    const installed = made && { access, handle: (...args: Parameters<PluginPage["handle"]>) => made.handle(...args) };
    running.set(plugin, { offer: offerOf(name, own), page: installed });
  } catch (error) {
    const undone = last.catch(() => {}).then(() => (isStarted ? stopPlugin(stage, plugin) : undefined));
    // What takes too long is stopped when it is there, and not while it is on its way.
    if (Bun.peek.status(last) !== "pending") await undone;
    throw error;
  }
}

/** After its background work, which may use what its stop takes away. One that fails, or takes too long, keeps no other from stopping. */
export async function stopPlugin(stage: Stage, plugin: LoadedPlugin): Promise<void> {
  stage.running.delete(plugin);
  await stage.background.endOf(plugin);
  try {
    await inTime(stage.patience.stopS, "stop", () => plugin.stop?.());
  } catch (error) {
    stage.log.warn("A plugin failed to stop", { plugin: plugin.name, error: errorOf(error) });
  }
}

/** The plugins that run, the last started first. */
export async function stopAll(stage: Stage): Promise<void> {
  for (const plugin of [...stage.running.keys()].toReversed()) {
    if (stage.running.has(plugin)) await stopPlugin(stage, plugin);
  }
}
