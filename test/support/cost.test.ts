import { expect, test } from "bun:test";
import { costOf, costsOf, growth } from "./cost";

test("twice the work costs about twice, and the square of it four times", async () => {
  expect(await growth((size) => work(size), 100_000)).toBeWithin(1.5, 2.7);
  expect(await growth((size) => work(size * size), 1000)).toBeWithin(3, 5.2);
});

test("the cost is of one run, however short it is, and of its own work: what it waits for costs nothing", async () => {
  const [short = 0, long = 0, waiting = 0] = await costsOf(
    () => work(20_000),
    () => work(2_000_000),
    async () => {
      await Bun.sleep(50);
      work(2_000_000);
    },
  );
  expect(long / short).toBeWithin(50, 200);
  expect(waiting / long).toBeWithin(0.5, 2);
  await expect(costOf(() => Promise.reject(new Error("as it is")))).rejects.toThrow("as it is");
});

let sum = 0;

function work(steps: number): void {
  for (let step = 0; step < steps; step++) sum = (sum * 31 + step) % 1_000_003;
}
