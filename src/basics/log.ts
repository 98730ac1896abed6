/** Writes the log: a line per entry, `time LEVEL message name=value …`; warnings and errors to stderr, the rest to stdout. */

import type { Log, LogFields, LogLevel } from "../protocols";

const RANK: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40 };
const LABEL: Record<LogLevel, string> = { debug: "DEBUG", info: "INFO", warn: "WARNING", error: "ERROR" };

export function createLog(level: LogLevel, write: LogWriter = writeToConsole): Log {
  const entry =
    (at: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (RANK[at] < RANK[level]) return;
      write(at, formatLine(new Date(), at, message, fields, level === "debug"));
    };
  return { debug: entry("debug"), info: entry("info"), warn: entry("warn"), error: entry("error") };
}

export type LogWriter = (level: LogLevel, line: string) => void;

function writeToConsole(level: LogLevel, line: string): void {
  if (RANK[level] >= RANK.warn) process.stderr.write(`${line}\n`);
  else writeToOutput(`${line}\n`);
}

let output: Bun.FileSink | null = null;

/** Never waits for a slow reader. Not by `process.stdout`: its first use takes as long as opening the database. */
function writeToOutput(text: string): void {
  try {
    output ??= Bun.stdout.writer();
    output.write(text);
    const flushed = output.flush();
    if (flushed instanceof Promise) flushed.catch(() => {});
  } catch {} // Whoever read it is gone, and there is no other place to say so.
}

function formatLine(time: Date, level: LogLevel, message: string, fields: LogFields, withStack: boolean): string {
  let line = `${time.toISOString()} ${LABEL[level]} ${onOneLine(message)}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    line += ` ${name}=${formatValue(value instanceof Error ? value.message : value)}`;
    if (withStack && value instanceof Error && value.stack) line += `\n${value.stack}`;
  }
  return line;
}

function formatValue(value: string | number | boolean | null): string {
  return typeof value === "string" && !/^[\w.:/@-]+$/.test(value) ? JSON.stringify(value) : String(value);
}

/** A name or message from outside must not be able to forge a line of its own. */
function onOneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f]+/g, " ");
}
