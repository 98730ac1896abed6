/**
 * Errors that nobody catches: a plugin's promise that nobody waits for, a throw in its timer. They would end the process, and with
 * it everybody's turns. They are logged with the place they come from, and the server goes on.
 */

import { errorOf } from "./basics/errors";
import type { Log } from "./protocols";

export function surviveUncaught(log: Log): void {
  hearUncaught((error) => {
    log.error("An error was caught by nobody; the server goes on", { error, at: placeOf(error) });
  });
}

/** Gives `tell` each of them until the function returned is called; the process goes on meanwhile. */
export function hearUncaught(tell: (error: Error) => void): () => void {
  const hear = (thrown: unknown): void => tell(errorOf(thrown));
  process.on("uncaughtException", hear);
  process.on("unhandledRejection", hear);
  return () => {
    process.off("uncaughtException", hear);
    process.off("unhandledRejection", hear);
  };
}

/** File and line of what threw, which names the plugin. */
function placeOf({ stack }: Error): string | undefined {
  return /^\s+at (?:.*\()?(\/?[^()\n]+:\d+)(?::\d+)?\)?$/m.exec(stack ?? "")?.[1];
}
