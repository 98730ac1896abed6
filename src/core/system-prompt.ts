/**
 * The default of `systemPrompt`: `system_prompts.yaml`, a map of names to a text or to a description, content, model and
 * parameters. Without the file a few built-in ones. An entry that is wrong is left out and named.
 */

import { join } from "node:path";
import { isRecord } from "../basics/json";
import type { Core, JsonObject, Log, SystemPrompt, SystemPromptProtocol } from "../protocols";
import { createYamlFile } from "./yaml-file";

const FILE_NAME = "system_prompts.yaml";

const DEFAULT: SystemPrompt = {
  name: "default",
  description: "Helpful assistant",
  content: "You are a helpful assistant. Answer clearly and briefly, and say so when you do not know.",
};

const BUILT_IN: readonly SystemPrompt[] = [
  DEFAULT,
  {
    name: "programmer",
    description: "Programmer: code first, then the reasons",
    content:
      "You are an experienced programmer. Give working code first, in a Markdown block with its language, then explain what is not obvious. Say what you assume and which errors you leave unhandled.",
  },
  {
    name: "editor",
    description: "Editor: corrects a text and keeps its voice",
    content:
      "You edit texts. Answer with the corrected text only, in its own language and voice: fix mistakes, cut what is not needed, change nothing else. Ask when a sentence can be understood in two ways.",
  },
  { name: "none", description: "No instructions: the model as it is", content: "" },
];

export function createSystemPrompt({ config, log }: Core): SystemPromptProtocol {
  const file = createYamlFile<readonly SystemPrompt[]>({
    path: join(config.dataPath, FILE_NAME),
    missing: BUILT_IN,
    parse: (content) => parsePrompts(content, log),
    log,
  });
  return {
    async list() {
      return [...file.get()];
    },
    async get(name) {
      return file.get().find((prompt) => prompt.name === name) ?? null;
    },
  };
}

/** Throws an Error when the file as a whole is not a map. */
function parsePrompts(content: unknown, log: Log): readonly SystemPrompt[] {
  if (content === null) return BUILT_IN;
  if (!isRecord(content)) throw new Error("It must be a map of prompt names");
  const prompts: SystemPrompt[] = [];
  for (const [name, entry] of Object.entries(content)) {
    const prompt = parsePrompt(name, entry);
    if (typeof prompt !== "string") prompts.push(Object.freeze(prompt));
    else log.warn(`${FILE_NAME}: ${JSON.stringify(name)}: ${prompt}`);
  }
  // Clients that name no prompt get this one, so there is always one.
  return prompts.some(({ name }) => name === DEFAULT.name) ? prompts : [DEFAULT, ...prompts];
}

function parsePrompt(name: string, entry: unknown): SystemPrompt | string {
  if (name.trim() === "") return "a prompt needs a name";
  if (typeof entry === "string") return { name, description: name, content: entry };
  if (!isRecord(entry)) return "must be a text, or a map with description and content";
  const { description = name, model, parameters } = entry;
  const content = entry.content ?? entry.prompt;
  if (typeof content !== "string") return 'needs a text as content ("" for none)';
  if (typeof description !== "string") return "description must be a text";
  if (model !== undefined && typeof model !== "string") return "model must be a text";
  if (parameters !== undefined && !isParameters(parameters)) return "parameters must be a map of JSON values";
  return {
    name,
    description,
    content,
    ...(model !== undefined && { model }),
    ...(parameters !== undefined && { parameters }),
  };
}

/** YAML knows more than JSON: a map that contains itself, dates, .inf. */
function isParameters(value: unknown): value is JsonObject {
  try {
    return isRecord(value) && Bun.deepEquals(JSON.parse(JSON.stringify(value)), value, true);
  } catch {
    return false;
  }
}
