/** How often the store is asked one time after the other before the model is: each time is a way there and back, to a store that is far away. */

import { expect, test } from "bun:test";
import type { Plugin } from "../../src/protocols";
import { collectTurn } from "../support/read-sse";
import { startServer } from "../support/server";
import { countTrips, type Trip } from "../support/trips";
import { until } from "../support/until";

const TRIPS_MAX = 6;

const far = countTrips();
let asked = Promise.withResolvers<readonly Trip[]>();

const model: Plugin = {
  name: "asked-model",
  provide: {
    model: () => ({
      list: async () => ["small-a"],
      async *stream() {
        asked.resolve(far.end());
        yield { type: "text", text: "Hello!" };
        yield { type: "finish", reason: "stop" };
      },
    }),
  },
};

const server = await startServer({ plugins: [far.plugin, model], config: { quotaBytes: 1e9 } });
const ann = await server.signIn();

type Send = (threadId: string | null, key: string) => Promise<unknown>;

const byApi: Send = async (threadId, key) => {
  const body = { content: "Hi there", key, ...(threadId !== null && { thread_id: threadId }) };
  return collectTurn(await ann.post("/api/v1/message", body));
};

const byPage: Send = async (threadId, key) => {
  const body = new FormData();
  body.set("content", "Hi there");
  body.set("key", key);
  const headers = { "hx-request": "true", accept: "text/html" };
  const path = threadId === null ? "/t" : `/t/${threadId}/messages`;
  return (await ann.fetch(path, { method: "POST", body, headers })).text();
};

const TRIES = 5;

/** What is asked of the store until the model is: at the best of some times, as a busy machine parts what is asked at once. */
async function fewestTripsOf(send: Send, threadId: string | null): Promise<readonly Trip[]> {
  let fewest = await tripsOf(send, threadId);
  for (let tried = 1; tried < TRIES && fewest.length > TRIPS_MAX; tried++) {
    const trips = await tripsOf(send, threadId);
    if (trips.length < fewest.length) fewest = trips;
  }
  return fewest;
}

async function tripsOf(send: Send, threadId: string | null): Promise<readonly Trip[]> {
  asked = Promise.withResolvers();
  far.begin();
  const answered = send(threadId, crypto.randomUUID());
  const trips = await asked.promise;
  await answered;
  await until(async () => (await server.core.turns.running({ username: "ann", role: "admin" })).length === 0);
  return trips;
}

function printed(name: string, trips: readonly Trip[]): string {
  const lines = trips.map(({ calls }, index) => `  ${index + 1}. ${calls.join(", ")}`);
  return [`${name}: ${trips.length} trips, ${trips.flatMap(({ calls }) => calls).length} calls`, ...lines].join("\n");
}

test(`at most ${TRIPS_MAX} calls of the store one after the other come before the model is asked`, async () => {
  await byApi(null, "first"); // What a server asks once of each user.
  const { id } = await server.core.thread.create("ann", { title: "Greetings" });
  await byApi(id, "second");
  const table: [string, readonly Trip[]][] = [
    ["a message in a thread, by the API", await fewestTripsOf(byApi, id)],
    ["a message in a thread, by the page", await fewestTripsOf(byPage, id)],
    ["a message in a new thread, by the API", await fewestTripsOf(byApi, null)],
    ["a message in a new thread, by the page", await fewestTripsOf(byPage, null)],
  ];
  console.log(table.map(([name, trips]) => printed(name, trips)).join("\n"));
  for (const [name, trips] of table) expect([name, trips.length <= TRIPS_MAX]).toEqual([name, true]);
});
