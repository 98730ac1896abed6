/**
 * What a contract suite is made of: a promise of a protocol, as a sentence and a check. Plain data, so that the tests and
 * `skeleton check` run the same suites. Each case gets a temporary core of its own and asks the part under test from it.
 */

import type { Core } from "../protocols";

export interface ContractCase {
  /** A sentence about behaviour. */
  readonly name: string;
  /** Rejects (node:assert) when the promise is broken. */
  run(core: Core): Promise<void>;
}
