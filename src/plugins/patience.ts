/** How long plugins are waited for: one that hangs must not keep the server from starting, changing or ending, nor a turn. */

export interface Patience {
  /** For its file with all top-level `await`. */
  readonly loadS: number;
  /** For `start`, and for the function that gives its tools. */
  readonly startS: number;
  /** For a source of tools to be ready, which each model call waits for. */
  readonly toolsS: number;
  readonly stopS: number;
  /** For a preCall or postCall hook, which a turn waits for. */
  readonly hookS: number;
}

export const PATIENCE: Patience = {
  loadS: 10,
  startS: 30, // Servers of tools may have to be started, some of them by a package runner.
  toolsS: 10, // Of a person, who waits for the answer; the tools are there for the next call.
  stopS: 5, // Less than the ten seconds after which a container is killed.
  hookS: 60, // As a tool that does not say: a hook may ask a model or a search engine.
};

/** Without seconds it waits for ever. Throws an Error that names what took too long; what comes of it later is nobody's. */
export async function within<T>(seconds: number | null, what: string, run: () => T | Promise<T>): Promise<T> {
  if (seconds === null) return run();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Its ${what} took longer than ${seconds} seconds.`)), seconds * 1000);
  const running = (async () => run())();
  running.catch(() => {});
  try {
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
}
