/** Runs the server: core, routes, port, and an orderly end. */

import { randomBytes } from "node:crypto";
import { BODY_MAX_BYTES, closeStreams, createApp } from "./app";
import { errorOf, isAppError, messageOf } from "./basics/errors";
import { createLog } from "./basics/log";
import { cannotListen, originOf } from "./basics/origin";
import { type DataLock, shareData } from "./data-lock";
import { watchDescriptors } from "./descriptors";
import { install } from "./plugins";
import type { Config, Core, Log } from "./protocols";
import { readPair, type TlsPair, watchPair } from "./tls";

const MARGIN_BYTES = 1024 * 1024;
const IDLE_TIMEOUT_S = 30; // Of a connection that sends nothing; streams switch it off for themselves.
const CLOSING_MS = 500; // A client that does not take its last bytes by then will notice the end anyway.

export interface Serving {
  readonly url: string;
  readonly port: number;
  /** Path and query of the page that makes the first administrator; null when there is one. */
  readonly setupPath: string | null;
  stop(): Promise<void>;
}

/** `setupToken` is that of all workers; absent = one of its own. */
export async function serve(config: Config, setupToken = randomBytes(24).toString("base64url")): Promise<Serving> {
  const log = createLog(config.logLevel);
  let pair = readPair(config);
  const lock = lockData(config, log);
  const { core, stop: stopCore } = await install({ config, log }).catch((error) => {
    lock?.release();
    throw error;
  });
  const stop = (graceMs: number) => stopCore(graceMs).finally(() => lock?.release());
  const token = (await needsSetup(core)) ? setupToken : null;
  const app = createApp(core, token);
  await listen(app, config, pair, stop);
  const port = app.server?.port ?? config.port;
  /** Bun's servers that listened before a pause, whose streams may still go on. */
  const earlier = new Set<typeof app.server>();
  let isPaused = false;
  const pause = (): void => {
    const { server } = app;
    isPaused = true;
    earlier.add(server);
    void server?.stop().then(() => earlier.delete(server));
  };
  const resume = (): void => {
    app.listen(addressOf({ ...config, port }, pair));
    isPaused = false;
  };
  const unwatch = watchDescriptors(log, { pause, resume });
  // Bun takes a certificate only when it begins to listen.
  const renew = (renewed: TlsPair): void => {
    pair = renewed;
    if (isPaused) return;
    pause();
    resume();
  };
  const unwatchPair = pair && watchPair(config, log, pair, renew);
  return {
    url: originOf(config, port),
    port,
    setupPath: token === null ? null : `/setup?token=${token}`,
    async stop() {
      await stop(config.shutdownGraceS * 1000);
      unwatch();
      unwatchPair?.();
      closeStreams(core);
      const servers = [...earlier.add(app.server)];
      // What was just written must leave before connections are cut.
      await Promise.race([Promise.all(servers.map((server) => server?.stop())), Bun.sleep(CLOSING_MS)]);
      await Promise.all(servers.map((server) => server?.stop(true)));
    },
  };
}

/** Null when there is nothing to lock, or no way: a server whose plugins keep all elsewhere needs no folder that can be written to. */
function lockData({ mode, dataPath }: Config, log: Log): DataLock | null {
  if (mode === "ephemeral") return null;
  try {
    return shareData(dataPath);
  } catch (error) {
    if (isAppError(error)) throw error;
    log.info("A restore would not notice this server", { error: errorOf(error) });
    return null;
  }
}

async function needsSetup({ auth, plugins }: Core): Promise<boolean> {
  try {
    return (await auth.setup?.needed()) ?? false;
  } catch (error) {
    const message = `Whether there are accounts cannot be told, by ${plugins.winners().auth}, which provides auth: ${messageOf(error)}`;
    throw new Error(message, { cause: error });
  }
}

/** Throws an Error that names the variable when the address cannot be had. */
async function listen(
  app: ReturnType<typeof createApp>,
  config: Config,
  pair: TlsPair | null,
  stop: (graceMs: number) => Promise<void>,
) {
  try {
    app.listen(addressOf(config, pair));
  } catch (error) {
    await stop(0);
    throw cannotListen(config, error);
  }
}

function addressOf({ host, port, workers }: Config, tls: TlsPair | null) {
  return {
    ...(tls && { tls }),
    hostname: host,
    port,
    idleTimeout: IDLE_TIMEOUT_S,
    // Beyond it Bun answers without a word, so ours comes first.
    maxRequestBodySize: BODY_MAX_BYTES + MARGIN_BYTES,
    // Elysia's default lets a second server share the port, and each would get some of the requests: for workers alone.
    reusePort: workers > 1,
    // Bun's page for developers shows source and folders to whoever causes an error.
    development: false,
  };
}
