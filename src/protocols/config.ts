/** `core.config`: the settings of the server, read once from the environment by `src/config.ts` and frozen. */

import type { LogLevel } from "./log";

export interface Config {
  /** `OPENAI_API_KEY`; null = none. Secret: do not log. */
  readonly openaiApiKey: string | null;
  /** `OPENAI_BASE_URL`; null = not set (OpenAI's own when there is a key). */
  readonly openaiBaseUrl: string | null;
  /** `JWT_SECRET_KEY`; null = use the file. Secret: do not log. */
  readonly jwtSecretKey: string | null;
  /** `JWT_SECRET_FILE`, by default `jwt.secret` in `dataPath`. */
  readonly jwtSecretFile: string;
  /** `SKELETON_MODE`: ephemeral = memory only, one user `default` with password `default`. */
  readonly mode: "persistent" | "ephemeral";
  /** `SKELETON_HOST`. */
  readonly host: string;
  /** `SKELETON_PORT`; 0 = any free one. */
  readonly port: number;
  /** `SKELETON_WORKERS`: processes that serve the port together; `auto` is their number by now. */
  readonly workers: number;
  /** `PUBLIC_URL`: the address at which people reach the server, with the path below which it is if there is one; null = as each request says. */
  readonly publicUrl: string | null;
  /** `TLS_CERT_FILE`, absolute: the certificate chain to serve HTTPS with; null = plain HTTP. */
  readonly tlsCertFile: string | null;
  /** `TLS_KEY_FILE`, absolute: its key; null exactly when `tlsCertFile` is. */
  readonly tlsKeyFile: string | null;
  /** `DATA_PATH`, absolute: where the owner's files live. */
  readonly dataPath: string;
  /** The same as the owner wrote it, for what is said about it. */
  readonly dataPathGiven: string;
  /** `USERS_FILENAME`, absolute, by default `users.yaml` in `dataPath`. */
  readonly usersFile: string;
  /** `UPLOAD_DIR`, absolute, by default `uploads` in `dataPath`. */
  readonly uploadDir: string;
  /** `PLUGINS_PATH`, absolute. */
  readonly pluginsPath: string;
  /** `SKELETON_SKIP_PLUGINS`: start without the files of `pluginsPath`. */
  readonly skipPlugins: boolean;
  /** `SKELETON_TRACE_PLUGINS`: log what each plugin is loaded with and each call of its hooks and tools. */
  readonly tracePlugins: boolean;
  /** `LOG_LEVEL`. */
  readonly logLevel: LogLevel;
  /** `TRUST_PROXY`: believe X-Forwarded-For, -Proto and -Host. */
  readonly trustProxy: boolean;
  /** `CORS_ORIGINS`: other sites whose pages may use the API with a token; null = none. */
  readonly corsOrigins: readonly string[] | null;
  /** `TOKEN_TTL_HOURS`: how long a session lasts. */
  readonly tokenTtlHours: number;
  /** `MODEL_FIRST_BYTE_TIMEOUT_S`: seconds until the first of a reply has to be there; a large model may be loaded first. */
  readonly modelFirstByteTimeoutS: number;
  /** `MODEL_IDLE_TIMEOUT_S`: seconds in which nothing of a reply comes after that, until the call fails. */
  readonly modelIdleTimeoutS: number;
  /** `MODEL_MAX_RETRIES`: more tries of a model call that failed before its first byte. */
  readonly modelMaxRetries: number;
  /** `TOOL_STEP_LIMIT`: model calls in one turn. */
  readonly toolStepLimit: number;
  /** `RATE_LIMIT_LOGIN`: failed sign-ins per address and per account; null = no limit. */
  readonly rateLimitLogin: Rate | null;
  /** `RATE_LIMIT_MESSAGE`: messages per user; null = no limit. */
  readonly rateLimitMessage: Rate | null;
  /** `QUOTA_BYTES`: bytes of files and texts that one user may keep; 0 = no limit. */
  readonly quotaBytes: number;
  /** `STREAMS_PER_USER`: streams of events that one user may have open in this process; 0 = no limit. */
  readonly streamsPerUser: number;
  /** `PASTE_FILE_CHARACTERS`: a paste of more becomes a file; 0 = none does. */
  readonly pasteFileCharacters: number;
  /** `SHUTDOWN_GRACE_S`: seconds that running turns get when the server is asked to end. */
  readonly shutdownGraceS: number;
  /** `HEARTBEAT_S`: seconds between this process's signs of life to others on the same data. */
  readonly heartbeatS: number;
  /** `SAVE_WINDOW_MS`: how long what is said waits for the next commit, at least. Nothing is shown before it is saved. */
  readonly saveWindowMs: number;
  /** `BUN_CONFIG_MAX_HTTP_REQUESTS`: Bun's own, read by it before the process starts: requests to others under way at once. */
  readonly requestsMax: number;
  /** Where the workers of an ephemeral server keep what they share, until it ends; null = in memory, or the server is none. */
  readonly ephemeralFolder: string | null;
  /**
   * Null while serving. In `skeleton check` a name of `a-z`, `0-9` and `_`, another one for each case: a plugin that keeps data elsewhere
   * than in `dataPath`, such as in a database server, must keep it under this name (as a schema, a prefix, a folder) and drop all of it in
   * `stop`, so that a check never touches what is real.
   */
  readonly scratch: string | null;
}

/** Written `max/seconds`, such as `5/60`. */
export interface Rate {
  readonly max: number;
  readonly windowS: number;
}
