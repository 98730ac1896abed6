import { expect, test } from "bun:test";
import { createTogether } from "../../src/turn/together";

test("who asks while work is under way shares the next one, which begins after they asked; a failure is only theirs", async () => {
  const together = createTogether<number>();
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let begun = 0;
  const work = async (): Promise<number> => {
    const n = begun++;
    await gates[n]?.promise;
    return n;
  };
  const first = together.ask("a", work);
  const others = [together.ask("a", work), together.ask("a", work)];
  const elsewhere = together.ask("b", work);
  expect(begun).toBe(2);
  gates[1]?.resolve();
  expect(await elsewhere).toBe(1);
  gates[0]?.reject(new Error("broken"));
  await expect(first).rejects.toThrow("broken");
  gates[2]?.resolve();
  expect(await Promise.all(others)).toEqual([2, 2]);
  expect(await together.ask("a", async () => 9)).toBe(9);
});
