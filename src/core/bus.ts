/** The default of `bus`: topics and their handlers in this process. A message is handed over before `publish` returns. */

import { messageOf } from "../basics/errors";
import type { BusProtocol, Core, Json } from "../protocols";

interface Subscription {
  readonly handler: (message: Json) => void;
}

export function createBus(core: Core): BusProtocol {
  const topics = new Map<string, Set<Subscription>>();

  return {
    async publish(topic, message) {
      // A copy, because a handler may subscribe or end subscriptions; one that was ended meanwhile gets nothing more.
      for (const subscription of [...(topics.get(topic) ?? [])]) {
        if (topics.get(topic)?.has(subscription)) deliver(core, topic, subscription, message);
      }
    },

    async subscribe(topic, handler) {
      const subscription = { handler };
      const subscriptions = topics.getOrInsertComputed(topic, () => new Set()).add(subscription);
      return () => {
        if (subscriptions.delete(subscription) && subscriptions.size === 0) topics.delete(topic);
      };
    },

    async close() {
      for (const subscriptions of topics.values()) subscriptions.clear();
      topics.clear();
    },
  };
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
