/**
 * The default of `bus`: topics and their handlers in this process, to whom a message is handed over before `publish` returns; and by Unix
 * sockets to the other processes of this machine that live on the same data. A process that is alone encodes and sends nothing.
 */

import { messageOf } from "../../basics/errors";
import type { BusProtocol, Core, Json } from "../../protocols";
import { createPeers, type Peers } from "./peers";
import { socketFolders } from "./socket-folder";

interface Subscription {
  readonly handler: (message: Json) => void;
}

/** `runtimeFolder` is for the sockets of data in whose folder there can be none; null = this process alone. */
export function createBus(core: Core, runtimeFolder: string | null = null): BusProtocol {
  const topics = new Map<string, Set<Subscription>>();

  const tell = (topic: string, message: Json): void => {
    // A copy, because a handler may subscribe or end subscriptions; one that was ended meanwhile gets nothing more.
    for (const subscription of [...(topics.get(topic) ?? [])]) {
      if (topics.get(topic)?.has(subscription)) deliver(core, topic, subscription, message);
    }
  };

  const dataPath = sharedFolder(core);
  const peers: Peers | null =
    runtimeFolder !== null && dataPath !== null
      ? createPeers({
          log: core.log,
          folders: () => socketFolders(dataPath, runtimeFolder),
          topics: () => [...topics.keys()],
          tell,
        })
      : null;

  return {
    async publish(topic, message) {
      tell(topic, message);
      if (peers && (peers.known.size > 0 || !peers.isOpen)) peers.publish(topic, message);
    },

    async subscribe(topic, handler) {
      const subscription = { handler };
      const subscriptions = topics.getOrInsertComputed(topic, () => new Set()).add(subscription);
      if (peers && (peers.known.size > 0 || !peers.isOpen)) await peers.subscribe(topic, subscriptions.size === 1);
      return () => {
        if (!subscriptions.delete(subscription) || subscriptions.size > 0) return;
        topics.delete(topic);
        if (peers && peers.known.size > 0) peers.unsubscribe(topic);
      };
    },

    async close() {
      for (const subscriptions of topics.values()) subscriptions.clear();
      topics.clear();
      await peers?.close();
    },
  };
}

/** Null = the data has no other process: it is in memory, or a check throws it away. */
function sharedFolder({ config }: Core): string | null {
  if (!config || config.scratch !== null) return null;
  return config.mode === "ephemeral" ? config.ephemeralFolder : config.dataPath;
}

function deliver(core: Core, topic: string, { handler }: Subscription, message: Json): void {
  const failed = (error: unknown) =>
    core.log.error("A subscriber of the bus failed", { topic, error: messageOf(error) });
  try {
    const result: unknown = handler(message);
    // TypeScript lets an async function pass as a handler, and its rejection would end the process.
    if (result instanceof Promise) result.catch(failed);
  } catch (error) {
    failed(error);
  }
}
