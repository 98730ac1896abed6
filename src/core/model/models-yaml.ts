/**
 * Reads `models.yaml`: a list of endpoints, or a map of them by name. An entry that is wrong is left out and named; the
 * others work. Keys are not written here but in environment variables that the file names.
 */

import { MODEL_NAME_MAX } from "../../basics/allowed";
import { isRecord } from "../../basics/json";
import type { JsonObject, ModelInfo } from "../../protocols";
import type { Endpoint } from "./endpoint";

export interface ParsedEndpoints {
  readonly endpoints: readonly Endpoint[];
  /** A sentence for the owner per entry that is left out. */
  readonly problems: readonly string[];
}

/** Throws when the content as a whole is neither list nor map. */
export function parseEndpoints(content: unknown, secret: (name: string) => string | null): ParsedEndpoints {
  const endpoints: Endpoint[] = [];
  const problems: string[] = [];
  for (const [label, entry] of entriesOf(content)) {
    const read = readEndpoint(entry, secret);
    if (typeof read === "string") problems.push(`${label}: ${read}`);
    else if (endpoints.some(({ name }) => name === read.name))
      problems.push(`${label}: the name is taken by an earlier entry.`);
    else endpoints.push(read);
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

const KEYS = ["name", "base_url", "api_key_env", "headers", "models", "parameters", "allow_parameters"];
const MODEL_KEYS = ["id", "parameters", "allow_parameters", "context_length", "capabilities"];

/** The endpoint, or what is wrong with it. */
function readEndpoint(entry: unknown, secret: (name: string) => string | null): Endpoint | string {
  if (!isRecord(entry)) return `it has to be a map with ${KEYS.join(", ")}.`;
  if ("api_key" in entry)
    return "api_key is not allowed; put the key in an environment variable and its name in api_key_env.";
  const unknown = Object.keys(entry).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) return `"${unknown}" is not known; there are ${KEYS.join(", ")}.`;

  const { name, base_url, api_key_env, headers, models = "*", parameters = {}, allow_parameters } = entry;
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
    return `name has to be 1 to 64 letters, digits, "_", "-" or ".".`;
  }
  if (typeof base_url !== "string" || !isHttpUrl(base_url)) {
    return "base_url has to be an address such as http://localhost:11434/v1.";
  }
  const apiKey = readKey(api_key_env, secret);
  if (apiKey instanceof Error) return apiKey.message;
  const read = { headers: readHeaders(headers, secret), models: readModels(models) };
  if (typeof read.headers === "string") return read.headers;
  if (typeof read.models === "string") return read.models;
  if (!isRecord(parameters)) return "parameters has to be a map.";
  if (allow_parameters !== undefined && !isTexts(allow_parameters))
    return "allow_parameters has to be a list of names.";
  const defaults = parameters as JsonObject;
  return {
    name,
    baseUrl: base_url.replace(/\/+$/, ""),
    apiKey,
    ...read.headers,
    ...read.models,
    parameters: defaults,
    ...(allow_parameters === undefined ? {} : { allowParameters: allow_parameters }),
    isGuess: false,
  };
}

function readKey(variable: unknown, secret: (name: string) => string | null): string | null | Error {
  if (variable === undefined || variable === null) return null;
  if (typeof variable !== "string" || !/^[A-Za-z_]\w*$/.test(variable)) {
    // The value is not repeated: people do put the key itself here.
    return new Error("api_key_env has to be the name of an environment variable.");
  }
  return secret(variable) ?? new Error(`api_key_env names ${variable}, which is not set.`);
}

// Of the connection, or made by what is sent.
const NOT_TO_SET = /^(?:host|connection|content-length|transfer-encoding|upgrade|te|trailer|expect|keep-alive)$/i;
const SECRET = /authorization|key|token|secret|cookie|password/i;

/** `${NAME}` in a value is that environment variable. What is wrong with them as a sentence, which never has a value. */
function readHeaders(
  headers: unknown,
  secret: (name: string) => string | null,
): Pick<Endpoint, "headers" | "secrets"> | string {
  if (headers === undefined || headers === null) return {};
  if (!isRecord(headers)) return "headers has to be a map of names and texts.";
  const read: Record<string, string> = {};
  const secrets: string[] = [];
  for (const [name, given] of Object.entries(headers)) {
    if (!/^[\w!#$%&'*+.^`|~-]{1,100}$/.test(name) || NOT_TO_SET.test(name))
      return `headers: ${JSON.stringify(name.slice(0, 100))} cannot be set.`;
    const text = ["string", "number", "boolean"].includes(typeof given) ? String(given) : "";
    const missing = [...text.matchAll(VARIABLE)].find(([, variable = ""]) => secret(variable) === null)?.[1];
    if (missing !== undefined) return `headers: ${name} names the environment variable ${missing}, which is not set.`;
    if (SECRET.test(name) && text.search(VARIABLE) < 0)
      return `headers: put the value of ${name} in an environment variable, and its name as \${NAME} here.`;
    for (const [, variable = ""] of text.matchAll(VARIABLE)) secrets.push(secret(variable) ?? "");
    const value = text.replace(VARIABLE, (_, variable) => secret(variable) ?? "");
    if (!/^[\x20-\x7e\t]{1,8000}$/.test(value)) return `headers: ${name} has to be a text on one line, in ASCII.`;
    read[name.toLowerCase()] = value;
  }
  return { headers: read, secrets };
}

const VARIABLE = /\$\{([A-Za-z_]\w*)\}/g;

function readModels(models: unknown): Pick<Endpoint, "models" | "isAsked"> | string {
  const list = Array.isArray(models) ? models : [models];
  const read: ModelInfo[] = [];
  for (const entry of list) {
    if (entry === "*") continue;
    const model = readModel(entry);
    if (typeof model === "string") return model;
    read.push(model);
  }
  return { models: read, isAsked: list.includes("*") };
}

function readModel(entry: unknown): ModelInfo | string {
  const model = typeof entry === "string" ? { id: entry } : entry;
  if (!isRecord(model) || typeof model.id !== "string" || model.id.trim() === "") {
    return `models has to be "*" or a list of ids, or of maps with ${MODEL_KEYS.join(", ")}.`;
  }
  const { id, parameters, allow_parameters, context_length, capabilities } = model;
  if (id.length > MODEL_NAME_MAX) return `an id of models has more than ${MODEL_NAME_MAX} characters.`;
  const unknown = Object.keys(model).find((key) => !MODEL_KEYS.includes(key));
  if (unknown !== undefined) return `model "${id}": "${unknown}" is not known; there are ${MODEL_KEYS.join(", ")}.`;
  if (parameters !== undefined && !isRecord(parameters)) return `model "${id}": parameters has to be a map.`;
  if (allow_parameters !== undefined && !isTexts(allow_parameters)) {
    return `model "${id}": allow_parameters has to be a list of names.`;
  }
  if (context_length !== undefined && !(Number.isSafeInteger(context_length) && Number(context_length) > 0)) {
    return `model "${id}": context_length has to be a number of tokens.`;
  }
  if (capabilities !== undefined && !isTexts(capabilities)) {
    return `model "${id}": capabilities has to be a list of words such as vision, tools.`;
  }
  return {
    id,
    ...(parameters === undefined ? {} : { parameters: parameters as JsonObject }),
    ...(allow_parameters === undefined ? {} : { allowParameters: allow_parameters }),
    ...(context_length === undefined ? {} : { contextLength: Number(context_length) }),
    ...(capabilities === undefined ? {} : { capabilities }),
  };
}

function isHttpUrl(text: string): boolean {
  const protocol = URL.parse(text)?.protocol;
  return protocol === "http:" || protocol === "https:";
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
