/**
 * What the forms of the chat page do with a turn: start, stop, answer it. With script the answer is a fragment or nothing, and the effect
 * arrives on the live channel; without, it is a redirect to the page that shows the effect.
 */

import { Elysia, t } from "elysia";
import { AppError, HTTP_STATUS, isAppError } from "../../basics/errors";
import type { Core, TurnInfo, TurnRequest, User } from "../../protocols";
import { startWithFiles } from "../api/message";
import { sentenceOf } from "../http/failure";
import { fragment, htmlResponse, seeOther } from "../http/respond";
import { type Reader, session } from "../session/session";
import { type ChatRequest, loadChat } from "./chat-data";
import { done, form, Id, isFromHtmx, plainText, readForm, upload } from "./form";

export function turnFormRoutes(core: Core) {
  return new Elysia()
    .use(session(core))
    .post("/t", ({ reader, request }) => send(core, reader, request, null, true), upload)
    .post(
      "/t/:id/messages",
      ({ reader, request, params: { id }, query: { whole } }) => send(core, reader, request, id, whole !== undefined),
      { ...upload, params: Id, query: t.Object({ whole: t.Optional(t.String()) }) },
    )
    .post(
      "/t/:id/stop",
      async ({ user, request, params: { id }, query }) => {
        await requireTurn(core, user, id, query.turn);
        await core.turns.stop(user, query.turn);
        return done(request, `/t/${id}`);
      },
      { ...form, params: Id, query: t.Object({ turn: t.String() }) },
    )
    .post(
      "/t/:id/approve",
      async ({ user, request, params: { id } }) => {
        const field = await readForm(request);
        const answer = field("approve");
        if (answer !== "yes" && answer !== "no") throw new AppError("invalid", "Say yes or no.");
        await requireTurn(core, user, id, field("turn"));
        await core.turns.approve(user, field("turn"), field("call"), answer === "yes");
        return done(request, `/t/${id}?stream=1`);
      },
      { ...form, params: Id },
    );
}

/** Throws AppError("notFound") unless the turn is of that thread: a form acts on no other than its address says. */
export async function requireTurn(core: Core, user: User, threadId: string, turnId: string): Promise<void> {
  const turn = await core.turns.get(user, turnId);
  if (turn?.threadId !== threadId) throw new AppError("notFound", "There is no such reply in this chat.");
}

/** `threadId` is null for a new chat. `isWhole`: the page shows something else than the end of the thread, and has to change as a whole. */
async function send(core: Core, reader: Reader, request: Request, threadId: string | null, isWhole: boolean) {
  const field = await readForm(request);
  const [model, systemPrompt, parentId, key] = ["model", "system_prompt", "parent", "key"].map((name) => field(name));
  const asked: TurnRequest = {
    content: plainText(field("content")),
    ...(threadId !== null && { threadId }),
    ...(model && { model }),
    ...(systemPrompt && { systemPrompt }),
    ...(parentId && { parentId }),
    ...(key && { key }),
  };
  return startTurn(core, reader, request, {
    threadId,
    start: () => startWithFiles(core, reader.user, asked, field.files("files")),
    kept: { threadId, draft: asked.content ?? "" },
    answer(turn, wasArchived) {
      if (isWhole || wasArchived) return wholeChat(core, reader, turn.threadId);
      return htmlResponse({ markup: fragment("send-key", "outerHTML", core.views.sendKey(crypto.randomUUID())) });
    },
  });
}

export interface TurnStart {
  /** Null = a new chat. */
  readonly threadId: string | null;
  readonly start: () => Promise<TurnInfo>;
  /** With script the effect arrives on the live channel; what else there is to change. A chat that was archived is not any more, and its page looks different all over. */
  readonly answer: (turn: TurnInfo, wasArchived: boolean) => Response | Promise<Response>;
  /** The page without script that keeps what was written when it is refused; absent = there is nothing to keep. */
  readonly kept?: ChatRequest;
}

/** Starts a turn. Without script the page is shown that its reply is written into. */
export async function startTurn(
  core: Core,
  reader: Reader,
  request: Request,
  { threadId, start, answer, kept }: TurnStart,
): Promise<Response> {
  const { user, words } = reader;
  try {
    // The thread as it is before the turn begins, which changes it only after a first answer of the store.
    const [before, turn] = await Promise.all([
      threadId === null ? null : core.thread.get(user.username, threadId),
      start(),
    ]);
    const wasArchived = before?.archived ?? false;
    return isFromHtmx(request) ? await answer(turn, wasArchived) : seeOther(`/t/${turn.threadId}?stream=1`);
  } catch (error) {
    if (!isAppError(error) || isFromHtmx(request) || !kept) throw error;
    // A send that comes too early is refused by the reply that runs, and its sentence goes with that.
    const kind = error.code === "conflict" ? "busy" : "error";
    const chat = await loadChat(core, reader, { ...kept, status: { text: sentenceOf(error, words), kind } });
    if (!chat) throw error;
    return htmlResponse(core.views.chatPage(chat, words), HTTP_STATUS[error.code]);
  }
}

/** Turns the page of a new chat, or of an old part of one, into that of the thread's end, without loading it anew. */
async function wholeChat(core: Core, reader: Reader, threadId: string): Promise<Response> {
  const chat = await loadChat(core, reader, { threadId });
  if (!chat) throw new AppError("notFound", "The chat was removed meanwhile.");
  const list = fragment("threads", "outerHTML", core.views.threadList(chat.threads, reader.words));
  const title = fragment("page-title", "innerHTML", core.views.pageTitle(chat.thread, reader.words));
  const markup = core.views.main(chat, reader.words).markup + list + title;
  const headers = { "hx-push-url": `/t/${threadId}`, "hx-retarget": "#main", "hx-reswap": "outerHTML" };
  return htmlResponse({ markup }, 200, headers);
}
