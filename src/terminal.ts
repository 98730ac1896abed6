/** Console and keyboard for the commands: lines out, and secrets in without showing them. */

import { createInterface, type ReadLineOptions } from "node:readline";
import { Writable } from "node:stream";
import type { Config, Log } from "./protocols";
import type { UsersIo } from "./users";

export function terminalIo(config: Config, log: Log, openStore: UsersIo["openStore"]): UsersIo {
  const isTerminal = process.stdin.isTTY === true;
  return {
    config,
    log,
    isTerminal,
    openStore,
    out: (line) => console.log(line),
    error: (line) => console.error(line),
    readSecret: (prompt) => (isTerminal ? readUnseen(prompt) : readLine()),
  };
}

/** Null after Ctrl-C, or Ctrl-D on an empty line. */
function readUnseen(prompt: string): Promise<string | null> {
  process.stderr.write(prompt);
  const unseen = new Writable({ write: (_piece, _encoding, done) => done() });
  return firstLine({ input: process.stdin, output: unseen, terminal: true }).finally(() => process.stderr.write("\n"));
}

async function readLine(): Promise<string | null> {
  const line = await firstLine({ input: process.stdin });
  // An open pipe would keep the process alive.
  process.stdin.destroy();
  return line;
}

function firstLine(from: ReadLineOptions): Promise<string | null> {
  const lines = createInterface(from);
  return new Promise((resolve) => {
    lines.once("close", () => resolve(null));
    lines.once("line", (line) => {
      resolve(line);
      lines.close();
    });
  });
}
