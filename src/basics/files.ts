/** Files, where node's calls alone do not say it. */

import { open } from "node:fs/promises";
import { codeOf } from "./errors";

/** For `catch`: the value where there is no such file. What else is wrong is thrown on. */
export function ifMissing<Value>(value: Value): (error: unknown) => Value {
  return (error) => {
    if (codeOf(error) === "ENOENT") return value;
    throw error;
  };
}

/** Makes a file for its owner alone, and resolves when it is on the disk. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
