/**
 * Turns the environment into one validated, frozen object. One table has every variable; defaults are written as a person would write them and
 * go through the same parser, which gives the value, or says what would have been right. What each is for is said in .env.example. The only
 * reader of process.env.
 */

import { availableParallelism, tmpdir } from "node:os";
import { resolve } from "node:path";
import { readSize } from "./basics/size";
import type { Config, LogLevel, Rate } from "./protocols";

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
  readonly isSecret: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The configuration, by default of this process. An empty or blank value counts as not set. Relative paths start at `workingFolder` or at DATA_PATH.
 * Throws ConfigError.
 */
export function loadConfig(environment: Environment = process.env, workingFolder = process.cwd()): Config {
  const problems: string[] = [];
  const dataPathGiven = textOf(environment, TABLE.dataPath) ?? ".";
  const dataPath = resolve(workingFolder, dataPathGiven);

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
  return Object.freeze({ ...Object.fromEntries(entries), dataPathGiven, ephemeralFolder: null, scratch: null });
}

/** What the environment sets and nothing here reads, each as a sentence that names what was meant. Names alone: a value may be a secret. */
export function ignoredSettings(environment: Environment = process.env): string[] {
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

/** How many letters have to be put in, taken out or changed; more than enough when lengths or letters differ much. */
function distance(one: string, other: string): number {
  const isFar =
    Math.abs(one.length - other.length) > MISTYPED_LETTERS || lettersApart(one, other) > 2 * MISTYPED_LETTERS;
  if (isFar) return Number.POSITIVE_INFINITY;
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

/** How many letters are in one of the names alone: a cheap look at the hundred variables of a shell, of which few are ours. */
function lettersApart(one: string, other: string): number {
  let apart = lettersOf(one) ^ lettersOf(other);
  let count = 0;
  for (; apart !== 0; apart &= apart - 1) count++;
  return count;
}

/** A bit for each letter. */
function lettersOf(name: string): number {
  let bits = 0;
  for (let at = 0; at < name.length; at++) bits |= 1 << (name.charCodeAt(at) & 31);
  return bits;
}

/** A variable whose name the owner wrote into a file, such as the key of an endpoint in models.yaml. Null = not set. */
export function secretVariable(name: string): string | null {
  return process.env[name]?.trim() || null;
}

/** Where this user's programs keep their sockets: the system's folder for that, or the one of temporary files. */
export function runtimeFolder(): string {
  return process.env.XDG_RUNTIME_DIR?.trim() || tmpdir();
}

/** For `check`: a plugin that asks the environment itself, or uses a path relative to the working folder, does not find the owner's data. */
export function hideData(folder: string): void {
  process.env.DATA_PATH = folder;
  for (const { name } of [TABLE.usersFile, TABLE.uploadDir, TABLE.jwtSecretFile]) delete process.env[name];
  process.chdir(folder);
}

/** That of this process, for one of its own whose temporary files go into the folder. */
export function environmentIn(folder: string): Environment {
  return { ...process.env, TMPDIR: folder };
}

interface Variable<Value> extends ConfigVariable {
  readonly parse: Parser<Value>;
}

function textOf(environment: Environment, variable: ConfigVariable): string | null {
  return environment[variable.name]?.trim() || variable.fallback;
}

const MAX_TIMER_S = 2_000_000; // setTimeout fires at once beyond 2^31 ms, about 2,147,000 s.

const TABLE: {
  readonly [Key in Exclude<keyof Config, "dataPathGiven" | "ephemeralFolder" | "scratch">]-?: Variable<Config[Key]>;
} = {
  openaiApiKey: secret("OPENAI_API_KEY", anyText),
  openaiBaseUrl: optional("OPENAI_BASE_URL", httpUrl("http://localhost:11434/v1")),
  jwtSecretKey: secret("JWT_SECRET_KEY", anyText),
  jwtSecretFile: variable("JWT_SECRET_FILE", "jwt.secret", inDataPath),
  mode: variable("SKELETON_MODE", "persistent", oneOf("persistent", "ephemeral")),
  host: variable("SKELETON_HOST", "0.0.0.0", anyText),
  port: variable("SKELETON_PORT", "8000", wholeNumber(0, 65_535)),
  workers: variable("SKELETON_WORKERS", "1", workers),
  publicUrl: optional("PUBLIC_URL", publicUrl),
  tlsCertFile: optional("TLS_CERT_FILE", inDataPath),
  tlsKeyFile: optional("TLS_KEY_FILE", inDataPath),
  dataPath: variable("DATA_PATH", ".", inWorkingFolder),
  usersFile: variable("USERS_FILENAME", "users.yaml", inDataPath),
  uploadDir: variable("UPLOAD_DIR", "uploads", inDataPath),
  pluginsPath: variable("PLUGINS_PATH", "./plugins", inWorkingFolder),
  skipPlugins: variable("SKELETON_SKIP_PLUGINS", "false", yesOrNo),
  tracePlugins: variable("SKELETON_TRACE_PLUGINS", "false", yesOrNo),
  logLevel: variable("LOG_LEVEL", "INFO", logLevel),
  trustProxy: variable("TRUST_PROXY", "false", yesOrNo),
  corsOrigins: optional("CORS_ORIGINS", origins),
  tokenTtlHours: variable("TOKEN_TTL_HOURS", "168", positiveNumber(87_600)),
  modelFirstByteTimeoutS: variable("MODEL_FIRST_BYTE_TIMEOUT_S", "600", positiveNumber(MAX_TIMER_S)),
  modelIdleTimeoutS: variable("MODEL_IDLE_TIMEOUT_S", "120", positiveNumber(MAX_TIMER_S)),
  modelMaxRetries: variable("MODEL_MAX_RETRIES", "2", wholeNumber(0, 10)),
  toolStepLimit: variable("TOOL_STEP_LIMIT", "25", wholeNumber(1, 1000)),
  rateLimitLogin: variable("RATE_LIMIT_LOGIN", "5/60", rate),
  rateLimitMessage: variable("RATE_LIMIT_MESSAGE", "off", rate),
  quotaBytes: variable("QUOTA_BYTES", "5GB", size),
  streamsPerUser: variable("STREAMS_PER_USER", "200", wholeNumber(0, 1_000_000)),
  pasteFileCharacters: variable("PASTE_FILE_CHARACTERS", "8000", wholeNumber(0, 1_000_000)),
  shutdownGraceS: variable("SHUTDOWN_GRACE_S", "10", wholeNumber(0, 3600)),
  heartbeatS: variable("HEARTBEAT_S", "5", positiveNumber(3600)),
  saveWindowMs: variable("SAVE_WINDOW_MS", "0", wholeNumber(0, 10_000)),
  requestsMax: variable("BUN_CONFIG_MAX_HTTP_REQUESTS", "256", wholeNumber(1, 65_535)),
};

/** Every variable, in the order of .env.example. */
export const CONFIG_VARIABLES: readonly ConfigVariable[] = Object.values(TABLE);

const NAMES: readonly string[] = CONFIG_VARIABLES.map(({ name }) => name);

function variable<Value>(name: string, fallback: string, parse: Parser<Value>): Variable<Value> {
  return { name, fallback, parse, isSecret: false };
}

function optional<Value>(name: string, parse: Parser<Value>): Variable<Value | null> {
  return { name, fallback: null, parse, isSecret: false };
}

function secret(name: string, parse: Parser<string>): Variable<string | null> {
  return { name, fallback: null, parse, isSecret: true };
}

type Parser<Value> = (text: string, folders: Folders) => Value | Wrong;

/** What a relative path starts from. */
interface Folders {
  readonly workingFolder: string;
  readonly dataPath: string;
}

/** What a parser answers to a wrong value: what would have been right. */
class Wrong {
  readonly expected: string;

  constructor(expected: string) {
    this.expected = expected;
  }
}

function anyText(text: string): string {
  return text;
}

function httpUrl(example: string): Parser<string> {
  return (text) => {
    const url = URL.parse(text);
    const isHttp = url !== null && (url.protocol === "http:" || url.protocol === "https:");
    return isHttp ? text.replace(/\/+$/, "") : new Wrong(`a URL such as ${example}`);
  };
}

/** First segments of the paths that the server has itself: below a path of such a name, addresses with and without it could not be told apart. */
export const OWN_SEGMENTS = "api files health live login logout openapi _plugin setup static t threads".split(" ");

function publicUrl(text: string): string | Wrong {
  const url = URL.parse(text);
  const isAddress = url !== null && /^https?:$/.test(url.protocol) && url.host !== "" && url.username === "";
  if (!isAddress || /[?#]/.test(text))
    return new Wrong("a URL such as https://chat.example.org or https://example.org/chat");
  const path = url.pathname.replace(/\/+$/, "");
  if (!/^(?:\/[\w.~-]+)*$/.test(path)) return new Wrong("a URL whose path is of letters, digits and . _ ~ - alone");
  const [, first = ""] = path.split("/");
  if (OWN_SEGMENTS.includes(first))
    return new Wrong(`a URL whose path does not begin with /${first}, which the server has itself`);
  return url.origin + path;
}

/** Each as a browser writes it, because it is compared with what a browser sends. */
function origins(text: string): readonly string[] | Wrong {
  const list = text.split(",").map((origin) => origin.trim());
  const isOrigin = (it: string) => /^https?:\/\//.test(it) && URL.parse(it)?.origin === it;
  return list.every(isOrigin)
    ? Object.freeze(list)
    : new Wrong('exact origins such as https://app.example, without a path or "*", separated by commas');
}

function inDataPath(text: string, { dataPath }: Folders): string {
  return resolve(dataPath, text);
}

function inWorkingFolder(text: string, { workingFolder }: Folders): string {
  return resolve(workingFolder, text);
}

function oneOf<Value extends string>(...allowed: readonly Value[]): Parser<Value> {
  return (text) => allowed.find((value) => value === text.toLowerCase()) ?? new Wrong(allowed.join(" or "));
}

function logLevel(text: string): LogLevel | Wrong {
  const levels: Record<string, LogLevel> = {
    debug: "debug",
    info: "info",
    warning: "warn",
    warn: "warn",
    error: "error",
    critical: "error",
  };
  return ownValue(levels, text.toLowerCase()) ?? new Wrong("DEBUG, INFO, WARNING or ERROR");
}

function yesOrNo(text: string): boolean | Wrong {
  const words = { true: true, "1": true, yes: true, false: false, "0": false, no: false };
  return ownValue<boolean>(words, text.toLowerCase()) ?? new Wrong("true or false");
}

/** So that a value such as "constructor" does not find what every object has. */
function ownValue<Value>(values: Record<string, Value>, key: string): Value | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined;
}

function wholeNumber(least: number, most: number): Parser<number> {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? value : new Wrong(`a whole number from ${least} to ${most}`);
  };
}

const WORKERS_MAX = 64;

function workers(text: string, folders: Folders): number | Wrong {
  if (text.toLowerCase() === "auto") return Math.min(WORKERS_MAX, availableParallelism());
  const value = wholeNumber(1, WORKERS_MAX)(text, folders);
  return value instanceof Wrong ? new Wrong(`${value.expected}, or auto`) : value;
}

function positiveNumber(most: number): Parser<number> {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    return value > 0 && value <= most ? value : new Wrong(`a number above 0, at most ${most}`);
  };
}

/** In bytes. */
function size(text: string): number | Wrong {
  return readSize(text) ?? new Wrong("a size such as 5GB, 500MB or a number of bytes; 0 = no limit");
}

function rate(text: string): Rate | null | Wrong {
  if (text.toLowerCase() === "off") return null;
  const [, max, windowS] = /^(\d{1,6})\/(\d{1,6})$/.exec(text)?.map(Number) ?? [];
  return max && windowS ? Object.freeze({ max, windowS }) : new Wrong('number/seconds such as 5/60, or "off"');
}
