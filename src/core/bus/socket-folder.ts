/**
 * Where the processes on one data folder find each other's sockets: in a folder of it that is nobody else's. Where its path
 * is too long for a socket, or the file system has none, in the runtime folder of the user, under a name made of the data folder's.
 */

import { chmodSync, chownSync, lstatSync, mkdirSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { UnixSocketListener } from "bun";
import { codeOf } from "../../basics/errors";

const NAME = ".bus";
const PATH_BYTES_MAX = 100; // Of a socket: 104 on macOS, 108 on Linux, with a zero at the end.
export const SOCKET_NAME = /^[0-9a-f]{16}$/;
const SOCKET_NAME_BYTES = "/".length + 16 + ".new".length;

/** Folders in which sockets may be, the best first. */
export function socketFolders(dataPath: string, runtimeFolder: string): string[] {
  const data = realpathSync(dataPath);
  const name = `skeleton-${new Bun.CryptoHasher("sha256").update(data).digest("hex").slice(0, 16)}`;
  const paths = [join(data, NAME), join(runtimeFolder, name)];
  return paths.filter((path) => Buffer.byteLength(path) + SOCKET_NAME_BYTES <= PATH_BYTES_MAX);
}

/** Makes the folder, and a socket of that name in it that this user alone can reach. Throws an Error when that cannot be. */
export function listenIn<Listener extends UnixSocketListener<unknown>>(
  folder: string,
  name: string,
  listen: (path: string) => Listener,
): Listener {
  const owner = makePrivate(folder);
  // It gets its name when it listens: a socket under a name of ours that refuses is one that a process has left.
  const path = join(folder, `${name}.new`);
  const listener = listen(path);
  try {
    chmodSync(path, 0o600);
    if (owner) chownSync(path, owner.uid, owner.gid);
    renameSync(path, join(folder, name));
    return listener;
  } catch (error) {
    listener.stop(true);
    rmSync(path, { force: true });
    throw error;
  }
}

/** What root makes must be of use to the server, which runs as the user of the data; null = no need to. */
function makePrivate(folder: string): { readonly uid: number; readonly gid: number } | null {
  const uid = process.getuid?.();
  const owner = uid === 0 ? statSync(dirname(folder)) : null;
  try {
    mkdirSync(folder, { mode: 0o700 });
    if (owner) chownSync(folder, owner.uid, owner.gid);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  const found = lstatSync(folder);
  // Somebody else may have made it first, where all may write, to read what is told here.
  const isOurs = found.isDirectory() && (uid === undefined || found.uid === uid || found.uid === owner?.uid);
  if (!isOurs) throw new Error(`${folder} is not a folder of the user that runs the server.`);
  chmodSync(folder, 0o700);
  return owner;
}
