/** Starts plugins, asks them for their tools and pages, and stops them. */

import { errorOf, messageOf } from "../basics/errors";
import type { Core, InstalledPage, Log, PluginPage } from "../protocols";
import type { LoadedPlugin } from "./load";
import { type Offer, offerOf } from "./offers";
import { type Patience, within } from "./patience";
import type { ProviderFailure } from "./provide";
import { checkPage } from "./shape";

/** What a plugin that has started gives beside providers and hooks. */
export interface Running {
  readonly offer: Offer;
  readonly page: InstalledPage | null;
}

/** The plugins that run, in the order in which they started; null = its start came through and the rest did not. */
export type Runnings = Map<LoadedPlugin, Running | null>;

export interface Starting {
  readonly core: Core;
  readonly running: Runnings;
  readonly patience: Patience;
  readonly log: Log;
}

/** Starts those that do not run yet. Returns the first failure, which ends the starting, or null. */
export async function startAll(starting: Starting, plugins: readonly LoadedPlugin[]): Promise<ProviderFailure | null> {
  const { running } = starting;
  const holders = new Map<string, LoadedPlugin>();
  for (const plugin of plugins) {
    try {
      if (!running.has(plugin)) await startOne(starting, plugin);
      for (const { name } of running.get(plugin)?.offer.fixed ?? []) {
        const holder = holders.get(name);
        if (holder)
          throw new Error(
            `There is a tool ${name} already, in ${holder.file ?? holder.name}. Give one of them another name.`,
          );
        holders.set(name, plugin);
      }
    } catch (cause) {
      return { plugin, cause };
    }
  }
  return null;
}

async function startOne(starting: Starting, plugin: LoadedPlugin): Promise<void> {
  const { core, running } = starting;
  const { tools = [], page, access = "user" } = plugin;
  await inTime(starting, plugin, "start", async () => plugin.start?.(core));
  running.set(plugin, null);
  const own =
    typeof tools === "function" ? await inTime(starting, plugin, "list of tools", async () => tools(core)) : tools;
  const made = page ? checkPage(await named(plugin, "page", async () => page(core))) : null;
  // Called on its own object, which may be of a class.
  const installed = made && { access, handle: (...args: Parameters<PluginPage["handle"]>) => made.handle(...args) };
  running.set(plugin, { offer: offerOf(plugin.name, own), page: installed });
}

/** What comes too late has begun something all the same: it is stopped when it is there, and not while it is on its way. */
async function inTime<T>(
  { running, patience, log }: Starting,
  plugin: LoadedPlugin,
  what: string,
  run: () => Promise<T>,
): Promise<T> {
  let isLate = false;
  const begun = named(plugin, what, run);
  const stopIt = () => (isLate ? stopOne(log, plugin, patience) : undefined);
  begun.then(stopIt, what === "start" ? () => {} : stopIt);
  // A built-in may have to change the tables of a large database, which takes as long as it takes.
  return within(plugin.isBuiltIn ? null : patience.startS, what, () => begun).catch((error) => {
    isLate = Bun.peek.status(begun) === "pending";
    if (isLate) running.delete(plugin);
    throw error;
  });
}

/** A failure says in which part of the plugin it was, except of a built-in, whose message is the owner's to read. */
async function named<T>(plugin: LoadedPlugin, what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (plugin.isBuiltIn) throw error;
    throw new Error(`Its ${what} failed: ${messageOf(error)}`, { cause: error });
  }
}

/** One that fails, or takes too long, does not keep the others from stopping. */
export async function stopOne(log: Log, plugin: LoadedPlugin, { stopS }: Patience): Promise<void> {
  try {
    await within(stopS, "stop", async () => plugin.stop?.());
  } catch (error) {
    const cause = errorOf(error);
    log.warn("A plugin failed to stop", { plugin: plugin.name, error: cause });
  }
}
