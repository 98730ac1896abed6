/**
 * The parts of a core, and the cores through which others reach them. A reload exchanges all parts at once; whoever keeps a
 * core, and not a part, sees the exchange.
 */

import type { Core, Counts, ProtocolName } from "../protocols";
import { PROTOCOL_NAMES } from "./shape";

/** Parts that are put in one by one while a core is built. */
export type CoreParts = { -readonly [K in keyof Core]: Core[K] };

const NAMES: { readonly [K in Exclude<keyof Core, ProtocolName>]: true } = {
  config: true,
  log: true,
  hooks: true,
  tools: true,
  turns: true,
  background: true,
  counts: true,
  plugins: true,
  settings: true,
};

/** Parts that are being built. `core` shows them meanwhile; once `parts` is null, they are built, and `core` shows the parts in use. */
export interface Draft {
  parts: CoreParts | null;
  readonly core: Core;
}

/** Plugins keep the core: a draft holds on to nothing that came before it. */
export function createDraft(current: () => Core | null): Draft {
  const core = {};
  const draft: Draft = { parts: {} as CoreParts, core: core as Core };
  for (const name of [...PROTOCOL_NAMES, ...(Object.keys(NAMES) as (keyof typeof NAMES)[])]) {
    Object.defineProperty(core, name, { enumerable: true, get: () => (draft.parts ?? current())?.[name] });
  }
  return draft;
}

/** `core.counts`: numbers by name, of this process. */
export function createCounts(): Counts {
  const numbers = new Map<string, number>();
  return {
    add: (name, by = 1) => void numbers.set(name, (numbers.get(name) ?? 0) + by),
    all: () => Object.fromEntries(numbers),
  };
}
