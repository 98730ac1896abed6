/** All that the chat page shows, gathered for one user and one thread. */

import { allowedModels } from "../../basics/allowed";
import { pathTo } from "../../basics/messages";
import { pageIds } from "../../basics/page-ids";
import type {
  ChatData,
  ComposerData,
  Core,
  MessageData,
  MessageMenuData,
  MessagesData,
  StatusData,
  Thread,
  User,
} from "../../protocols";
import { CONTENT_MAX } from "../../turn/plan";
import { factJournals } from "../api/live-events";
import { pageData } from "../http/assets";
import type { Reader } from "../session/session";
import { type Branch, loadBranch, type WindowQuery } from "./branch";
import { type ListFields, loadThreadList } from "./list";

/** What a person asked to see, by the address of the page. */
export interface ChatRequest {
  readonly threadId: string | null;
  /** Other messages than the latest. */
  readonly window?: WindowQuery;
  /** Of the list of threads. */
  readonly list?: ListFields;
  readonly draft?: string;
  /** Text of the message that is edited; absent = as it was sent. */
  readonly editDraft?: string;
  /** A message whose menu is shown in the page. */
  readonly menu?: string | undefined;
  readonly status?: StatusData;
}

/** Null when there is no such thread for the user. */
export async function loadChat(core: Core, reader: Reader, asked: ChatRequest): Promise<ChatData | null> {
  const { user } = reader;
  // Before anything is read: what happens from here on is told by the live channel.
  const factCursor = await factJournals(core).position(user.username);
  const branch = asked.threadId === null ? null : await loadBranch(core, reader, asked.threadId, asked.window);
  if (asked.threadId !== null && !branch) return null;
  const [threads, composer] = await Promise.all([
    loadThreadList(core, reader, { ...asked.list, current: asked.threadId }),
    loadComposer(core, user, branch, asked.draft ?? ""),
  ]);
  const shown = branch?.messages ?? NO_MESSAGES;
  const menu = asked.threadId && asked.menu ? await loadMenu(core, user, asked.threadId, asked.menu) : null;
  return {
    ...pageData(core, user),
    user,
    thread: branch?.thread ?? null,
    threads,
    messages: { ...shown, messages: shown.messages.map((it) => withDraft(it, asked)) },
    composer,
    menu: menu && { ...menu, isInPage: true },
    status: asked.status ?? { text: "", kind: "info" },
    factCursor,
    cursor: branch?.messages.isLatest === false ? null : (branch?.cursor ?? ""),
  };
}

const NO_MESSAGES: MessagesData = {
  threadId: null,
  messages: [],
  before: null,
  next: null,
  isLatest: true,
  isThreadsBranch: true,
};

function withDraft(message: MessageData, { window, editDraft }: ChatRequest): MessageData {
  if (window?.edit === undefined || message.id !== pageIds.message(window.edit)) return message;
  return { ...message, draft: editDraft ?? message.parts[0]?.message.content ?? "" };
}

/** What more can be done with the reply that has the message. Null when there is no such reply for the user. */
export async function loadMenu(
  core: Core,
  user: User,
  threadId: string,
  messageId: string,
): Promise<Omit<MessageMenuData, "isInPage"> | null> {
  const path = pathTo(await core.thread.tree(user.username, threadId), messageId);
  const parentId = path.findLast(({ role }) => role === "user")?.id;
  if (parentId === undefined) return null;
  const models = await allowedModels(core, user);
  return { threadId, parentId, messageId: parentId === messageId ? null : messageId, models };
}

async function loadComposer(core: Core, user: User, branch: Branch | null, draft: string): Promise<ComposerData> {
  const [models, prompts] = await Promise.all([allowedModels(core, user), core.systemPrompt.list()]);
  const thread = branch?.thread ?? null;
  const prompt = prompts.find(({ name }) => name === (thread?.systemPrompt ?? "default"));
  return {
    threadId: thread?.id ?? null,
    models,
    prompts,
    model: chooseModel(models, thread, prompt?.model),
    systemPrompt: prompt?.name ?? "default",
    parameters: thread?.parameters ?? prompt?.parameters ?? {},
    draft,
    pasteCharacters: core.config.pasteFileCharacters,
    maxCharacters: CONTENT_MAX,
    liveTurnId: branch?.live?.id ?? null,
    parentId: branch && !branch.messages.isThreadsBranch ? branch.endId : null,
    isLive: branch?.messages.isLatest ?? true,
    sendKey: crypto.randomUUID(),
  };
}

/** As the turn engine chooses when none is named. */
function chooseModel(models: readonly string[], thread: Thread | null, preset: string | undefined): string | null {
  return [thread?.model, preset, models[0]].find((model) => model && models.includes(model)) ?? null;
}
