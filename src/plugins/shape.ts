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

const ACCESS = ["public", "user", "admin"];
const FUNCTION: Rule = [isFunction, "a function"];
const OBJECT: Rule = [isRecord, "an object"];
const OFFER: Rule = [
  (value) => isFunction(value) || Array.isArray(value),
  "a list, or a function that returns one or a source",
];

const MEMBERS: Readonly<Record<keyof Plugin, Rule>> = {
  name: [isName, '1 to 64 of a-z, 0-9 and -, as in name: "mine"'],
  priority: [Number.isFinite, "a number"],
  provide: OBJECT,
  hooks: OBJECT,
  tools: OFFER,
  page: FUNCTION,
  access: [(value) => ACCESS.includes(String(value)), `one of ${ACCESS.join(", ")}`],
  settings: [isObjectSchema, "the schema of an object, such as t.Object({…})"],
  required: [isTrueOrFalse, "true or false"],
  start: FUNCTION,
  stop: FUNCTION,
};
const HOOKS: readonly (keyof Hooks)[] = ["preCall", "filterStream", "postCall"];

const TOOL_MEMBERS = ["name", "description", "parameters", "approval", "strict", "timeoutMs", "execute"];

/** The same value as a plugin. Throws an Error whose message says what to mend. */
export function checkPlugin(value: unknown): Plugin {
  const kind = kindOf(value);
  ensure(isRecord(value), `Its default export must be a plugin object, such as { name: "mine" }, and is ${kind}.`);
  const { name = null, priority, provide, hooks, tools } = value;
  checkMembers({ name });
  ensure(
    isName(name) && !NOT_NAMES.includes(name),
    `Its name must not be ${name}, which means something else in plugins.yaml.`,
  );
  refuseUnknown("member", value, Object.keys(MEMBERS));
  checkMembers(value);
  const isBelow = provide !== undefined && Number(priority) < 0;
  ensure(!isBelow, "Its priority must be 0 or more: below the built-ins there is nothing to replace.");
  checkFunctions("provide", provide, "protocol", PROTOCOL_NAMES);
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
  ensure(Array.isArray(value), `Its tools must be ${OFFER[1]}.`);
  for (const tool of value) checkTool(tool);
  return value;
}

/** The same value as a page. Throws an Error whose message says what to mend. */
export function checkPage(value: unknown): PluginPage {
  ensure(isRecord(value) && isFunction(value.handle), "Its page must return an object with a function handle.");
  return value as unknown as PluginPage;
}

/** Throws an Error whose message says what to mend. */
export function checkTool(tool: unknown): void {
  ensure(isRecord(tool), "One of its tools is not an object.");
  const { name, description, parameters, execute, approval, strict, timeoutMs = 1 } = tool;
  const isName = typeof name === "string" && /^[\w-]{1,64}$/.test(name);
  ensure(isName, "The name of each of its tools must be 1 to 64 of a-z, A-Z, 0-9, _ and -.");
  ensure(typeof description === "string", `Its tool ${name} needs a description.`);
  ensure(isObjectSchema(parameters), `Its tool ${name} needs parameters, a JSON schema of an object.`);
  ensure(isFunction(execute), `Its tool ${name} needs a function execute.`);
  // A typing error here would let the tool run without asking.
  ensure(isTrueOrFalse(approval), `The approval of its tool ${name} must be true or false.`);
  ensure(isTrueOrFalse(strict), `The strict of its tool ${name} must be true or false.`);
  const isTime = typeof timeoutMs === "number" && timeoutMs > 0;
  ensure(isTime, `The timeoutMs of its tool ${name} must be a number of milliseconds.`);
  refuseUnknown(`member of its tool ${name} called`, tool, TOOL_MEMBERS);
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

/** An absent member is fit; callers give null for one that must be there. */
function checkMembers(plugin: object): void {
  for (const [member, value] of Object.entries(plugin)) {
    const [isFit, must] = MEMBERS[member as keyof Plugin];
    ensure(value === undefined || isFit(value), `Its ${member} must be ${must}.`);
  }
}

function checkFunctions(member: string, value: unknown, word: string, known: readonly string[]): void {
  if (!isRecord(value)) return;
  refuseUnknown(word, value, known);
  for (const [name, part] of Object.entries(value))
    ensure(part === undefined || isFunction(part), `Its ${member}.${name} must be a function.`);
}

function refuseUnknown(word: string, value: object, known: readonly string[]): void {
  const unknown = Object.keys(value).filter((name) => !known.includes(name));
  ensure(unknown.length === 0, `There is no ${word} ${unknown.join(", ")}; there are ${known.join(", ")}.`);
}

function ensure(isFit: boolean, message: string): asserts isFit {
  if (!isFit) throw new Error(message);
}

/** Or absent. */
function isTrueOrFalse(value: unknown): boolean {
  return value === undefined || typeof value === "boolean";
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
