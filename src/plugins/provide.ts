/** Puts the providers of plugins around one another: each factory is given what its provider replaces. */

import { messageOf } from "../basics/errors";
import type { Core, ProtocolName } from "../protocols";
import type { LoadedPlugin } from "./load";
import type { CoreParts } from "./parts";
import { missingMembers } from "./shape";

/** What a plugin could not do. */
export interface ProviderFailure {
  readonly plugin: LoadedPlugin;
  readonly cause: unknown;
}

/** The providers made so far: one is made again only when what it wraps is another. */
export type Made = WeakMap<LoadedPlugin, Map<ProtocolName, { readonly base: unknown; readonly provider: unknown }>>;

/**
 * Fills `parts` with the providers of the plugins, which go from low priority to high. Factories are given `core`. Returns the
 * first failure, or null.
 */
export function provideAll(
  parts: CoreParts,
  core: Core,
  plugins: readonly LoadedPlugin[],
  made: Made,
): ProviderFailure | null {
  for (const plugin of plugins) {
    try {
      Object.assign(parts, provideOne(parts, core, plugin, made));
    } catch (cause) {
      return { plugin, cause };
    }
  }
  return null;
}

/** The name of the plugin whose provider is the outermost, for each protocol. */
export function winnersOf(plugins: readonly LoadedPlugin[]): Map<string, LoadedPlugin> {
  return new Map(plugins.flatMap((plugin) => Object.keys(plugin.provide ?? {}).map((protocol) => [protocol, plugin])));
}

/** All providers of one plugin, none of them in the core yet: it is used whole or not at all. */
function provideOne(parts: CoreParts, core: Core, plugin: LoadedPlugin, made: Made): Partial<CoreParts> {
  const providers: Record<string, unknown> = {};
  const known = made.get(plugin) ?? new Map();
  made.set(plugin, known);
  for (const [protocol, factory] of Object.entries(plugin.provide ?? {}) as [ProtocolName, Factory | undefined][]) {
    if (!factory) continue;
    const base = parts[protocol];
    const before = known.get(protocol);
    const provider =
      before?.base === base && before ? before.provider : called(plugin, protocol, () => factory(core, base));
    const lack = missingMembers(protocol, provider, base ?? {});
    if (lack !== null) throw new Error(lack);
    known.set(protocol, { base, provider });
    providers[protocol] = provider;
  }
  return providers;
}

function called(plugin: LoadedPlugin, protocol: ProtocolName, make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    if (plugin.isBuiltIn) throw error;
    throw new Error(`Its factory of ${protocol} failed: ${messageOf(error)}`, { cause: error });
  }
}

/** The type of factory and base is that of the same protocol, which the compiler cannot follow through a loop. */
type Factory = (core: Core, base: unknown) => unknown;
