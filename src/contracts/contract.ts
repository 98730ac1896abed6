/**
 * What a contract suite is made of: a promise of a protocol, as a sentence and a check. Plain data, so that the tests and
 * `skeleton check` run the same suites. Each case gets a temporary core of its own and asks the part under test from it.
 */

import assert, { AssertionError } from "node:assert";
import { type ErrorCode, isAppError } from "../basics/errors";
import { within } from "../basics/within";
import type { Core } from "../protocols";

export interface ContractCase {
  /** A sentence about behaviour. */
  readonly name: string;
  /** Rejects (node:assert) when the promise is broken. */
  run(core: Core): Promise<void>;
}

/** For what may have more than one value. Throws (node:assert) what came and what was due, such as "a time of now". */
export function holds<T>(actual: T, due: string, isDue: (actual: T) => boolean): void {
  if (isDue(actual)) return;
  const message = `it gave ${shown(actual)} and not ${due}`;
  throw new AssertionError({ message, actual, expected: due, operator: "fail", stackStartFn: holds });
}

/** The AppError of a call that must fail. Rejects (node:assert) when it succeeds, or fails with another code or message. */
export async function rejected(promise: Promise<unknown>, code: ErrorCode, message = /./): Promise<Error> {
  const [value, error] = await promise.then(
    (given: unknown) => [given, null],
    (reason: unknown) => [null, reason],
  );
  holds(error ?? value, `an AppError("${code}")`, (came) => isAppError(came) && came.code === code);
  assert(error instanceof Error);
  assert.match(error.message, message);
  return error;
}

const PROMPTLY_MS = 2_000; // A stop should take a hundredth of that; the rest is for slow machines.

/** For what must end when it is told to. */
export function promptly<T>(work: Promise<T>): Promise<T> {
  return within(work, { ms: PROMPTLY_MS }, () => assert.fail(`it did not end within ${PROMPTLY_MS} ms`));
}

const SHOWN_MAX = 120; // Characters: a line of a terminal.

/** A value on one line; of an error what it says. */
export function shown(value: unknown): string {
  const text =
    value instanceof Error ? `${value.name}: ${value.message}` : Bun.inspect(value, { depth: 4, compact: true });
  const line = text.replace(/\s+/g, " ");
  return line.length > SHOWN_MAX ? `${line.slice(0, SHOWN_MAX)}…` : line;
}
