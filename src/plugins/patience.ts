/** How long plugins are waited for: one that hangs must not keep the server from starting, changing or ending, nor a turn. */

import { within } from "../basics/within";

export const PATIENCE = {
  /** For its file with all top-level `await`. */
  loadS: 10,
  /** For `start`, and for the function that gives its tools: servers of tools may have to be started, some by a package runner. */
  startS: 30,
  /** For a source of tools to be ready, which each model call waits for, and a person with it; they are there for the next call. */
  toolsS: 10,
  /** Less than the ten seconds after which a container is killed. */
  stopS: 5,
  /** For a preCall or postCall hook, which a turn waits for. As a tool that does not say: a hook may ask a model or a search engine. */
  hookS: 60,
};

export type Patience = Readonly<typeof PATIENCE>;

/** Throws an Error that names what took too long; what comes of it later is nobody's. */
export function inTime<T>(seconds: number, what: string, run: () => T | Promise<T>): Promise<T> {
  return within((async () => run())(), { ms: seconds * 1000 }, (): never => {
    throw new Error(`Its ${what} took longer than ${seconds} seconds.`);
  });
}
