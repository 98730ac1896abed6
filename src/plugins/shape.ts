/** Checks what a plugin file exports against the plugin object, before anything of it is used. */

import { isRecord } from "../basics/json";
import type { Hooks, Plugin, PluginPage, ProtocolName, Protocols, Tool } from "../protocols";

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

export const PROTOCOL_NAMES = Object.keys(PROTOCOLS) as ProtocolName[];

/** Parts of plugins.yaml that are no plugin's settings. */
export const NOT_NAMES: readonly string[] = ["require", "library"];

/** What a member that is there must be, and how that is said. */
type Rule = readonly [isFit: (value: unknown) => boolean, must: string];
type Rules<Member extends string> = Readonly<Record<Member, Rule>>;

const ACCESS = ["public", "user", "admin"];
const FUNCTION: Rule = [isFunction, "a function"];
const OBJECT: Rule = [isRecord, "an object"];
const TRUE_OR_FALSE: Rule = [(value) => typeof value === "boolean", "true or false"];
const OFFER: Rule = [
  (value) => isFunction(value) || Array.isArray(value),
  "a list, or a function that returns one or a source",
];

const MEMBERS: Rules<keyof Plugin> = {
  name: [isName, '1 to 64 of a-z, 0-9 and -, as in name: "mine"'],
  priority: [Number.isFinite, "a number"],
  provide: OBJECT,
  hooks: OBJECT,
  tools: OFFER,
  page: FUNCTION,
  access: [(value) => ACCESS.includes(String(value)), `one of ${ACCESS.join(", ")}`],
  settings: [isObjectSchema, "the schema of an object, such as t.Object({…})"],
  required: TRUE_OR_FALSE,
  start: FUNCTION,
  stop: FUNCTION,
};
const HOOKS: Readonly<Record<keyof Hooks, true>> = { preCall: true, filterStream: true, postCall: true };

type ToolNeeds = "name" | "description" | "parameters" | "execute";
const TOOL_NEEDS: Rules<ToolNeeds> = {
  name: [(value) => typeof value === "string" && /^[\w-]{1,64}$/.test(value), "a name"],
  description: [(value) => typeof value === "string", "a description"],
  parameters: [isObjectSchema, "parameters, a JSON schema of an object"],
  execute: [isFunction, "a function execute"],
};
const TOOL_MAY_HAVE: Rules<Exclude<keyof Tool, ToolNeeds>> = {
  approval: TRUE_OR_FALSE, // A typing error here would let the tool run without asking.
  strict: TRUE_OR_FALSE,
  timeoutMs: [(value) => typeof value === "number" && value > 0, "a number of milliseconds"],
};

/** The same value as a plugin. Throws an Error whose message says what to mend. */
export function checkPlugin(value: unknown): Plugin {
  if (!isRecord(value)) {
    throw new Error(`Its default export must be a plugin object, such as { name: "mine" }, and is ${kindOf(value)}.`);
  }
  const { name = null, priority, provide, hooks, tools } = value;
  const said = (member: string, must: string) => `Its ${member} must be ${must}.`;
  checkMembers({ name }, MEMBERS, said);
  if (NOT_NAMES.includes(String(name)))
    throw new Error(`Its name must not be ${name}, which means something else in plugins.yaml.`);
  refuseUnknown("member", value, MEMBERS);
  checkMembers(value, MEMBERS, said);
  if (provide !== undefined && Number(priority) < 0)
    throw new Error("Its priority must be 0 or more: below the built-ins there is nothing to replace.");
  checkFunctions("provide", provide, "protocol", PROTOCOLS);
  checkFunctions("hooks", hooks, "hook", HOOKS);
  if (Array.isArray(tools)) checkTools(tools);
  return value as unknown as Plugin;
}

/** Whether it can be a plugin's name. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && /^[a-z0-9][a-z0-9-]{0,63}$/.test(value);
}

/** The same value as tools. Throws an Error whose message says what to mend. */
export function checkTools(value: unknown): readonly Tool[] {
  if (!Array.isArray(value)) throw new Error(`Its tools must be ${OFFER[1]}.`);
  for (const tool of value) checkTool(tool);
  return value;
}

/** The same value as a page. Throws an Error whose message says what to mend. */
export function checkPage(value: unknown): PluginPage {
  if (isRecord(value) && isFunction(value.handle)) return value as unknown as PluginPage;
  throw new Error("Its page must return an object with a function handle.");
}

/** Throws an Error whose message says what to mend. */
export function checkTool(tool: unknown): void {
  if (!isRecord(tool)) throw new Error("One of its tools is not an object.");
  const { name } = tool;
  if (!TOOL_NEEDS.name[0](name))
    throw new Error("The name of each of its tools must be 1 to 64 of a-z, A-Z, 0-9, _ and -.");
  const needed = Object.fromEntries(Object.keys(TOOL_NEEDS).map((member) => [member, tool[member] ?? null]));
  checkMembers(needed, TOOL_NEEDS, (_, must) => `Its tool ${name} needs ${must}.`);
  checkMembers(tool, TOOL_MAY_HAVE, (member, must) => `The ${member} of its tool ${name} must be ${must}.`);
  refuseUnknown(`member of its tool ${name} called`, tool, { ...TOOL_NEEDS, ...TOOL_MAY_HAVE });
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

/** What is absent is fit: a member that must be there is given as null. */
function checkMembers(value: object, rules: Rules<string>, sentence: (member: string, must: string) => string): void {
  for (const [member, part] of Object.entries(value)) {
    const rule = rules[member];
    if (part !== undefined && rule && !rule[0](part)) throw new Error(sentence(member, rule[1]));
  }
}

function checkFunctions(member: string, value: unknown, word: string, known: object): void {
  if (!isRecord(value)) return;
  refuseUnknown(word, value, known);
  for (const [name, part] of Object.entries(value)) {
    if (part !== undefined && !isFunction(part)) throw new Error(`Its ${member}.${name} must be a function.`);
  }
}

function refuseUnknown(word: string, value: object, known: object): void {
  const unknown = Object.keys(value).filter((name) => !Object.hasOwn(known, name));
  if (unknown.length > 0)
    throw new Error(`There is no ${word} ${unknown.join(", ")}; there are ${Object.keys(known).join(", ")}.`);
}

function isFunction(value: unknown): value is (...args: never) => unknown {
  return typeof value === "function";
}

function isObjectSchema(value: unknown): boolean {
  return isRecord(value) && (value.type === undefined || value.type === "object");
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "function" ? "a function or class" : `a ${typeof value}`;
}
