/**
 * Turns the environment into one validated, frozen object. One table says everything about a variable; defaults are
 * written as a person would write them and go through the same parser. The only reader of process.env.
 */

import { resolve } from "node:path";
import {
  anyText,
  httpUrl,
  inDataPath,
  inWorkingFolder,
  logLevel,
  oneOf,
  origins,
  type Parser,
  positiveNumber,
  publicUrl,
  rate,
  size,
  Wrong,
  wholeNumber,
  yesOrNo,
} from "./parse";
import type { Config } from "./protocols";

/** Everything that is wrong with the environment, at once, as text for the owner. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

export interface ConfigVariable {
  readonly name: string;
  /** As written in .env.example; null = not set. */
  readonly fallback: string | null;
  readonly description: string;
  readonly isSecret: boolean;
}

/** The configuration of this process. */
export function loadConfig(): Config {
  return readConfig(process.env, process.cwd());
}

/** What the environment of this process sets and nothing here reads, each as a sentence that names what was meant. */
export function ignoredSettings(): string[] {
  return ignoredOf(process.env);
}

/** The same of any environment. Names alone: a value may be a secret. */
export function ignoredOf(environment: Record<string, string | undefined>): string[] {
  const isSet = (name: string) => Boolean(environment[name]?.trim());
  return Object.keys(environment)
    .filter((name) => isSet(name) && !NAMES.includes(name))
    .flatMap((name) => {
      const meant = meantBy(name);
      if (meant !== null && isSet(meant)) return [];
      const instead = meant === null ? INSTEAD.get(name) : `Did you mean ${meant}?`;
      const ignored = `${name} is ignored: the server has no setting of that name.`;
      if (instead !== undefined) return [`${ignored} ${instead}`];
      return name.startsWith(PREFIX) ? [`${ignored} See .env.example.`] : [];
    })
    .sort();
}

const PREFIX = "SKELETON_";
const DATABASE = "The database is skeleton.db in DATA_PATH; see docs/from-python.md.";

/** Settings of the Python Skeleton that have no counterpart of another name. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ["SYSTEM_PROMPTS_FILE", "The file is system_prompts.yaml in DATA_PATH; put it there."],
  ["SQLITE_DB_FILENAME", DATABASE],
  ["SQLITE_PATH", DATABASE],
  ["THREAD_DB_PATH", DATABASE],
]);

/** What other programs call the same. */
const ALIASES: ReadonlyMap<string, string | null> = new Map([
  ["OPENAI_KEY", "OPENAI_API_KEY"],
  ["OPENAI_API_BASE", "OPENAI_BASE_URL"],
  ["OPENAI_API_BASE_URL", "OPENAI_BASE_URL"],
  ["OPENAI_API_URL", "OPENAI_BASE_URL"],
  ["JWT_SECRET", "JWT_SECRET_KEY"],
  ["DATA_DIR", "DATA_PATH"],
  ["USERS_FILE", "USERS_FILENAME"],
  ["UPLOAD_PATH", "UPLOAD_DIR"],
  ["PLUGINS_DIR", "PLUGINS_PATH"],
  ["CORS_ALLOW_ORIGIN", "CORS_ORIGINS"],
  ["CORS_ALLOWED_ORIGINS", "CORS_ORIGINS"],
  ["PORT", "SKELETON_PORT"],
  ["UVICORN_PORT", "SKELETON_PORT"],
  ["UVICORN_HOST", "SKELETON_HOST"],
  ["TLS_CERT", "TLS_CERT_FILE"],
  ["TLS_KEY", "TLS_KEY_FILE"],
  ["SSL_KEYFILE", "TLS_KEY_FILE"],
  ["SSL_CERTFILE", "TLS_CERT_FILE"],
  ["SSL_CERT_FILE", null], // OpenSSL's own: certificates to trust.
]);

const MISTYPED_LENGTH = 8; // A shorter name is two letters away from too many others.
const MISTYPED_LETTERS = 2;

/** The setting that a name looks like; null = none. */
function meantBy(name: string): string | null {
  const alias = ALIASES.get(name);
  if (alias !== undefined) return alias;
  const bare = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : PREFIX + name;
  if (name.length < MISTYPED_LENGTH) return null;
  if (NAMES.includes(bare)) return bare;
  // A second key beside the first is what models.yaml may name.
  if (NAMES.some((known) => name.startsWith(known) && /^_?\d+$/.test(name.slice(known.length)))) return null;
  const typed = name.toUpperCase();
  return NAMES.find((known) => distance(typed, known) <= MISTYPED_LETTERS) ?? null;
}

/** How many letters have to be put in, taken out or changed; more than enough when the lengths differ much. */
function distance(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > MISTYPED_LETTERS) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (const [at, letter] of [...one].entries()) {
    const next = [at + 1];
    for (const [column, wanted] of [...other].entries()) {
      const [above = 0, corner = 0, left = 0] = [row[column + 1], row[column], next[column]];
      next.push(Math.min(above + 1, left + 1, corner + (letter === wanted ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** A variable whose name the owner wrote into a file, such as the key of an endpoint in models.yaml. Null = not set. */
export function secretVariable(name: string): string | null {
  return process.env[name]?.trim() || null;
}

/** Throws ConfigError. An empty or blank value counts as not set. Relative paths start at `workingFolder` or at DATA_PATH. */
export function readConfig(environment: Record<string, string | undefined>, workingFolder: string): Config {
  const problems: string[] = [];
  const dataPath = resolve(workingFolder, textOf(environment, TABLE.dataPath) ?? ".");

  const read = <Value>(variable: Variable<Value>): Value => {
    const text = textOf(environment, variable);
    // A default of null is the only way to get here without text, and then null is one of the values.
    if (text === null) return null as Value;
    const result = variable.parse(text, { workingFolder, dataPath });
    if (!(result instanceof Wrong)) return result;
    const shown = variable.isSecret ? "its value (not shown)" : JSON.stringify(text);
    problems.push(`${variable.name}: ${shown} is not allowed; ${result.expected}.`);
    return null as Value;
  };

  const entries = Object.entries(TABLE).map(([key, variable]) => [key, read<unknown>(variable)]);
  const tls = [TABLE.tlsCertFile, TABLE.tlsKeyFile].filter((variable) => textOf(environment, variable) !== null);
  if (tls.length === 1) problems.push("TLS_CERT_FILE, TLS_KEY_FILE: only one of them is set; HTTPS needs both.");
  if (problems.length > 0) throw new ConfigError(problems);
  const dataPathGiven = textOf(environment, TABLE.dataPath) ?? ".";
  return Object.freeze({ ...Object.fromEntries(entries), dataPathGiven, scratch: null });
}

/** Lets nothing that asks the environment itself, or uses a path relative to the working folder, find the owner's data: for `check`. */
export function hideData(folder: string): void {
  process.env.DATA_PATH = folder;
  for (const { name } of [TABLE.usersFile, TABLE.uploadDir, TABLE.jwtSecretFile]) delete process.env[name];
  process.chdir(folder);
}

/** That of this process, for one of its own whose temporary files go into the folder. */
export function environmentIn(folder: string): Record<string, string | undefined> {
  return { ...process.env, TMPDIR: folder };
}

interface Variable<Value> extends ConfigVariable {
  readonly parse: Parser<Value>;
}

function textOf(environment: Record<string, string | undefined>, variable: ConfigVariable): string | null {
  return environment[variable.name]?.trim() || variable.fallback;
}

const MAX_TIMER_S = 2_000_000; // setTimeout fires at once beyond 2^31 ms, about 2,147,000 s.

const TABLE: { readonly [Key in Exclude<keyof Config, "dataPathGiven" | "scratch">]-?: Variable<Config[Key]> } = {
  openaiApiKey: secret("OPENAI_API_KEY", anyText, "Key for the OpenAI-compatible endpoint."),
  openaiBaseUrl: optional(
    "OPENAI_BASE_URL",
    httpUrl("http://localhost:11434/v1"),
    "Endpoint; not set = OpenAI's own when there is a key.",
  ),
  jwtSecretKey: secret("JWT_SECRET_KEY", anyText, "Signs sessions, at least 32 characters; not set = JWT_SECRET_FILE."),
  jwtSecretFile: variable(
    "JWT_SECRET_FILE",
    "jwt.secret",
    inDataPath,
    "Made at the first start; relative to DATA_PATH.",
  ),
  mode: variable(
    "SKELETON_MODE",
    "persistent",
    oneOf("persistent", "ephemeral"),
    "persistent, or ephemeral: in memory only, user default with password default.",
  ),
  host: variable("SKELETON_HOST", "0.0.0.0", anyText, "Address to listen on."),
  port: variable("SKELETON_PORT", "8000", wholeNumber(0, 65_535), "Port to listen on; 0 = any free one."),
  publicUrl: optional(
    "PUBLIC_URL",
    publicUrl,
    "The address at which people reach this server, also one with a path; not set = as each request says.",
  ),
  tlsCertFile: optional(
    "TLS_CERT_FILE",
    inDataPath,
    "Certificate chain (PEM) to serve HTTPS with, read again when it changes; relative to DATA_PATH.",
  ),
  tlsKeyFile: optional("TLS_KEY_FILE", inDataPath, "Its private key (PEM); relative to DATA_PATH."),
  dataPath: variable("DATA_PATH", ".", inWorkingFolder, "Folder of your files and of the database."),
  usersFile: variable("USERS_FILENAME", "users.yaml", inDataPath, "Accounts; relative to DATA_PATH."),
  uploadDir: variable("UPLOAD_DIR", "uploads", inDataPath, "Folder of uploaded files; relative to DATA_PATH."),
  pluginsPath: variable("PLUGINS_PATH", "./plugins", inWorkingFolder, "Folder of your plugins."),
  skipPlugins: variable(
    "SKELETON_SKIP_PLUGINS",
    "false",
    yesOrNo,
    "Start without your plugins, to find out who is to blame.",
  ),
  tracePlugins: variable(
    "SKELETON_TRACE_PLUGINS",
    "false",
    yesOrNo,
    "Log what plugins give, and each call of their hooks and tools.",
  ),
  logLevel: variable("LOG_LEVEL", "INFO", logLevel, "DEBUG, INFO, WARNING or ERROR."),
  trustProxy: variable("TRUST_PROXY", "false", yesOrNo, "Believe X-Forwarded-For, -Proto and -Host (behind a proxy)."),
  corsOrigins: optional(
    "CORS_ORIGINS",
    origins,
    "Sites whose pages may use the API with a token, such as https://app.example, separated by commas.",
  ),
  tokenTtlHours: variable("TOKEN_TTL_HOURS", "168", positiveNumber(87_600), "How long a session lasts."),
  modelFirstByteTimeoutS: variable(
    "MODEL_FIRST_BYTE_TIMEOUT_S",
    "600",
    positiveNumber(MAX_TIMER_S),
    "Seconds that a model may take until its reply begins.",
  ),
  modelIdleTimeoutS: variable(
    "MODEL_IDLE_TIMEOUT_S",
    "120",
    positiveNumber(MAX_TIMER_S),
    "Seconds in which a reply that has begun does not go on, until the call fails.",
  ),
  modelMaxRetries: variable(
    "MODEL_MAX_RETRIES",
    "2",
    wholeNumber(0, 10),
    "More tries of a model call that failed early.",
  ),
  toolStepLimit: variable("TOOL_STEP_LIMIT", "25", wholeNumber(1, 1000), "Model calls in one turn."),
  rateLimitLogin: variable(
    "RATE_LIMIT_LOGIN",
    "5/60",
    rate,
    "Failed sign-ins / seconds, for an account at one address; 20 times that for an address and an account; off = no limit.",
  ),
  rateLimitMessage: variable(
    "RATE_LIMIT_MESSAGE",
    "off",
    rate,
    "Messages / seconds, per user, such as 10/10; off = no limit.",
  ),
  quotaBytes: variable(
    "QUOTA_BYTES",
    "5GB",
    size,
    "How much one user may keep in files and messages, such as 500MB; 0 = no limit.",
  ),
  streamsPerUser: variable(
    "STREAMS_PER_USER",
    "200",
    wholeNumber(0, 1_000_000),
    "Streams of events, such as open windows, that one user may have at a time; 0 = no limit.",
  ),
  pasteFileCharacters: variable(
    "PASTE_FILE_CHARACTERS",
    "8000",
    wholeNumber(0, 1_000_000),
    "A paste of more characters becomes a file of the message; 0 = none does.",
  ),
  shutdownGraceS: variable(
    "SHUTDOWN_GRACE_S",
    "10",
    wholeNumber(0, 3600),
    "Seconds that running turns get when the server is stopped.",
  ),
  heartbeatS: variable(
    "HEARTBEAT_S",
    "5",
    positiveNumber(3600),
    "Seconds between a server's signs of life; after four that stay out, another one on the same data ends its replies.",
  ),
  requestsMax: variable(
    "BUN_CONFIG_MAX_HTTP_REQUESTS",
    "256",
    wholeNumber(1, 65_535),
    "Requests that Bun lets one process have under way, each running model call among them; `bun run start` sets 20000.",
  ),
};

/** Every variable, in the order of .env.example. */
export const CONFIG_VARIABLES: readonly ConfigVariable[] = Object.values(TABLE);

const NAMES: readonly string[] = CONFIG_VARIABLES.map(({ name }) => name);

function variable<Value>(name: string, fallback: string, parse: Parser<Value>, description: string): Variable<Value> {
  return { name, fallback, parse, description, isSecret: false };
}

function optional<Value>(name: string, parse: Parser<Value>, description: string): Variable<Value | null> {
  return { name, fallback: null, parse, description, isSecret: false };
}

function secret(name: string, parse: Parser<string>, description: string): Variable<string | null> {
  return { name, fallback: null, parse, description, isSecret: true };
}
