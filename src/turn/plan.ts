/** From a person's request to a turn that may run: checks, defaults, the thread, and what the model is called with. */

import { isAllowed, requireAllowed } from "../basics/allowed";
import { AppError } from "../basics/errors";
import { isTooDeep, LEVELS_MAX } from "../basics/json";
import type { Core, FileInfo, JsonObject, Thread, TurnInfo, TurnRequest, User } from "../protocols";
import { readTurn } from "./records";

export const CONTENT_MAX = 100_000; // Characters. More is a file, not a message.
const PARAMETERS_MAX = 64_000; // Characters of JSON. They are kept with every turn.
const TITLE_LENGTH = 60;

/** What the model calls of a turn are made with. */
export type TurnSettings = Pick<TurnInfo, "model" | "systemPrompt" | "parameters">;

/** What a turn is called with, and where it goes. */
export interface Plan {
  /** Null = make one when the turn may start. */
  readonly thread: Thread | null;
  /** The user's text; null = the message `parentId` is answered again. */
  readonly content: string | null;
  readonly files: readonly FileInfo[];
  /** What the user's message goes below, or the user's message that is answered; absent = the head when the turn begins. */
  readonly parentId?: string | null;
  readonly settings: TurnSettings;
  /** Whether the turn that runs in the thread is stopped for it. */
  readonly stopRunning?: boolean;
}

/** `thread` is the one that the request names, or null when the user has none of that id. */
export async function planTurn(core: Core, user: User, request: TurnRequest, thread: Thread | null): Promise<Plan> {
  const files = request.files ?? [];
  if (request.content !== null) checkContent(request.content, files);
  if (request.threadId !== undefined && !thread)
    throw new AppError("notFound", "There is no such thread.", { reason: "noChat" });
  const { parentId } = request;
  await checkParent(core, user, thread, parentId ?? null, request.content === null);
  const systemPrompt = await choosePrompt(core, request.systemPrompt, thread);
  const model = await chooseModel(core, user, request.model, thread, systemPrompt);
  const parameters = request.parameters ?? thread?.parameters ?? {};
  checkParameters(parameters);
  return {
    thread,
    content: request.content,
    files,
    ...(parentId !== undefined && { parentId }),
    settings: { model, systemPrompt, parameters },
    ...(request.stopRunning && { stopRunning: true }),
  };
}

/** Of a turn that goes on from what an earlier one left. Throws AppError as `Turns.continue` does. */
export async function planContinuation(core: Core, user: User, turnId: string): Promise<Plan> {
  const turn = await readTurn(core, user.username, turnId);
  const thread = turn && (await core.thread.get(user.username, turn.threadId));
  if (!turn || !thread) throw new AppError("notFound", "There is no such turn.");
  if (turn.status === "running") throw busy();
  if (turn.status === "done" && turn.ending !== "length")
    throw new AppError("conflict", "This reply is complete; there is nothing to continue.");
  const nodes = await core.thread.tree(user.username, thread.id);
  const parentId = nodes.findLast((node) => node.turnId === turnId && node.role !== "user")?.id ?? turn.parentId;
  const { model, systemPrompt, parameters } = turn;
  await requireAllowed(core, user, model);
  return { thread, content: null, files: [], parentId, settings: { model, systemPrompt, parameters } };
}

/** The refusal while a turn runs in the thread. */
export function busy(): AppError {
  const text = "A reply is still being written in this thread. Stop it, or wait until it is complete.";
  return new AppError("conflict", text, { reason: "busy" });
}

/** The first line of what was asked, until somebody renames the thread. */
export function titleFrom(content: string): string {
  const line = content.trim().split(/\r\n|\r|\n/, 1)[0] ?? "";
  const characters = [...line.replace(/\s+/g, " ")];
  if (characters.length <= TITLE_LENGTH) return characters.join("");
  const begin = characters.slice(0, TITLE_LENGTH - 1).join("");
  return `${begin.trimEnd()}…`;
}

function checkContent(content: string, files: readonly FileInfo[]): void {
  if (content.trim() === "" && files.length === 0)
    throw new AppError("invalid", "The message is empty. Write something to send.", { reason: "empty" });
  if (content.length > CONTENT_MAX) {
    const length = content.length.toLocaleString("en");
    throw new AppError(
      "invalid",
      `The message has ${length} characters; at most ${CONTENT_MAX.toLocaleString("en")} can be sent.`,
      { reason: "tooLong", figures: [CONTENT_MAX] },
    );
  }
}

/** Throws AppError("invalid"). */
export function checkParameters(parameters: JsonObject): void {
  if (isTooDeep(parameters)) throw new AppError("invalid", `The parameters nest deeper than ${LEVELS_MAX} levels.`);
  if (JSON.stringify(parameters).length > PARAMETERS_MAX) throw new AppError("invalid", "The parameters are too long.");
}

async function checkParent(
  core: Core,
  user: User,
  thread: Thread | null,
  parentId: string | null,
  isAnsweredAgain: boolean,
): Promise<void> {
  if (isAnsweredAgain && (!thread || parentId === null)) {
    throw new AppError("invalid", "Say which message of which thread is to be answered again.");
  }
  if (parentId === null) return;
  const parent = thread && (await core.thread.tree(user.username, thread.id)).find(({ id }) => id === parentId);
  if (!parent) throw new AppError("notFound", "There is no such message in this thread.", { reason: "noMessage" });
  if (isAnsweredAgain && parent.role !== "user") {
    throw new AppError("invalid", "Only a message of yours can be answered again.");
  }
}

async function choosePrompt(core: Core, asked: string | undefined, thread: Thread | null): Promise<string> {
  if (asked !== undefined) {
    await requirePrompt(core, asked);
    return asked;
  }
  // A prompt that was taken away since must not lock the thread.
  const kept = thread?.systemPrompt;
  return kept && (await core.systemPrompt.get(kept)) ? kept : "default";
}

export async function chooseModel(
  core: Core,
  user: User,
  asked: string | undefined,
  thread: Thread | null,
  systemPrompt: string,
): Promise<string> {
  if (asked !== undefined) {
    await requireModel(core, user, asked);
    return asked;
  }
  const offered = await core.model.list();
  const preset = (await core.systemPrompt.get(systemPrompt))?.model;
  for (const model of [thread?.model, preset, ...offered]) {
    if (model && offered.includes(model) && (await isAllowed(core, user, model))) return model;
  }
  const why = offered[0] === undefined ? null : await core.auth.whyRefused?.(user, offered[0]);
  if (why) throw new AppError("forbidden", why);
  if (offered.length === 0) await requireEndpoints(core, user);
  throw new AppError(
    "unavailable",
    "There is no model that you may use now. Ask the owner of this server to configure one.",
    { reason: "noModel" },
  );
}

/** Throws AppError("unavailable") when endpoints are known not to work: with all that is known of it for an administrator. */
async function requireEndpoints(core: Core, user: User): Promise<void> {
  const missing = (await core.model.missing?.()) ?? [];
  if (missing.length === 0) return;
  if (user.role === "admin") throw new AppError("unavailable", missing.join(" "));
  throw new AppError(
    "unavailable",
    "The endpoint of this server's models does not work at the moment. Its administrator sees why by sending a message.",
    { reason: "endpointDown" },
  );
}

/** Throws AppError("invalid") when there is no such prompt. */
export async function requirePrompt(core: Core, name: string): Promise<void> {
  if (await core.systemPrompt.get(name)) return;
  const names = (await core.systemPrompt.list()).map((prompt) => prompt.name);
  throw new AppError("invalid", `There is no system prompt ${quoted(name)}. There are: ${names.join(", ")}.`);
}

/** Throws AppError: "forbidden" by the user's mask, which says nothing of what there is, or "invalid" when it is not offered. */
export async function requireModel(core: Core, user: User, model: string): Promise<void> {
  await requireAllowed(core, user, model);
  const offered = await core.model.list();
  if (offered.includes(model)) return;
  if (offered.length === 0) await requireEndpoints(core, user);
  // That of an endpoint which is away while others are there may well be the one.
  const missing = user.role === "admin" ? ((await core.model.missing?.()) ?? []) : [];
  if (missing.length > 0)
    throw new AppError("invalid", `The model ${quoted(model)} is not offered now. ${missing.join(" ")}`);
  throw new AppError("invalid", `The model ${quoted(model)} is not offered now. Choose another one.`, {
    reason: "modelGone",
  });
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}
