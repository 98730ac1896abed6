/** Checks what a plugin file exports against the plugin object, before anything of it is used. */

import { isRecord } from "../basics/json";
import type { Plugin, PluginPage, ProtocolName, Protocols, Tool } from "../protocols";

type OptionalMember<T> = { [Key in keyof T]-?: object extends Pick<T, Key> ? Key : never }[keyof T];

/** Every protocol, with the members that a provider may leave out: all of those, as the compiler makes sure. */
const PROTOCOLS: { readonly [P in ProtocolName]: Readonly<Record<OptionalMember<Protocols[P]>, true>> } = {
  store: { give: true },
  bus: {},
  limit: {},
  auth: {
    browsers: true,
    endToken: true,
    endTokens: true,
    find: true,
    identify: true,
    installation: true,
    setup: true,
    signOutUrl: true,
    whyRefused: true,
  },
  file: {},
  systemPrompt: {},
  model: { describe: true, missing: true },
  thread: {},
  context: {},
  messageProcessor: {},
  views: {},
};

const HOOKS = ["preCall", "filterStream", "postCall"];
const MEMBERS = [
  "name",
  "priority",
  "provide",
  "hooks",
  "tools",
  "page",
  "access",
  "settings",
  "required",
  "start",
  "stop",
];
const TOOL_MEMBERS = ["name", "description", "parameters", "approval", "strict", "timeoutMs", "execute"];
const ACCESS = ["public", "user", "admin"];
/** Parts of plugins.yaml that are no plugin's settings. */
export const NOT_NAMES: readonly string[] = ["require", "library"];

/** The same value as a plugin. Throws an Error whose message says what to mend. */
export function checkPlugin(value: unknown): Plugin {
  if (!isRecord(value)) {
    throw new Error(`Its default export must be a plugin object, such as { name: "mine" }, and is ${kindOf(value)}.`);
  }
  const { name, priority, provide, hooks, tools, access, settings, required } = value;
  if (!isName(name)) {
    throw new Error('Its name must be 1 to 64 of a-z, 0-9 and -, as in name: "mine".');
  }
  if (NOT_NAMES.includes(name))
    throw new Error(`Its name must not be ${name}, which means something else in plugins.yaml.`);
  refuseUnknown("member", Object.keys(value), MEMBERS);
  if (priority !== undefined && !Number.isFinite(priority)) throw new Error("Its priority must be a number.");
  if (provide !== undefined && Number(priority) < 0) {
    throw new Error("Its priority must be 0 or more: below the built-ins there is nothing to replace.");
  }
  if (access !== undefined && !ACCESS.includes(String(access)))
    throw new Error(`Its access must be one of ${ACCESS.join(", ")}.`);
  if (settings !== undefined && !isObjectSchema(settings))
    throw new Error("Its settings must be the schema of an object, such as t.Object({…}).");
  if (required !== undefined && typeof required !== "boolean") throw new Error("Its required must be true or false.");
  checkFunctions("provide", provide, Object.keys(PROTOCOLS), "protocol");
  checkFunctions("hooks", hooks, HOOKS, "hook");
  if (tools !== undefined && typeof tools !== "function") checkTools(tools);
  for (const member of ["page", "start", "stop"]) {
    if (value[member] !== undefined && typeof value[member] !== "function")
      throw new Error(`Its ${member} must be a function.`);
  }
  return value as unknown as Plugin;
}

/** Whether it can be a plugin's name. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && /^[a-z0-9][a-z0-9-]{0,63}$/.test(value);
}

/** The same value as tools. Throws an Error whose message says what to mend. */
export function checkTools(value: unknown): readonly Tool[] {
  if (!Array.isArray(value)) throw new Error("Its tools must be a list, or a function that returns one or a source.");
  for (const tool of value) checkTool(tool);
  return value;
}

/** The same value as a page. Throws an Error whose message says what to mend. */
export function checkPage(value: unknown): PluginPage {
  if (isRecord(value) && typeof value.handle === "function") return value as unknown as PluginPage;
  throw new Error("Its page must return an object with a function handle.");
}

/** Throws an Error whose message says what to mend. */
export function checkTool(tool: unknown): void {
  if (!isRecord(tool)) throw new Error("One of its tools is not an object.");
  const { name, description, parameters, execute, approval, strict, timeoutMs } = tool;
  if (typeof name !== "string" || !/^[\w-]{1,64}$/.test(name)) {
    throw new Error("The name of each of its tools must be 1 to 64 of a-z, A-Z, 0-9, _ and -.");
  }
  if (typeof description !== "string") throw new Error(`Its tool ${name} needs a description.`);
  if (!isObjectSchema(parameters)) throw new Error(`Its tool ${name} needs parameters, a JSON schema of an object.`);
  if (typeof execute !== "function") throw new Error(`Its tool ${name} needs a function execute.`);
  // A typing error here would let the tool run without asking.
  if (approval !== undefined && typeof approval !== "boolean") {
    throw new Error(`The approval of its tool ${name} must be true or false.`);
  }
  if (strict !== undefined && typeof strict !== "boolean") {
    throw new Error(`The strict of its tool ${name} must be true or false.`);
  }
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs > 0)) {
    throw new Error(`The timeoutMs of its tool ${name} must be a number of milliseconds.`);
  }
  refuseUnknown(`member of its tool ${name} called`, Object.keys(tool), TOOL_MEMBERS);
}

/** What a provider lacks of what it replaces, or null when it is complete. */
export function missingMembers(protocol: ProtocolName, provider: unknown, base: object): string | null {
  if (!isRecord(provider)) return `Its factory of ${protocol} did not return an object.`;
  if (provider instanceof Promise) return `Its factory of ${protocol} must not be async: it returns the object itself.`;
  const wrong = Object.entries(base)
    .filter(([member]) => provider[member] !== undefined || !Object.hasOwn(PROTOCOLS[protocol], member))
    .filter(([member, value]) => typeof provider[member] !== typeof value);
  const missing = wrong.filter(([member]) => provider[member] === undefined).map(([member]) => member);
  if (missing.length > 0) return `Its ${protocol} lacks ${missing.join(", ")}.`;
  const [member, value] = wrong[0] ?? [];
  return member === undefined ? null : `Its ${protocol}.${member} must be a ${typeof value}.`;
}

function checkFunctions(member: string, value: unknown, known: readonly string[], word: string): void {
  if (value === undefined) return;
  if (!isRecord(value)) throw new Error(`Its ${member} must be an object.`);
  refuseUnknown(word, Object.keys(value), known);
  for (const [name, part] of Object.entries(value)) {
    if (part !== undefined && typeof part !== "function") throw new Error(`Its ${member}.${name} must be a function.`);
  }
}

function refuseUnknown(word: string, names: readonly string[], known: readonly string[]): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`There is no ${word} ${unknown.join(", ")}; there are ${known.join(", ")}.`);
}

function isObjectSchema(value: unknown): boolean {
  return isRecord(value) && (value.type === undefined || value.type === "object");
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "function" ? "a function or class" : `a ${typeof value}`;
}
