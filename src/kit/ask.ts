/**
 * Has a model write one text beside a turn, such as its title or a summary: which model the user may use, how long it may take, and what
 * counts as an answer are the same for every plugin that does so. Plugins get it from `skeleton`.
 */

import { Type } from "@sinclair/typebox";
import { isAllowed } from "../basics/allowed";
import type { JsonObject, ModelCall, Turn } from "../protocols";

/**
 * The settings that such a plugin needs, to be spread into its own.
 *
 * @example
 * ```ts
 * const settings = t.Object({ ...askSettings("Write a title of at most six words.", 60), words: t.Integer({ default: 6 }) });
 * ```
 */
export function askSettings(instructions: string, timeoutS: number) {
  return {
    model: Type.Optional(Type.String()),
    instructions: Type.String({ default: instructions }),
    parameters: Type.Record(Type.String(), Type.Any(), { default: {} }),
    timeout_s: Type.Number({ exclusiveMinimum: 0, default: timeoutS }),
  };
}

export interface Question {
  /** What the model is to do, as its system prompt. */
  readonly instructions: string;
  /** What it is to do that with. */
  readonly text: string;
  /** Absent, and for users who may not use it: the turn's own. */
  readonly model?: string | undefined;
  readonly parameters?: JsonObject;
  /** Default 60. */
  readonly timeout_s?: number;
  /** Characters of an answer, of which the rest is not waited for. Default 100,000. */
  readonly most?: number;
}

export interface Answered {
  readonly text: string;
  /** The one that was asked. */
  readonly model: string;
  /** False when a limit cut it. */
  readonly isWhole: boolean;
}

const TIMEOUT_S = 60;
const MOST = 100_000;

/**
 * Throws an Error when the user may use no model now, it fails, takes too long or says nothing, and when `signal` aborts.
 *
 * @example
 * ```ts
 * const question = { instructions: "Write a title of at most six words.", text: "How do I boil an egg?" };
 * const { text, model, isWhole } = await ask(turn, question, signal);
 * ```
 */
export async function ask(turn: Turn, question: Question, signal: AbortSignal): Promise<Answered> {
  const { instructions, text, parameters = {}, timeout_s = TIMEOUT_S, most = MOST } = question;
  const { core, user } = turn;
  const model = await chooseModel(turn, question.model);
  const messages = [
    { role: "system", content: instructions },
    { role: "user", content: text },
  ] as const;
  const late = AbortSignal.timeout(timeout_s * 1000);
  const call: ModelCall = { model, messages, tools: [], parameters, username: user.username };
  const read = readAnswer(core.model.stream(call, AbortSignal.any([signal, late])), most);
  const answer = await read.catch((error) => {
    if (!late.aborted) throw error;
    return { text: "", isWhole: false };
  });
  signal.throwIfAborted();
  if (late.aborted) throw new Error(`${model} took longer than ${timeout_s} seconds to answer.`);
  if (answer.text === "") throw new Error(`${model} answered nothing.`);
  return { ...answer, model };
}

async function chooseModel({ core, user, model }: Turn, wanted: string | undefined): Promise<string> {
  for (const candidate of wanted === undefined ? [model] : [wanted, model]) {
    if (await isAllowed(core, user, candidate)) return candidate;
  }
  throw new Error(`${user.username} may not use ${wanted ?? model} now, so there is no model to ask.`);
}

async function readAnswer(events: ReturnType<Turn["core"]["model"]["stream"]>, most: number) {
  let text = "";
  let isWhole = false;
  for await (const event of events) {
    if (event.type === "text") text += event.text;
    if (event.type === "wasThinking") text = "";
    if (event.type === "finish") isWhole = event.reason === "stop";
    if (text.length > most) break;
  }
  return { text: text.slice(0, most).trim(), isWhole: isWhole && text.length <= most };
}
