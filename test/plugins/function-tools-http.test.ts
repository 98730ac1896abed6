import { beforeAll, expect, test } from "bun:test";
import { startWithTools } from "../support/library";

const TRIP = `
import type { Turn } from "skeleton";

interface Place { city: string }
enum Way { Foot = "foot", Train = "train" }

/** Plans a trip. @param day When to leave. */
export async function* plan(place: Place, turn: Turn, day: Date, way: Way = Way.Foot, stops?: string[]) {
  yield "Looking for " + place.city;
  turn.notify("Planned for " + turn.user.username);
  return { city: place.city, weekday: day.getUTCDay(), way, stops };
}

export async function fail(): Promise<never> {
  throw new Error("No such road.");
}
`;

let server: Awaited<ReturnType<typeof startWithTools>>;

beforeAll(async () => {
  server = await startWithTools([], { "tools/trip.ts": TRIP });
});

test("a model calls an exported function, whose progress, remarks and result everybody gets", async () => {
  const { events, outcome, told, offered } = await server.call("plan", {
    place: { city: "Rome" },
    day: "2026-01-31T09:00:00Z",
  });
  const result = '{"city":"Rome","weekday":6,"way":"foot"}';
  expect([outcome, told]).toEqual([{ result }, result]);
  expect(events.find(({ event }) => event === "tool_update")?.data.content).toBe("Looking for Rome");
  expect(JSON.stringify(events)).toContain("Planned for ann");
  expect(offered.tools?.map((tool) => tool.function.name).sort()).toEqual(["fail", "plan"]);
});

test.each([
  [{}, "they must have place, day"],
  [{ place: "Rome", day: "2026-01-31T09:00:00Z" }, "/place must be an object"],
  [{ place: { city: "Rome" }, day: "tomorrow" }, "/day must be a date-time such as 2026-01-31T09:00:00Z"],
  [{ place: { city: "Rome" }, day: "2026-01-31T09:00:00Z", way: "air" }, '/way must be one of "foot", "train"'],
  [
    { place: { city: "Rome" }, day: "2026-01-31T09:00:00Z", by: "air" },
    "they must not have by, only place, day, way, stops",
  ],
])("arguments %j do not reach the function: %s", async (args, why) => {
  const { outcome, told } = await server.call("plan", args);
  expect(outcome).toEqual({ error: `The arguments do not fit: ${why}.` });
  expect(told).toContain(why);
});

test("what a function throws is told to the model", async () => {
  const { outcome, told } = await server.call("fail", {});
  expect(outcome).toEqual({ error: "No such road." });
  expect(told).toContain("No such road.");
});
