/** Work that many ask for and that is done once for all of them: for ever, for each server, while it is under way, or anew for those who come later. */

import type { Core, Counts } from "../protocols";

/**
 * Work that the first caller begins and that is done once. After a failure, which may be over by then, the next caller begins it again.
 *
 * @example
 * ```ts
 * const connected = onceDone(async () => new WebSocket("wss://example.org"));
 * const first = await connected();
 * const same = await connected(); // The one that is there.
 * ```
 */
export function onceDone<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | null = null;
  return () => {
    done ??= work().catch((error: unknown) => {
      done = null;
      throw error;
    });
    return done;
  };
}

/** Made when it is first asked for: what takes a while need not be part of the server's start. */
export function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/**
 * A value of which each server of this process has one, made at its first need. A server is known by its counts, which all its cores share.
 *
 * @example
 * ```ts
 * const calls = perServer(() => new Map<string, number>());
 * const plugin: Plugin = {
 *   name: "calls",
 *   hooks: { preCall: (call, { core }) => void calls(core).set(call.model, (calls(core).get(call.model) ?? 0) + 1) },
 * };
 * ```
 */
export function perServer<T>(make: (core: Core) => T): (core: Core) => T {
  const made = new WeakMap<Counts, T>();
  return (core) => made.getOrInsertComputed(core.counts, () => make(core));
}

/** What is under way for the key, or else is begun now. `running` belongs to the caller, and has it until it has ended. */
export function share<T>(running: Map<string, Promise<T>>, key: string, work: () => Promise<T>): Promise<T> {
  return running.getOrInsertComputed(key, () => work().finally(() => running.delete(key)));
}

/** As `share`, and nobody is given what began before the question: all who ask while it is under way share the next time. */
export function createCoalesced<T>(): (key: string, work: () => Promise<T>) => Promise<T> {
  const running = new Map<string, Promise<T>>();
  const next = new Map<string, Promise<T>>();
  return (key, work) => {
    const current = running.get(key);
    if (!current) return share(running, key, work);
    const begin = () => {
      next.delete(key);
      return share(running, key, work);
    };
    return next.getOrInsertComputed(key, () => current.then(begin, begin));
  };
}
