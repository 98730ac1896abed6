/** What every `bus` promises. A bus may need time to carry a message, so the cases wait for what must arrive. */

import assert from "node:assert/strict";
import type { BusProtocol, Json } from "../protocols";
import type { ContractCase } from "./contract";

export const busContract: readonly ContractCase[] = [
  {
    name: "everyone subscribed to the topic gets the message, and nobody else",
    async run({ bus }) {
      const [one, two, other] = [await listen(bus, "a"), await listen(bus, "a"), await listen(bus, "b")];
      await bus.publish("a", { text: "hello", list: [1, null] });
      await bus.publish("b", "end");
      await Promise.all([one.count(1), two.count(1), other.count(1)]);
      assert.deepEqual(one.got, [{ text: "hello", list: [1, null] }]);
      assert.deepEqual(two.got, one.got);
      assert.deepEqual(other.got, ["end"]);
    },
  },
  {
    name: "messages of one publisher on one topic arrive in order",
    async run({ bus }) {
      const listener = await listen(bus, "a");
      const numbers = Array.from({ length: 500 }, (_, n) => n);
      await Promise.all(numbers.map((n) => bus.publish("a", n)));
      await listener.count(500);
      assert.deepEqual(listener.got, numbers);
    },
  },
  {
    name: "nothing is kept for those who subscribe later",
    async run({ bus }) {
      await bus.publish("a", "before");
      const listener = await listen(bus, "a");
      await bus.publish("a", "after");
      await listener.count(1);
      assert.deepEqual(listener.got, ["after"]);
    },
  },
  {
    name: "a subscription ends when its function is called, once or more, and no other ends with it",
    async run({ bus }) {
      const got: string[] = [];
      const handler = (message: Json) => void got.push(String(message));
      const end = await bus.subscribe("a", handler);
      const sameAgain = await bus.subscribe("a", handler);
      const witness = await listen(bus, "a");
      end();
      end();
      await bus.publish("a", "one");
      await witness.count(1);
      assert.deepEqual(got, ["one"]);
      sameAgain();
      await bus.publish("a", "two");
      await witness.count(2);
      assert.deepEqual(got, ["one"]);
    },
  },
  {
    name: "a handler that throws or rejects keeps the message from nobody else, nor the publisher from going on",
    async run({ bus }) {
      await bus.subscribe("a", () => {
        throw new Error("on purpose");
      });
      await bus.subscribe("a", async () => {
        throw new Error("on purpose, later");
      });
      const listener = await listen(bus, "a");
      await bus.publish("a", 1);
      await bus.publish("a", 2);
      await listener.count(2);
      assert.deepEqual(listener.got, [1, 2]);
    },
  },
  {
    name: "a handler may subscribe, end itself and publish",
    async run({ bus }) {
      const echo = await listen(bus, "echo");
      const witness = await listen(bus, "a");
      const ends: (() => void)[] = [];
      const end = await bus.subscribe("a", (message) => {
        end();
        void bus.subscribe("a", () => undefined).then((other) => ends.push(other));
        void bus.publish("echo", message);
      });
      await bus.publish("a", 1);
      await bus.publish("a", 2);
      await Promise.all([witness.count(2), echo.count(1)]);
      assert.deepEqual(echo.got, [1]);
    },
  },
  {
    name: "after close nothing arrives",
    async run({ bus }) {
      const listener = await listen(bus, "a");
      await bus.publish("a", 1);
      await listener.count(1);
      await bus.close();
      await bus.publish("a", 2).catch(() => undefined); // Refusing is as good as ignoring.
      assert.deepEqual(listener.got, [1]);
    },
  },
];

interface Listener {
  readonly got: Json[];
  /** Resolves when that many have arrived; rejects after a second. */
  count(wanted: number): Promise<void>;
}

async function listen(bus: BusProtocol, topic: string): Promise<Listener> {
  const got: Json[] = [];
  let arrived = (): void => undefined;
  await bus.subscribe(topic, (message) => {
    got.push(message);
    arrived();
  });
  return {
    got,
    count: (wanted) =>
      new Promise((resolve, reject) => {
        const timeout = setTimeout(() => reject(new Error(`${got.length} of ${wanted} messages arrived`)), 1000);
        arrived = () => {
          if (got.length < wanted) return;
          clearTimeout(timeout);
          resolve();
        };
        arrived();
      }),
  };
}
