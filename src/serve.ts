/** Runs the server: core, routes, port, and an orderly end. */

import { BODY_MAX_BYTES, closeStreams, createApp } from "./app";
import { createLog } from "./log";
import { install } from "./plugins";
import type { Config } from "./protocols";

const IDLE_TIMEOUT_S = 30; // Of a connection that sends nothing; streams switch it off for themselves.

export interface Serving {
  readonly url: string;
  /** Path and query of the page that makes the first administrator; null when there is one. */
  readonly setupPath: string | null;
  stop(): Promise<void>;
}

export async function serve(config: Config): Promise<Serving> {
  const log = createLog(config.logLevel);
  const { core, stop } = await install({ config, log });
  const setupToken = (await core.auth.setup?.needed()) ? randomToken() : null;
  const app = createApp(core, { setupToken });
  const { host: hostname, port } = config;
  // The static files are found asynchronously; until then they would be answered as missing.
  await app.modules;
  app.listen({ hostname, port, idleTimeout: IDLE_TIMEOUT_S, maxRequestBodySize: BODY_MAX_BYTES });
  return {
    url: `http://${shownHost(config.host)}:${app.server?.port}`,
    setupPath: setupToken === null ? null : `/setup?token=${setupToken}`,
    async stop() {
      await stop(config.shutdownGraceS * 1000);
      closeStreams(core);
      await app.server?.stop(true);
    },
  };
}

function randomToken(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url");
}

function shownHost(host: string): string {
  return host === "0.0.0.0" || host === "::" ? "localhost" : host;
}
