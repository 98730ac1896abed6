/**
 * Reads `models.yaml`: a list of endpoints, or a map of them by name. An entry that is wrong is left out and named; the
 * others work. Keys are not written here but in environment variables that the file names.
 */

import { MODEL_NAME_MAX } from "../../basics/allowed";
import { messageOf } from "../../basics/errors";
import { isRecord, textOf } from "../../basics/json";
import { inCamelCase } from "../../basics/names";
import type { JsonObject, ModelInfo } from "../../protocols";

/** An address that speaks OpenAI's protocol, and what the owner says of it. */
export interface Endpoint {
  /** Of the owner; shown to people. */
  readonly name: string;
  /** May have a query, which stays behind the path of each request. */
  readonly baseUrl: string;
  /** Null = requests carry none. Secret. */
  readonly apiKey: string | null;
  /** Sent with each request, over those of our own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What of the headers nobody may see. */
  readonly secrets?: readonly string[];
  /** Models that are offered without asking, with what is known of them. */
  readonly models: readonly ModelInfo[];
  /** Whether the endpoint is asked for its list. */
  readonly isAsked: boolean;
  /** Of every model of the endpoint. */
  readonly parameters: JsonObject;
  /** Names of parameters that users with a model mask may set for any of its models. */
  readonly allowParameters?: readonly string[];
  /** True = nobody configured it: that it does not answer is no news. */
  readonly isGuess: boolean;
}

/** `problems` has a sentence for the owner per entry that is left out. Throws when the content as a whole is neither list nor map. */
export function parseEndpoints(content: unknown, secret: Secret) {
  const endpoints: Endpoint[] = [];
  const problems: string[] = [];
  for (const [label, entry] of entriesOf(content)) {
    try {
      const read = readEndpoint(entry, secret);
      if (endpoints.some(({ name }) => name === read.name)) throw new Error("the name is taken by an earlier entry.");
      endpoints.push(read);
    } catch (error) {
      problems.push(`${label}: ${messageOf(error)}`);
    }
  }
  return { endpoints, problems };
}

function entriesOf(content: unknown): [label: string, entry: unknown][] {
  if (content === null || content === undefined) return [];
  if (Array.isArray(content)) {
    return content.map((entry, at) => {
      const name = isRecord(entry) && typeof entry.name === "string" ? entry.name : null;
      return [name === null ? `entry ${at + 1}` : `endpoint "${name}"`, entry];
    });
  }
  if (!isRecord(content)) throw new Error("It has to be a list of endpoints, or a map of them by name.");
  return Object.entries(content).map(([name, entry]) => [
    `endpoint "${name}"`,
    isRecord(entry) ? { ...entry, name: entry.name ?? name } : entry,
  ]);
}

type Secret = (name: string) => string | null;

/** What a field has to be, and whether it is. */
type Fields = Readonly<Record<string, readonly [what: string, isRight: (value: unknown) => boolean]>>;

const OF_BOTH: Fields = { parameters: ["a map", isRecord], allow_parameters: ["a list of names", isTexts] };
const OF_ENDPOINT: Fields = {
  name: ['1 to 64 letters, digits, "_", "-" or "."', (value) => /^[\w.-]{1,64}$/.test(textOf(value))],
  base_url: ["an address such as http://localhost:11434/v1", (value) => isHttpUrl(textOf(value))],
  // The value is not repeated: people do put the key itself here.
  api_key_env: [
    "the name of an environment variable",
    (value) => value === null || /^[A-Za-z_]\w*$/.test(textOf(value)),
  ],
  headers: ["a map of names and texts", (value) => value === null || isRecord(value)],
  models: ["", () => true],
  ...OF_BOTH,
};
const OF_MODEL: Fields = {
  id: ["", () => true],
  ...OF_BOTH,
  context_length: ["a number of tokens", (value) => Number.isSafeInteger(value) && Number(value) > 0],
  capabilities: ["a list of words such as vision, tools", isTexts],
};
const NEEDED = new Set(["name", "base_url"]);

function checkFields(entry: Readonly<Record<string, unknown>>, fields: Fields, place: string): void {
  const unknown = Object.keys(entry).find((name) => !Object.hasOwn(fields, name));
  if (unknown !== undefined)
    throw new Error(`${place}"${unknown}" is not known; there are ${Object.keys(fields).join(", ")}.`);
  for (const [name, [what, isRight]] of Object.entries(fields)) {
    const isAbsent = entry[name] === undefined;
    if (isAbsent ? NEEDED.has(name) : !isRight(entry[name])) throw new Error(`${place}${name} has to be ${what}.`);
  }
}

function readEndpoint(entry: unknown, secret: Secret): Endpoint {
  if (!isRecord(entry)) throw new Error(`it has to be a map with ${Object.keys(OF_ENDPOINT).join(", ")}.`);
  if ("api_key" in entry)
    throw new Error("api_key is not allowed; put the key in an environment variable and its name in api_key_env.");
  checkFields(entry, OF_ENDPOINT, "");
  const { name, base_url, api_key_env, headers, models = "*", parameters = {}, allow_parameters } = entry;
  const apiKey = typeof api_key_env === "string" ? secret(api_key_env) : null;
  if (api_key_env && apiKey === null) throw new Error(`api_key_env names ${api_key_env}, which is not set.`);
  const list = Array.isArray(models) ? models : [models];
  return {
    name: String(name),
    baseUrl: String(base_url).replace(/\/+$/, ""),
    apiKey,
    ...(isRecord(headers) && readHeaders(headers, secret)),
    models: list.filter((model) => model !== "*").map(readModel),
    isAsked: list.includes("*"),
    parameters: parameters as JsonObject,
    ...(allow_parameters === undefined ? {} : { allowParameters: allow_parameters as string[] }),
    isGuess: false,
  };
}

// Of the connection, or made by what is sent.
const NOT_TO_SET = /^(?:host|connection|content-length|transfer-encoding|upgrade|te|trailer|expect|keep-alive)$/i;
const SECRET = /authorization|key|token|secret|cookie|password/i;

/** `${NAME}` in a value is that environment variable. An error that is thrown never has a value. */
function readHeaders(given: object, secret: Secret): Required<Pick<Endpoint, "headers" | "secrets">> {
  const headers: Record<string, string> = {};
  const secrets: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    if (!/^[\w!#$%&'*+.^`|~-]{1,100}$/.test(name) || NOT_TO_SET.test(name))
      throw new Error(`headers: ${JSON.stringify(name.slice(0, 100))} cannot be set.`);
    const text = ["string", "number", "boolean"].includes(typeof value) ? String(value) : "";
    if (SECRET.test(name) && text.search(VARIABLE) < 0)
      throw new Error(`headers: put the value of ${name} in an environment variable, and its name as \${NAME} here.`);
    const read = text.replace(VARIABLE, (_, variable: string) => {
      const found = secret(variable);
      if (found === null)
        throw new Error(`headers: ${name} names the environment variable ${variable}, which is not set.`);
      secrets.push(found);
      return found;
    });
    if (!/^[\x20-\x7e\t]{1,8000}$/.test(read))
      throw new Error(`headers: ${name} has to be a text on one line, in ASCII.`);
    headers[name.toLowerCase()] = read;
  }
  return { headers, secrets };
}

const VARIABLE = /\$\{([A-Za-z_]\w*)\}/g;

function readModel(entry: unknown): ModelInfo {
  const model = typeof entry === "string" ? { id: entry } : entry;
  if (!isRecord(model) || typeof model.id !== "string" || model.id.trim() === "")
    throw new Error(`models has to be "*" or a list of ids, or of maps with ${Object.keys(OF_MODEL).join(", ")}.`);
  const { id } = model;
  if (id.length > MODEL_NAME_MAX) throw new Error(`an id of models has more than ${MODEL_NAME_MAX} characters.`);
  checkFields(model, OF_MODEL, `model "${id}": `);
  return { ...inCamelCase(model), id };
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isHttpUrl(text: string): boolean {
  return /^https?:$/.test(URL.parse(text)?.protocol ?? "");
}
