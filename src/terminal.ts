/** Console and keyboard for the commands: lines out, and secrets in without showing them. */

import { createInterface } from "node:readline";
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

function readLine(): Promise<string | null> {
  const lines = createInterface({ input: process.stdin });
  return new Promise((resolve) => {
    lines.once("close", () => resolve(null));
    lines.once("line", (line) => {
      resolve(line);
      lines.close();
      // An open pipe would keep the process alive.
      process.stdin.destroy();
    });
  });
}

/** Ends at Enter; null after Ctrl-C or Ctrl-D. */
function readUnseen(prompt: string): Promise<string | null> {
  const { stdin, stderr } = process;
  stderr.write(prompt);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.resume();
  let typed: string[] = [];
  return new Promise((resolve) => {
    const end = (result: string | null): void => {
      stdin.off("data", take);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
      resolve(result);
    };
    const take = (keys: string): void => {
      for (const key of keys) {
        const isEnter = key === "\r" || key === "\n";
        if (isEnter || key === "\u0003" || key === "\u0004") {
          end(isEnter ? typed.join("") : null);
          break;
        }
        if (key === "\u007f" || key === "\b") typed.pop();
        else if (key === "\u0015") typed = [];
        else typed.push(key);
      }
    };
    stdin.on("data", take);
  });
}
