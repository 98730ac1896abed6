/**
 * What the forms of the chat page do. With script the answer is a partial or nothing, and the effect arrives on the live
 * channel; without, it is a redirect to the page that shows the effect.
 */

import { Elysia, t } from "elysia";
import { AppError, HTTP_STATUS, isAppError } from "../../basics/errors";
import type { Core, FileInfo, StatusData, TurnRequest } from "../../protocols";
import { withFiles } from "../api/files";
import { sentenceOf } from "../http/failure";
import { htmlResponse, partial, seeOther } from "../http/respond";
import { type Reader, session } from "../session/session";
import { loadChat } from "./chat-data";
import { done, form, Id, isArchived, isFromHtmx, plainText, readForm, requireTurn, saying, upload } from "./form";

export function turnFormRoutes(core: Core) {
  return new Elysia()
    .use(session(core))
    .use(turnForms(core))
    .post("/t", async ({ reader, request }) => send(core, reader, request, { threadId: null, isWhole: true }), upload)
    .post(
      "/t/:id/messages",
      async ({ reader, request, params: { id }, query: { whole } }) =>
        send(core, reader, request, { threadId: id, isWhole: whole !== undefined }),
      { ...upload, params: Id, query: t.Object({ whole: t.Optional(t.String()) }) },
    );
}

/** What can be done with a turn and what it wrote. */
function turnForms(core: Core) {
  return new Elysia()
    .use(session(core))
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

interface SendTo {
  /** Null = a new chat. */
  readonly threadId: string | null;
  /** Whether the page shows something else than the end of the thread, and has to change as a whole. */
  readonly isWhole: boolean;
}

async function send(core: Core, reader: Reader, request: Request, { threadId, isWhole }: SendTo): Promise<Response> {
  const field = await readForm(request);
  const [content, model, systemPrompt, parentId, key] = ["content", "model", "system_prompt", "parent", "key"].map(
    (name) => field(name),
  );
  const asked: TurnRequest = {
    content: plainText(content ?? ""),
    ...(threadId !== null && { threadId }),
    ...(model && { model }),
    ...(systemPrompt && { systemPrompt }),
    ...(parentId && { parentId }),
    ...(key && { key }),
  };
  try {
    const start = (files: readonly FileInfo[]) => core.turns.start(reader.user, { ...asked, files });
    const wasArchived = await isArchived(core, reader.user, threadId);
    const turn = await withFiles(core, reader.user, field.files("files"), start);
    if (!isFromHtmx(request)) return seeOther(`/t/${turn.threadId}?stream=1`);
    if (isWhole || wasArchived) return wholeChat(core, reader, turn.threadId);
    return htmlResponse({ markup: partial("send-key", "outerHTML", core.views.sendKey(crypto.randomUUID())) });
  } catch (error) {
    if (!isAppError(error) || error.code === "notFound") throw error;
    const status = HTTP_STATUS[error.code];
    const said = { text: sentenceOf(error, reader.words), kind: kindOf(error) };
    if (isFromHtmx(request)) return htmlResponse(saying(core, reader, said.text, said.kind), status);
    const refused = { threadId, draft: asked.content ?? "", status: said };
    const chat = await loadChat(core, reader, refused);
    if (!chat) throw error;
    return htmlResponse(core.views.chatPage(chat, reader.words), status);
  }
}

/** Turns the page of a new chat, or of an old part of one, into that of the thread's end, without loading it anew. */
async function wholeChat(core: Core, reader: Reader, threadId: string): Promise<Response> {
  const chat = await loadChat(core, reader, { threadId });
  if (!chat) throw new AppError("notFound", "The chat was removed meanwhile.");
  const list = partial("threads", "outerHTML", core.views.threadList(chat.threads, reader.words));
  const title = partial("page-title", "innerHTML", core.views.pageTitle(chat.thread, reader.words));
  const markup = core.views.main(chat, reader.words).markup + list + title;
  const headers = { "hx-push-url": `/t/${threadId}`, "hx-retarget": "#main", "hx-reswap": "outerHTML" };
  return htmlResponse({ markup }, 200, headers);
}

/** A send that comes too early is refused by the reply that runs, and its sentence goes with that. */
function kindOf({ code }: { readonly code: string }): StatusData["kind"] {
  return code === "conflict" ? "busy" : "error";
}
