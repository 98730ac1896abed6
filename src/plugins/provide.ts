/** Puts the providers of plugins around one another: each factory is given what its provider replaces. */

import type { Core, ProtocolName } from "../protocols";
import type { Found } from "./find";
import { missingMembers } from "./shape";

/** A core whose parts are put in one by one. */
export type Building = { -readonly [K in keyof Core]: Core[K] };

export interface Provided {
  /** The plugins whose providers, if any, are all in use. */
  readonly used: readonly Found[];
  /** For each protocol the file of the plugin whose provider is the outermost, or `built-in`. */
  readonly winners: Readonly<Record<string, string>>;
}

/** `plugins` go from low priority to high. Throws when a built-in cannot provide its part. */
export function provideAll(
  core: Building,
  plugins: readonly Found[],
  onFault: (plugin: Found, cause: unknown) => void,
): Provided {
  const used: Found[] = [];
  const winners: Record<string, string> = {};
  for (const plugin of plugins) {
    try {
      const providers = provideOne(core, plugin);
      Object.assign(core, providers);
      for (const protocol of Object.keys(providers))
        winners[protocol] = plugin.isBuiltIn ? "built-in" : (plugin.file ?? plugin.name);
      used.push(plugin);
    } catch (error) {
      if (plugin.isBuiltIn) throw error;
      onFault(plugin, error);
    }
  }
  return { used, winners };
}

/** All providers of one plugin, none of them in the core yet: it is used whole or not at all. */
function provideOne(core: Core, { provide = {} }: Found): Partial<Core> {
  const providers: Record<string, unknown> = {};
  for (const protocol of Object.keys(provide) as ProtocolName[]) {
    // The type of factory and base is that of the same protocol, which the compiler cannot follow through a loop.
    const factory = provide[protocol] as ((core: Core, base: unknown) => unknown) | undefined;
    if (!factory) continue;
    const provider = factory(core, core[protocol]);
    const lack = missingMembers(protocol, provider, core[protocol] ?? {});
    if (lack !== null) throw new Error(lack);
    providers[protocol] = provider;
  }
  return providers;
}
