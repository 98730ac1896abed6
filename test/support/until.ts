/** Waits for what nothing tells of, by looking at it. */

const LOOK_MS = 5; // Between two looks: a test that waits for a hundred of them loses half a second.
const LIMIT_MS = 20_000; // Most take milliseconds; a machine with other work is to fail no test.

/** Gives the milliseconds that it took, as soon as it is so. Throws, with what was looked for as it is written, when it never was. */
export async function until(isSo: () => unknown): Promise<number> {
  const begun = performance.now();
  while (!(await isSo())) {
    if (performance.now() - begun > LIMIT_MS) throw new Error(`It was not so in ${LIMIT_MS} ms: ${isSo}`);
    await Bun.sleep(LOOK_MS);
  }
  return performance.now() - begun;
}
