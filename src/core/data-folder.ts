/** Says of a data folder that cannot be written to that it is that, when something has failed in it: what failed says only where. */

import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { codeOf, messageOf } from "../basics/errors";
import type { Config } from "../protocols";

/** Makes the folder when it is not there. Throws an Error for the owner when nothing can be written to it; a full disk is not meant. */
export function requireDataFolder({ dataPath, dataPathGiven }: Config): void {
  try {
    mkdirSync(dataPath, { recursive: true });
    rmdirSync(mkdtempSync(join(dataPath, ".writable-")));
  } catch (error) {
    if (codeOf(error) === "ENOSPC") return;
    const user = process.getuid?.();
    const who = user === undefined ? "the user that runs the server" : `the user that runs the server (uid ${user})`;
    throw new Error(
      `The data folder ${dataPathGiven} (DATA_PATH) cannot be written to: ${why(error)}. ` +
        `Make it a folder in which ${who} may write, or set DATA_PATH to one.`,
      { cause: error },
    );
  }
}

function why(error: unknown): string {
  const known: Record<string, string> = {
    EACCES: "permission is denied",
    EPERM: "the system does not permit it",
    EROFS: "the disk is mounted read-only",
    EEXIST: "it is a file",
    ENOTDIR: "a part of the path is a file",
    ELOOP: "it is a link that leads back to itself",
  };
  return known[codeOf(error)] ?? messageOf(error);
}
