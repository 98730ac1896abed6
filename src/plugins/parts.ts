/**
 * The parts of a core, and the cores through which others reach them. A reload exchanges all parts at once; whoever keeps a
 * core, and not a part, sees the exchange.
 */

import type { Core } from "../protocols";

/** Parts that are put in one by one while a core is built. */
export type CoreParts = { -readonly [K in keyof Core]: Core[K] };

const NAMES: { readonly [K in keyof Core]: true } = {
  config: true,
  log: true,
  store: true,
  bus: true,
  limit: true,
  auth: true,
  file: true,
  systemPrompt: true,
  model: true,
  thread: true,
  context: true,
  messageProcessor: true,
  views: true,
  hooks: true,
  tools: true,
  turns: true,
  background: true,
  counts: true,
  plugins: true,
  settings: true,
};

/** A core whose parts are looked up each time. */
export function createCore(parts: () => CoreParts): Core {
  const core = {};
  for (const name of Object.keys(NAMES) as (keyof Core)[]) {
    Object.defineProperty(core, name, { enumerable: true, get: () => parts()[name] });
  }
  return core as Core;
}
