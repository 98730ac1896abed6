/** The address of a server as one finds it on its own machine. Apart from the server, which takes long to load, for a command that only asks it. */

import type { Config } from "../protocols";
import { messageOf } from "./errors";

/** Where a browser on this machine finds a server with these settings. */
export function originOf({ host, tlsCertFile }: Config, port: number): string {
  const scheme = tlsCertFile === null ? "http" : "https";
  if (host === "0.0.0.0" || host === "::") return `${scheme}://localhost:${port}`;
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** For the owner, of an address that cannot be had. */
export function cannotListen({ host, port }: Config, error: unknown): Error {
  const what = `Cannot listen on SKELETON_HOST ${host}, SKELETON_PORT ${port}: ${messageOf(error)}`;
  return new Error(what, { cause: error });
}
