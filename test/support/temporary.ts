/** Real folders and a real configuration for tests, gone when the tests end. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../src/protocols";
import { atEnd } from "./at-end";

/** An empty folder, removed when all tests have run. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "skeleton-test-"));
  atEnd(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The configuration of a server that keeps its data in `dataPath` and listens on any free port of this machine. */
export function testConfig(dataPath: string, overrides: Partial<Config> = {}): Config {
  return {
    openaiApiKey: null,
    openaiBaseUrl: null,
    jwtSecretKey: "a secret that only the tests know, long enough",
    jwtSecretFile: join(dataPath, "jwt.secret"),
    mode: "persistent",
    host: "127.0.0.1",
    port: 0,
    workers: 1,
    publicUrl: null,
    tlsCertFile: null,
    tlsKeyFile: null,
    dataPath,
    dataPathGiven: dataPath,
    usersFile: join(dataPath, "users.yaml"),
    uploadDir: join(dataPath, "uploads"),
    pluginsPath: join(dataPath, "plugins"),
    skipPlugins: false,
    tracePlugins: false,
    logLevel: "error",
    trustProxy: false,
    corsOrigins: null,
    tokenTtlHours: 1,
    modelFirstByteTimeoutS: 60,
    modelIdleTimeoutS: 60, // Tests hold a model up at gates, and a busy machine takes its time until they open them.
    modelMaxRetries: 0,
    toolStepLimit: 10,
    rateLimitLogin: null,
    rateLimitMessage: null,
    quotaBytes: 5_000_000_000,
    streamsPerUser: 200,
    pasteFileCharacters: 8000,
    shutdownGraceS: 1,
    heartbeatS: 5,
    saveWindowMs: 0,
    requestsMax: 20_000,
    ephemeralFolder: null,
    scratch: null,
    ...overrides,
  };
}
