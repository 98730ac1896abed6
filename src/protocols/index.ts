/**
 * A protocol is the interface of a part that can be replaced. This is the plugin author's reference: what each part is for, what its
 * default does, and what every member promises.
 *
 * A plugin provides a protocol with a factory. The factory gets `core` (every part) and `base` (what it replaces):
 *
 * ```ts
 * import type { Plugin } from "skeleton";
 *
 * const PROMPTS = [{ name: "default", description: "Short answers", content: "Answer in two sentences at most." }];
 *
 * export default {
 *   name: "team",
 *   provide: {
 *     // Wrap: everything as before, but one method.
 *     model: (_core, base) => ({ ...base, list: async () => (await base.list()).toSorted() }),
 *     // Replace: nothing of `base` is used.
 *     systemPrompt: () => ({
 *       list: async () => [...PROMPTS],
 *       get: async (name) => PROMPTS.find((prompt) => prompt.name === name) ?? null,
 *     }),
 *   },
 * } satisfies Plugin;
 * ```
 *
 * Rules that hold for all of them:
 *
 * - A factory uses `core` only inside the methods it returns. While it runs, other parts may not be there yet; `core.config`
 *   and `core.log` are.
 * - Built-ins have priority 0, plugins 10 unless they say otherwise. A higher one wraps a lower one; equal ones wrap in the order of
 *   their file names.
 * - A provider has every method of what it replaces, or it is not used and the log says what it lacks. A member with `?` may be
 *   left out; its text says what its absence means.
 * - Providers are plain objects and do not use `this`, so that they can be spread.
 * - Data are read-only, whatever gave them.
 * - `null` is the answer for what is not there. What belongs to another user is not there.
 * - `bun run start check FILE` holds a plugin to the promises of its protocols, which are lists of cases in `src/contracts/`.
 *
 * At start the log says who provides each protocol.
 */

export type * from "./auth";
export type * from "./bus";
export type * from "./config";
export type * from "./context";
export type * from "./core";
export type * from "./counts";
export type * from "./error-words";
export type * from "./fact";
export type * from "./file";
export type * from "./hooks";
export type * from "./html";
export type * from "./json";
export type * from "./limit";
export type * from "./list-data";
export type * from "./log";
export type * from "./message-data";
export type * from "./message-processor";
export type * from "./model";
export type * from "./model-message";
export type * from "./plugin";
export type * from "./plugin-page";
export type * from "./plugins";
export type * from "./store";
export type * from "./system-prompt";
export type * from "./thread";
export type * from "./tool";
export type * from "./turn";
export type * from "./turns";
export type * from "./views";
export type * from "./words";
