/** What the kernel says of a process, from outside and thread by thread summed; Linux only, as is the whole benchmark. */

import { readFileSync } from "node:fs";

export interface ProcessFigures {
  /** User and system time of all its threads since it started, in ms; the kernel counts in steps of 10. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  /** Handed to write(): files, and no sockets, which are sent to by other calls. */
  readonly writtenBytes: number;
}

const TICK_MS = 10; // USER_HZ is 100 on every Linux.

export function readProcess(pid: number): ProcessFigures {
  const [stat, status, io] = ["stat", "status", "io"].map((name) => readFileSync(`/proc/${pid}/${name}`, "utf8"));
  return {
    cpuMs: parseCpuMs(stat ?? ""),
    residentBytes: field(status ?? "", "VmRSS") * 1024,
    writtenBytes: field(io ?? "", "wchar"),
  };
}

/** The name of the program stands in brackets and may hold anything, brackets included. */
export function parseCpuMs(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function field(text: string, name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`/proc does not tell ${name}.`);
  return Number(value);
}
