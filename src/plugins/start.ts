/** Starts plugins, asks them for their tools, and stops them. */

import { errorOf } from "../errors";
import type { Core, Tool } from "../protocols";
import type { Found } from "./find";
import { checkTools } from "./shape";

export interface Started {
  /** In the order they were started; also one whose start came through and whose tools did not. */
  readonly plugins: readonly Found[];
  readonly tools: readonly Tool[];
  /** The first that failed, which ended the starting; null = all have started. */
  readonly failure: { readonly plugin: Found; readonly cause: unknown } | null;
}

export async function startAll(core: Core, plugins: readonly Found[]): Promise<Started> {
  const started: Found[] = [];
  const tools: Tool[] = [];
  for (const plugin of plugins) {
    try {
      await plugin.start?.(core);
      started.push(plugin);
      const own = checkTools(typeof plugin.tools === "function" ? await plugin.tools(core) : (plugin.tools ?? []));
      const names = [...tools, ...own].map(({ name }) => name);
      const twin = names.find((name, index) => names.indexOf(name) < index);
      if (twin !== undefined) throw new Error(`There is a tool ${twin} already. Give one of them another name.`);
      tools.push(...own);
    } catch (cause) {
      return { plugins: started, tools, failure: { plugin, cause } };
    }
  }
  return { plugins: started, tools, failure: null };
}

/** The last started first. One that fails does not keep the others from stopping. */
export async function stopAll(core: Core, plugins: readonly Found[]): Promise<void> {
  for (const plugin of plugins.toReversed()) {
    try {
      await plugin.stop?.();
    } catch (error) {
      const cause = errorOf(error);
      core.log.warn("A plugin failed to stop", { plugin: plugin.name, error: cause });
    }
  }
}
