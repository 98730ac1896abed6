/**
 * `core.tools`: the tools of all plugins, and the one place where a tool runs. A failure of any kind is a result, so that
 * the model can react to it.
 */

import { isAppError, messageOf } from "../basics/errors";
import { imageTypeOfFile } from "../basics/image";
import { isTooDeep, LEVELS_MAX } from "../basics/json";
import { within } from "../basics/within";
import type { FileInfo, NewFile, Tool, ToolCall, ToolEvent, ToolOutput, Tools, Turn } from "../protocols";
import { readArguments } from "./arguments";
import { watchHeldUp } from "./hooks";

const TIMEOUT_MS = 60_000; // Unless the tool says otherwise. Long enough for a slow page, short enough to wait for.
const TIMER_MAX_MS = 2 ** 31 - 1; // 24 days. A timer that is told more, such as Infinity, fires at once.
const RESULT_MAX = 100_000; // Characters given to the model. More would push everything else out of its context.
const PROGRESS_MAX = 100_000; // Characters of one call, all updates together. Nobody reads more, and each is kept.
const FILES_MAX = 50; // Of one call: more than a chat can show.
const SILENT = "The tool failed and does not say why.";
const DENIED = "The user did not allow this call, so it was not run.";

export function createTools(list: () => Promise<readonly Tool[]>): Tools {
  return {
    list,
    run: runTool,
  };
}

const OUTPUT = Symbol("a result made by toolResult");

/**
 * A result with files, or of a call that failed: what a tool's `execute` may return in the place of a plain value.
 *
 * @example
 * ```ts
 * const drawing: Tool = {
 *   name: "draw_square",
 *   description: "Draws a square.",
 *   parameters: t.Object({ edge: t.Integer({ minimum: 1, maximum: 500 }) }),
 *   async execute({ edge }: { edge: number }) {
 *     const markup = `<svg xmlns="http://www.w3.org/2000/svg"><rect width="${edge}" height="${edge}"/></svg>`;
 *     const data = new Blob([markup], { type: "image/svg+xml" });
 *     return toolResult({ content: "It is drawn.", files: [{ name: "square.svg", type: data.type, data }] });
 *   },
 * };
 * ```
 */
export function toolResult(output: ToolOutput): ToolOutput {
  return Object.assign({ ...output }, { [OUTPUT]: true });
}

function isOutput(value: unknown): value is ToolOutput {
  return typeof value === "object" && value !== null && OUTPUT in value;
}

/** Models set a name's place before it, as in `functions.add`, and a number behind it. */
function toolOf(name: string, offered: readonly Tool[]): Tool | undefined {
  const plain = name
    .trim()
    .replace(/^(?:functions?|tools?|default_api)[.:]/, "")
    .replace(/:\d+$/, "");
  return offered.find((tool) => tool.name === name) ?? offered.find((tool) => tool.name === plain);
}

async function* runTool(call: ToolCall, offered: readonly Tool[], turn: Turn): AsyncGenerator<ToolEvent> {
  const { callId, name } = call;
  const tool = toolOf(name, offered);
  let iterator: AsyncIterator<unknown, unknown> | null = null;
  const late = new AbortController();
  /** Of the turn, and of a tool that takes too long. */
  const signal = AbortSignal.any([turn.signal, late.signal]);
  let timer: Timer | undefined;
  try {
    if (!tool) throw new Error(`There is no tool ${JSON.stringify(name)}. There are: ${namesOf(offered)}.`);
    const args = readArguments(call.arguments, tool.parameters);
    if (tool.approval && !(await turn.approval(call))) throw new Error(DENIED);
    timer = setTimeout(() => late.abort(), Math.min(tool.timeoutMs ?? TIMEOUT_MS, TIMER_MAX_MS));
    const toolTurn = { ...turn, signal };
    const begun = watched(turn, tool, () => begin(tool, args, toolTurn));
    iterator = begun;
    for (let left = PROGRESS_MAX; ; ) {
      const asked = watched(turn, tool, () => begun.next());
      const next = await orAborted(asked, signal, tool, turn);
      if (next.done) {
        const output: ToolOutput = isOutput(next.value) ? next.value : { content: next.value };
        const text = bounded(asText(output.content), RESULT_MAX);
        const kept = await orAborted(keepFiles(output.files ?? [], turn), signal, tool, turn);
        for (const file of kept.files) yield { type: "file", callId, file };
        const whole = [text, ...kept.lines].filter((it) => it !== "").join("\n");
        yield {
          type: "toolResult",
          callId,
          name,
          ...(output.isError ? { error: whole || SILENT } : { result: whole }),
        };
        return;
      }
      const content = bounded(asText(next.value), left);
      if (left > 0) yield { type: "toolUpdate", callId, name, content };
      left = Math.max(0, left - content.length);
    }
  } catch (error) {
    leave(iterator);
    yield { type: "toolResult", callId, name, error: bounded(messageOf(error), RESULT_MAX) };
  } finally {
    clearTimeout(timer);
  }
}

function namesOf(tools: readonly Tool[]): string {
  return tools.map(({ name }) => name).join(", ") || "none";
}

function watched<T>({ core }: Turn, { name: tool }: Tool, run: () => T): T {
  const plugin = () => core.plugins.list().find(({ tools }) => tools.includes(tool))?.name;
  return watchHeldUp(core.log, () => ({ plugin: plugin(), tool }), run);
}

/** An async function becomes an iterator without progress. */
function begin(tool: Tool, args: unknown, turn: Turn): AsyncIterator<unknown, unknown> {
  const started: unknown = tool.execute(args, turn);
  if (isIterator(started)) return started;
  return { next: async () => ({ done: true, value: await started }) };
}

function isIterator(value: unknown): value is AsyncGenerator<unknown, unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

/** A tool that does not look at the signal must not keep the turn from going on. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal, tool: Tool, turn: Turn): Promise<T> {
  return within(promise, { signal }, () => {
    const seconds = (tool.timeoutMs ?? TIMEOUT_MS) / 1000;
    throw new Error(turn.signal.aborted ? "The turn was stopped." : `It took longer than ${seconds} seconds.`);
  });
}

/** Not awaited: what hangs in the tool must not hang here. */
function leave(iterator: AsyncIterator<unknown, unknown> | null): void {
  Promise.resolve(iterator)
    .then((left) => left?.return?.())
    .catch(() => {});
}

/** Each with a line for the model, which can pass the link on. */
async function keepFiles(files: readonly NewFile[], { core, user }: Turn) {
  const kept: FileInfo[] = [];
  const lines: string[] = [];
  for (const file of files.slice(0, FILES_MAX)) {
    try {
      const type = (await imageTypeOfFile(file.data)) ?? file.type;
      const info = await core.file.put(user.username, { ...file, type });
      kept.push(info);
      lines.push(`[${info.name}](/api/v1/files/${info.id}) (${info.type}, ${info.size} bytes; the user sees it)`);
    } catch (error) {
      if (!isAppError(error)) throw error;
      lines.push(`${JSON.stringify(file.name)} could not be kept: ${error.message}`);
    }
  }
  if (files.length > FILES_MAX) lines.push(`(${files.length - FILES_MAX} more files were left out.)`);
  return { files: kept, lines };
}

function asText(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    if (isTooDeep(value)) throw new Error(`it nests deeper than ${LEVELS_MAX} levels`);
    return JSON.stringify(value ?? null, refuseOther);
  } catch (error) {
    throw new Error(`The tool's result cannot be given as JSON: ${messageOf(error)}`, { cause: error });
  }
}

/** JSON would make an empty object of them, or leave them out, without a word. */
function refuseOther(_key: string, value: unknown): unknown {
  const kind = typeof value === "object" && value !== null ? value.constructor?.name : typeof value;
  if (kind === "function" || kind === "symbol" || NOT_JSON.has(kind ?? "")) throw new Error(`it holds a ${kind}.`);
  return value;
}

const NOT_JSON = new Set(["Map", "Set", "Promise", "Response", "Request", "Blob", "ArrayBuffer", "ReadableStream"]);

function bounded(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, most)}\n[Cut: the whole has ${text.length} characters.]`;
}
