/**
 * What plugins offer to models: lists of tools that stay as they are, and sources whose tools come and go. A source is looked at
 * before each model call; what it has that cannot be offered is left out and named in the log, once.
 */

import { messageOf } from "../basics/errors";
import type { Log, Tool, ToolSource } from "../protocols";
import { inTime, type Patience } from "./patience";
import { checkTool, checkTools } from "./shape";

/** The tools of one plugin. */
export interface Offer {
  readonly plugin: string;
  /** Tools that stay as they are, beside those of `source`; a name that two plugins have leaves one of the plugins out. */
  readonly fixed: readonly Tool[];
  readonly source: ToolSource | null;
}

/** Throws an Error whose message says what to mend. */
export function offerOf(plugin: string, value: unknown): Offer {
  if (isSource(value)) return { plugin, fixed: [], source: value };
  return { plugin, fixed: checkTools(value), source: null };
}

function isSource(value: unknown): value is ToolSource {
  return typeof value === "object" && value !== null && "list" in value && typeof value.list === "function";
}

/** The same offer with more tools that stay. */
export function withMore(value: unknown, more: readonly Tool[]): readonly Tool[] | ToolSource {
  if (!isSource(value)) return [...checkTools(value), ...more];
  return {
    list: () => [...more, ...value.list()],
    ready: async () => value.ready?.(),
    missing: () => value.missing?.() ?? [],
  };
}

/** Of all offers, in their order, when the sources are ready or were waited for long enough. */
export function listerOf(offers: readonly Offer[], log: Log, { toolsS }: Patience): () => Promise<readonly Tool[]> {
  const fixed = offers.flatMap((offer) => offer.fixed);
  if (offers.every(({ source }) => source === null)) return async () => fixed;
  const told = new Set<string>();
  const warn = (plugin: string, reason: string) => {
    if (told.has(`${plugin} ${reason}`)) return;
    told.add(`${plugin} ${reason}`);
    log.warn("A plugin's tools are not all offered", { plugin, reason });
  };
  const ready = ({ plugin, source }: Offer) =>
    inTime(toolsS, "ready", () => source?.ready?.()).catch((error) => warn(plugin, messageOf(error)));
  return async () => {
    await Promise.all(offers.filter(({ source }) => source).map(ready));
    const taken = new Set(fixed.map(({ name }) => name));
    return offers.flatMap((offer) => [...offer.fixed, ...nowOf(offer, taken, (reason) => warn(offer.plugin, reason))]);
  };
}

/** The names of all that is offered at the moment. */
export function namesIn(offer: Offer | undefined): string[] {
  return offer ? [...offer.fixed, ...nowOf(offer, new Set(), () => {})].map(({ name }) => name) : [];
}

/** The tools that a source has now and that can be offered beside those that are taken. */
function nowOf({ source }: Offer, taken: Set<string>, warn: (message: string) => void): Tool[] {
  return listed(source, warn).filter((tool) => {
    try {
      checkTool(tool);
      if (taken.has(tool.name)) throw new Error(`There is a tool ${tool.name} already.`);
      taken.add(tool.name);
      return true;
    } catch (error) {
      warn(messageOf(error));
      return false;
    }
  });
}

function listed(source: ToolSource | null, warn: (message: string) => void): readonly Tool[] {
  try {
    return source?.list() ?? [];
  } catch (error) {
    warn(`Its list of tools failed: ${messageOf(error)}`);
    return [];
  }
}

/** What the source says that it cannot offer now. */
export function missingOf(offer: Offer | undefined): readonly string[] {
  try {
    return offer?.source?.missing?.() ?? [];
  } catch (error) {
    return [`It cannot say what is missing: ${messageOf(error)}`];
  }
}
