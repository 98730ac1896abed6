/**
 * The load: many streams opened at once over bare sockets, read for a while and timed. `runLoad` starts it as a process of
 * its own (load-process.ts), so that its work is in nobody's figures.
 */

import { join } from "node:path";

export interface Load {
  readonly port: number;
  /** Sent as it is by each stream: an HTTP request. */
  readonly request: string;
  readonly streams: number;
  /** Between one stream and the next, so that their tokens do not all fall into the same moment. */
  readonly spacingMs: number;
  /** From when all streams run until the figures count. */
  readonly warmMs: number;
  readonly measureMs: number;
  /** The process whose figures are wanted. */
  readonly pid: number;
  readonly upstreamPid: number;
}

export interface LoadFigures {
  /** Of the time that was measured, as it really was. */
  readonly seconds: number;
  readonly tokens: number;
  /** From the upstream's sending to the arrival here; null when no token came. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number } | null;
  readonly cpuMs: number;
  readonly upstreamCpuMs: number;
  readonly loadCpuMs: number;
  /** To files, while it was measured. */
  readonly writtenBytes: number;
  /** Before the first stream was opened, and at the end. */
  readonly residentBytes: { readonly before: number; readonly after: number };
  /** From the first stream's opening until every one had a token. */
  readonly openMs: number;
}

/** Rejects when a stream is refused or ends before its time. */
export async function runLoad(load: Load): Promise<LoadFigures> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "load-process.ts")], {
    stdin: new Blob([JSON.stringify(load)]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`The load failed.\n${stderr}`);
  return JSON.parse(stdout) as LoadFigures;
}
