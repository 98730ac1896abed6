/**
 * Runs what the server would call in a plugin: its hooks in two turns on a stand-in model, which thinks, writes and calls a tool; its page
 * with one GET, which by the rules for pages changes nothing, on a core that is thrown away. Its tools are not called, since what
 * they do may be done to the world; their schemas are read.
 */

import { createApp } from "../../app";
import { messageOf } from "../../basics/errors";
import { isRecord } from "../../basics/json";
import { PARTLY_USED } from "../../plugins/fault";
import { inTime } from "../../plugins/patience";
import type { Core, ModelCall, ModelEvent, Plugin, PluginInfo, Tool, TurnEvent, User } from "../../protocols";
import { type LogEntry, onCore, type Scene, type Subject, temporaryConfig, whyUnused } from "./temporary";

const CHECKER: User = { username: "check", role: "admin" };
const MODEL = "stand-in-of-a-turn";
const CALL = { callId: "call-1", name: "stand_in", arguments: '{"word":"hello"}' };
const USAGE = { inputTokens: 12, outputTokens: 5 };

export interface TurnTrial {
  /** All that is wrong, a sentence each. */
  readonly faults: readonly string[];
  /** A line for each tool: what a model is told of its arguments. */
  readonly schemas: readonly string[];
}

export async function tryInTurn(subject: Subject, plugin: PluginInfo): Promise<TurnTrial> {
  if (plugin.hooks.length + plugin.tools.length === 0 && plugin.access === null) return { faults: [], schemas: [] };
  const stage = createStage();
  const config = { ...(await temporaryConfig(subject.folder, subject.config, subject.alone)), tracePlugins: true };
  try {
    return await onCore(config, { plugins: [stage.plugin], limits: subject.limits }, async (scene) => {
      const unused = whyUnused(scene.core, plugin.name);
      if (unused !== null) throw new Error(unused);
      const inTurns = await faultsOfTurns(subject, scene, plugin, stage.hasCalled);
      const tools = stage.offered().filter(({ name }) => plugin.tools.includes(name));
      const page = plugin.access === null ? [] : await faultsOfPage(subject, scene, plugin.name);
      const fit = tools.filter((tool) => faultsOfTool(tool).length === 0);
      return {
        faults: [...inTurns, ...tools.flatMap(faultsOfTool), ...page],
        schemas: fit.map(({ name, parameters }) => `  tool  ${name}: ${JSON.stringify(parameters)}`),
      };
    });
  } catch (error) {
    return { faults: [`Its hooks, tools and page could not be tried: ${messageOf(error)}`], schemas: [] };
  }
}

/** The outermost plugin: its model answers whatever the plugin that is checked makes of models, and it lets the checker in. */
function createStage() {
  let offered: readonly Tool[] = [];
  let hasCalled = false;
  const stream = async function* (call: ModelCall): AsyncGenerator<ModelEvent> {
    const callsTool = call.tools.some(({ name }) => name === CALL.name) && isBeginning(call);
    hasCalled ||= callsTool;
    yield* answer(callsTool);
  };
  const tool: Tool = {
    name: CALL.name,
    description: "Says a word.",
    parameters: { type: "object", properties: { word: { type: "string" } }, required: ["word"] } as never,
    execute: async () => "It was said.",
  };
  const plugin: Plugin = {
    name: "stand-in-of-a-turn",
    priority: Number.MAX_SAFE_INTEGER,
    required: false,
    tools: [tool],
    hooks: {
      preCall({ tools }) {
        offered = tools;
      },
    },
    provide: {
      model: () => ({ list: async () => [MODEL], stream }),
      auth: (_core, base) => {
        const { identify: _, ...rest } = base;
        return { ...rest, verifyToken: async () => CHECKER, requestAllowed: async () => true };
      },
    },
  };
  return { plugin, offered: () => offered, hasCalled: () => hasCalled };
}

function isBeginning({ messages }: ModelCall): boolean {
  return messages.filter(({ role }) => role !== "system").length === 1;
}

async function* answer(callsTool: boolean): AsyncGenerator<ModelEvent> {
  yield { type: "thinking", text: "They greet me." };
  for (const text of ["Good ", "morning", ", and ", "a key: sk-", "none."]) yield { type: "text", text };
  if (callsTool) yield { type: "toolCall", ...CALL };
  yield { type: "usage", ...USAGE };
  yield { type: "finish", reason: "stop" };
}

async function faultsOfTurns(
  { limits }: Subject,
  { core, entries }: Scene,
  { name, hooks }: PluginInfo,
  hasCalled: () => boolean,
): Promise<readonly string[]> {
  const patience = 2 * limits.caseS + 8 * limits.hookS; // Two steps and one, three hooks in each.
  const events: TurnEvent[] = [];
  let failure: string | null = null;
  try {
    await inTime(patience, "turns", async () => {
      const threadId = await runTurn(core, { content: "Good morning. Say hello." }, events);
      if (faultsLogged(entries, name).length > 0) return; // What hangs would be waited for again.
      await runTurn(core, { content: "Once more, please.", threadId }, events);
    });
    await Bun.sleep(limits.lingerMs);
  } catch (error) {
    failure = messageOf(error);
  }
  const logged = faultsLogged(entries, name);
  const called = new Set(entries.filter(({ fields }) => fields.plugin === name).map(({ fields }) => fields.hook));
  const uncalled = ["preCall", "filterStream", "postCall"].filter((hook) => hooks.includes(hook) && !called.has(hook));
  const failed = failure ?? events.flatMap((event) => (event.type === "error" ? event.message : []))[0];
  const withheld = hooks.includes("filterStream") && logged.length === 0 ? withheldFrom(events, hasCalled()) : [];
  if (logged.length > 0) return logged;
  if (failed !== undefined) return [`A turn with it failed: ${failed}`];
  return [...withheld, ...uncalled.map((hook) => `Its ${hook} was not called in a turn.`)];
}

/** The thread's id, when the turn has ended. */
async function runTurn(
  core: Core,
  request: { content: string; threadId?: string },
  events: TurnEvent[],
): Promise<string> {
  const { id, threadId } = await core.turns.start(CHECKER, { ...request, model: MODEL });
  const batches = await core.turns.follow(CHECKER, id, 0, new AbortController().signal);
  for await (const batch of batches ?? []) events.push(...batch.map(({ event }) => event));
  return threadId;
}

/** What a filter must pass on, and what of it did not come. */
function withheldFrom(events: readonly TurnEvent[], hasCalled: boolean): readonly string[] {
  const ends = events.filter((event) => event.type === "end");
  const isCalled = events.some((event) => event.type === "toolCall" && event.callId === CALL.callId);
  const isCounted = ends.length > 0 && ends.every(({ usage }) => usage !== null);
  const missing = [...(isCalled || !hasCalled ? [] : ["toolCall"]), ...(isCounted ? [] : ["usage"])];
  return missing.map((type) => `Its filterStream does not pass ${type} on.`);
}

/**
 * What the server would write into its log of the plugin. How long something takes depends on the machine and is not told; what was left
 * out of its file is told with the file.
 */
function faultsLogged(entries: readonly LogEntry[], name: string): readonly string[] {
  const faults = entries.filter(
    ({ level, fields }) => fields.plugin === name && (level === "warn" || level === "error"),
  );
  const sentences = faults
    .filter(({ message }) => !message.includes("held up") && message !== PARTLY_USED)
    .map(({ message, fields: { hook, error, reason } }) => {
      const why = String(error instanceof Error ? error.message : (error ?? reason ?? ""))
        .replace(/\s+/g, " ")
        .slice(0, 300);
      const what = typeof hook === "string" ? `Its ${hook} failed in a turn` : message;
      return why === "" ? `${what}.` : `${what}: ${why}`;
    });
  return [...new Set(sentences)];
}

function faultsOfTool({ name, parameters }: Tool): readonly string[] {
  const wrong = wrongInSchema(parameters);
  return wrong === null ? [] : [`The parameters of its tool ${name} are no JSON schema: ${wrong}.`];
}

async function faultsOfPage({ limits }: Subject, { core, entries }: Scene, name: string): Promise<readonly string[]> {
  const before = entries.length;
  const request = new Request(`http://localhost/_plugin/${name}/`, { headers: { authorization: "Bearer check" } });
  try {
    const response = await inTime(limits.caseS, "page", async () => createApp(core).handle(request));
    await response.body?.cancel();
    const logged = faultsLogged(entries.slice(before), name);
    if (logged.length > 0) return logged;
    return response.status < 500 ? [] : [`Its page answered a GET with ${response.status}.`];
  } catch (error) {
    return [messageOf(error)];
  }
}

const TYPES = ["string", "number", "integer", "boolean", "null", "array", "object"];
const DEPTH_MAX = 50; // Levels; schemas nest three or four.

/** Keywords whose value is a schema, a list of them, and a map of them. */
const SCHEMAS = ["items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"];
const LISTS = ["allOf", "anyOf", "oneOf", "prefixItems"];
const MAPS = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/**
 * What is wrong with the parameters of a tool: endpoints refuse a whole request for one keyword that is none. Such as `/zone/type must be one of …`;
 * null when nothing is wrong. Unknown keywords are allowed, as the standard says.
 */
function wrongInSchema(schema: unknown, path = "", depth = 0): string | null {
  if (typeof schema === "boolean") return path === "" ? "it must be an object" : null;
  if (!isRecord(schema)) return `${path || "it"} must be a schema`;
  if (depth > DEPTH_MAX) return `${path} nests too deep, or in a circle`;
  return (
    wrongInItself(schema, path) ?? firstOf(partsOf(schema, path), ([at, part]) => wrongInSchema(part, at, depth + 1))
  );
}

type Schema = Readonly<Record<string, unknown>>;

function wrongInItself(schema: Schema, path: string): string | null {
  const { type, enum: values, required, pattern, properties } = schema;
  const types = [type].flat().filter((it) => it !== undefined);
  if (types.some((it) => !TYPES.includes(String(it)))) return `${path}/type must be one of ${TYPES.join(", ")}`;
  if (values !== undefined && !(Array.isArray(values) && values.length > 0))
    return `${path}/enum must be a list of values`;
  if (required !== undefined && !(Array.isArray(required) && required.every((it) => typeof it === "string")))
    return `${path}/required must be a list of names`;
  const unknown = [required ?? []].flat().find((it) => isRecord(properties) && !Object.hasOwn(properties, String(it)));
  if (unknown !== undefined && schema.additionalProperties === false)
    return `${path}/required names ${unknown}, which is none of the properties`;
  if (pattern !== undefined && !isExpression(pattern)) return `${path}/pattern must be a regular expression`;
  for (const keyword of LISTS)
    if (schema[keyword] !== undefined && !isFilled(schema[keyword]))
      return `${path}/${keyword} must be a list of schemas`;
  for (const keyword of MAPS)
    if (schema[keyword] !== undefined && !isRecord(schema[keyword])) return `${path}/${keyword} must be an object`;
  return null;
}

function partsOf(schema: Schema, path: string): readonly (readonly [path: string, part: unknown])[] {
  const single = SCHEMAS.filter((keyword) => schema[keyword] !== undefined && !Array.isArray(schema[keyword]));
  const listed = [...LISTS, "items"].filter((keyword) => Array.isArray(schema[keyword]));
  return [
    ...single.map((keyword) => [`${path}/${keyword}`, schema[keyword]] as const),
    ...listed.flatMap((keyword) =>
      [schema[keyword]].flat().map((part, at) => [`${path}/${keyword}/${at}`, part] as const),
    ),
    ...MAPS.flatMap((keyword) =>
      Object.entries((schema[keyword] ?? {}) as Schema).map(
        ([name, part]) => [`${path}/${keyword}/${name}`, part] as const,
      ),
    ),
  ];
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

function isExpression(pattern: unknown): boolean {
  // With the flag as the standard wants it, or without, as most write it.
  return typeof pattern === "string" && ["u", ""].some((flags) => isCompiled(pattern, flags));
}

function isCompiled(pattern: string, flags: string): boolean {
  try {
    return Boolean(new RegExp(pattern, flags));
  } catch {
    return false;
  }
}

function firstOf<T>(items: readonly T[], find: (item: T) => string | null): string | null {
  for (const item of items) {
    const found = find(item);
    if (found !== null) return found;
  }
  return null;
}
