/** The server as a person runs it: a process of its own, started from source or from the executable, in an empty folder. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "./project";

/** From source. */
export const SOURCE: readonly string[] = [process.execPath, join(projectFolder, "src/main.ts")];

export interface ServerOptions {
  readonly command: readonly string[];
  /** Its current folder, where it keeps its files. */
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface ServerProcess {
  /** Such as `http://127.0.0.1:41234`. */
  readonly address: string;
  readonly pid: number;
  /** From the start of the process to the first 200 of /health. */
  readonly startMs: number;
  /** Everything that it has written so far. */
  output(): string;
  /** What the expression finds in its output, as soon as it is there. */
  printed(expression: RegExp): Promise<string>;
  /** Asks it to end, and resolves with its exit code when it has. */
  stop(signal?: NodeJS.Signals): Promise<number>;
}

const PRINT_LIMIT_MS = 20_000; // A slow machine needs one or two; a server that waits for something would wait for ever.

/** Resolves when /health answers 200. Its environment is `env` alone; its PATH leads nowhere, so it cannot lean on bun or node. */
export async function startServer({ command, folder, env = {} }: ServerOptions): Promise<ServerProcess> {
  const begun = performance.now();
  const child = Bun.spawn([...command], {
    cwd: folder,
    env: { PATH: "/nonexistent", SKELETON_HOST: "127.0.0.1", SKELETON_PORT: "0", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const output = collectOutput(PRINT_LIMIT_MS, child.stdout, child.stderr);
  try {
    const address = await output.find(/https?:\/\/[^\s/]+:\d+(?=[\s/])/);
    const health = await fetch(`${address}/health`, { tls: { rejectUnauthorized: false } });
    if (health.status !== 200) throw new Error(`/health answered ${health.status}.\n${output.text()}`);
    return {
      address,
      pid: child.pid,
      startMs: performance.now() - begun,
      output: output.text,
      printed: output.find,
      async stop(signal = "SIGTERM") {
        child.kill(signal);
        return child.exited;
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

export interface Output {
  /** Everything so far. */
  text(): string;
  /** What the expression finds, as soon as it is there. */
  find(expression: RegExp): Promise<string>;
}

/** What a server prints. */
export function collectOutput(limitMs: number, ...streams: readonly ReadableStream<Uint8Array>[]): Output {
  let written = "";
  const searches = new Set<() => void>();
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      written += decoder.decode(bytes, { stream: true });
      for (const search of searches) search();
    }
  };
  const ended = Promise.all(streams.map(read));
  return {
    text: () => written,
    async find(expression) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const search = () => {
        const found = expression.exec(written)?.[0];
        if (found) resolve(found);
      };
      const fail = (why: string) => reject(new Error(`The server ${why} ${expression}. It wrote:\n${written}`));
      const late = setTimeout(() => fail(`took ${limitMs} ms without printing`), limitMs);
      ended.then(() => fail("ended before it printed"));
      searches.add(search);
      search();
      return promise.finally(() => {
        clearTimeout(late);
        searches.delete(search);
      });
    },
  };
}

/** Resident memory in megabytes, or null where /proc does not tell. */
export function residentMegabytes(pid: number): number | null {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes ? Number(kilobytes) / 1000 : null;
  } catch {
    return null; // Not Linux.
  }
}
