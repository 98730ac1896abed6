/** What can be done with a message of the page: edit, answer again, go on, show another version, fork, copy; and earlier messages. */

import { Elysia, t } from "elysia";
import { AppError } from "../../basics/errors";
import { pageIds } from "../../basics/page-ids";
import { MIB } from "../../basics/size";
import type { Core, MessageData, TurnInfo } from "../../protocols";
import { showBranch } from "../../turn/branch";
import { fragment, htmlResponse, seeOther } from "../http/respond";
import { type Reader, session } from "../session/session";
import { loadBranch, loadMessages } from "./branch";
import { loadMenu } from "./chat-data";
import { done, form, goTo, Id, noChat, plainText, readForm } from "./form";
import { requireTurn, startTurn, type TurnStart } from "./turn-forms";

const MessageChoice = t.Object({ message: t.String() });

const SourceQuery = t.Object({
  message: t.String(),
  reply: t.Optional(t.Literal("1", { description: "The reply that the message is a part of, or that answers it." })),
});

const one = { reader: true, params: Id, query: MessageChoice } as const;

export function messageFormRoutes(core: Core) {
  return new Elysia().use(fragmentRoutes(core)).use(formRoutes(core));
}

/** Fragments that are asked for. */
function fragmentRoutes(core: Core) {
  return new Elysia()
    .use(session(core))
    .get(
      "/t/:id/message",
      async ({ reader, params: { id }, query }) => {
        const message = await findMessage(core, reader, id, query.message);
        return htmlResponse(core.views.message(message, reader.words));
      },
      one,
    )
    .get(
      "/t/:id/edit",
      async ({ reader, params: { id }, query }) => {
        const message = await findMessage(core, reader, id, query.message);
        const draft = message.parts[0]?.message.content ?? "";
        return htmlResponse(core.views.message({ ...message, draft }, reader.words));
      },
      one,
    )
    .get(
      "/t/:id/menu",
      async ({ reader, params: { id }, query }) => {
        const menu = await loadMenu(core, reader.user, id, query.message);
        if (!menu) throw noMessage();
        return htmlResponse(core.views.messageMenu({ ...menu, isInPage: false }, reader.words));
      },
      one,
    )
    .get(
      "/t/:id/earlier",
      async ({ reader, params: { id }, query: { before } }) => {
        const branch = await loadBranch(core, reader, id, { before });
        if (!branch) throw noChat();
        return htmlResponse(core.views.messageItems(branch.messages, reader.words));
      },
      { reader: true, params: Id, query: t.Object({ before: t.String() }) },
    )
    .get(
      "/t/:id/source",
      async ({ reader, params: { id }, query: { message, reply } }) => {
        const text = await loadSource(core, reader, id, message, reply === "1");
        const headers = {
          "content-type": "text/plain; charset=utf-8",
          "cache-control": "no-store",
          "x-content-type-options": "nosniff",
        };
        return new Response(text, { headers });
      },
      { reader: true, params: Id, query: SourceQuery },
    );
}

function formRoutes(core: Core) {
  return new Elysia()
    .use(session(core))
    .post(
      "/t/:id/edit",
      ({ reader, request, params, query }) => edit(core, reader, request, params.id, query.message),
      {
        ...form,
        ...one,
        bodyMax: { form: MIB }, // The longest message, in any script, encoded as a form.
      },
    )
    .post(
      "/t/:id/retry",
      async ({ reader, request, params: { id }, query: { parent, model } }) => {
        const asked = { content: null, threadId: id, parentId: parent, ...(model && { model }) };
        return again(core, reader, request, { threadId: id, start: () => core.turns.start(reader.user, asked) });
      },
      { ...form, params: Id, query: t.Object({ parent: t.String(), model: t.Optional(t.String()) }) },
    )
    .post(
      "/t/:id/continue",
      async ({ reader, user, request, params: { id }, query }) => {
        await requireTurn(core, user, id, query.turn);
        return again(core, reader, request, { threadId: id, start: () => core.turns.continue(user, query.turn) });
      },
      { ...form, params: Id, query: t.Object({ turn: t.String() }) },
    )
    .post(
      "/t/:id/head",
      async ({ user, request, params: { id }, query: { message } }) => {
        await showBranch(core, user, id, message);
        const hash = encodeURIComponent(pageIds.message(message));
        return done(request, `/t/${id}?at=${encodeURIComponent(message)}#${hash}`);
      },
      { ...form, ...one },
    )
    .post(
      "/t/:id/fork",
      async ({ user, params: { id }, query }) => {
        const fork = await core.thread.fork(user.username, id, query.message);
        return seeOther(`/t/${fork.id}`);
      },
      { ...form, ...one },
    );
}

/** The user's message beside which another version is sent; its files go along. */
async function edit(core: Core, reader: Reader, request: Request, threadId: string, messageId: string) {
  const old = (await findMessage(core, reader, threadId, messageId)).parts[0]?.message;
  if (!old) throw noMessage();
  const content = plainText((await readForm(request))("content"));
  const { parentId, files } = old;
  const asked = { content, threadId, parentId, ...(files && { files }) };
  const kept = { threadId, window: { edit: messageId }, editDraft: content };
  return again(core, reader, request, { threadId, start: () => core.turns.start(reader.user, asked), kept });
}

/** With script, the menu from which it may have been chosen is closed. */
function again(core: Core, reader: Reader, request: Request, turn: Omit<TurnStart, "answer">): Promise<Response> {
  const closed = { markup: fragment("message-menu", "outerHTML", core.views.messageMenu(null, reader.words)) };
  const answer = ({ threadId }: TurnInfo, wasArchived: boolean) =>
    wasArchived ? goTo(`/t/${threadId}`) : htmlResponse(closed);
  return startTurn(core, reader, request, { ...turn, answer });
}

function noMessage(): AppError {
  return new AppError("notFound", "There is no such message in this chat.", { reason: "noMessage" });
}

/** A message of the user, on whichever branch it is. */
async function findMessage(core: Core, reader: Reader, threadId: string, messageId: string): Promise<MessageData> {
  const messages = await loadMessages(core, reader, threadId, { edit: messageId });
  const message = messages.find(({ id }) => id === pageIds.message(messageId));
  if (!message) throw noMessage();
  return message;
}

/** The Markdown of a message as it was written, of a reply that is being written as far as it is: what Copy copies, and what "Show source" leads to. */
async function loadSource(core: Core, reader: Reader, threadId: string, id: string, isReply: boolean): Promise<string> {
  const isIn = ({ parts }: MessageData) => parts.some(({ message }) => message.id === id);
  const isAsked = (it: MessageData) =>
    isReply ? it.role === "assistant" && (it.id === pageIds.reply(id) || isIn(it)) : isIn(it);
  const found = (await loadMessages(core, reader, threadId, { at: id })).find(isAsked);
  if (!found) throw noMessage();
  return found.parts
    .map(({ message }) => message)
    .filter((message) => isReply || message.id === id)
    .filter(({ type }) => type === "text")
    .map(({ content }) => content)
    .join("\n\n");
}
