/** For contract suites: the AppError of a call that must fail. */

import assert from "node:assert/strict";
import { type ErrorCode, isAppError } from "../basics/errors";

/** Rejects (node:assert) when the call succeeds, or fails with another code or message. */
export async function rejected(promise: Promise<unknown>, code: ErrorCode, message = /./): Promise<Error> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(isAppError(error), `expected AppError("${code}"), got ${error}`);
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return error;
}
