/**
 * Errors that nobody catches: a plugin's promise that nobody waits for, a throw in its timer. They would end the process, and with
 * it everybody's turns. They are logged with the place they come from, and the server goes on.
 */

import { errorOf } from "./errors";
import type { Log } from "./protocols";

export function surviveStrays(log: Log): void {
  const tell = (thrown: unknown): void => {
    const error = errorOf(thrown);
    log.error("An error was caught by nobody; the server goes on", { error, at: placeOf(error) });
  };
  process.on("uncaughtException", tell);
  process.on("unhandledRejection", tell);
}

/** File and line of what threw, which names the plugin. */
function placeOf({ stack }: Error): string | undefined {
  return /^\s+at (?:.*\()?(\/?[^()\n]+:\d+)(?::\d+)?\)?$/m.exec(stack ?? "")?.[1];
}
