/** The pages of the chat. */

import { Elysia, t } from "elysia";
import { takeSlot } from "../../basics/allowed";
import { AppError } from "../../basics/errors";
import type { Core } from "../../protocols";
import { outsideBytes } from "../http/address";
import { htmlResponse, PAGE_HEADERS } from "../http/respond";
import { type StreamFormat, type StreamOptions, sendAll, streamResponse } from "../http/stream";
import { streamedPage, writePage } from "../reply/no-script";
import { findUser, type Reader, session } from "../session/session";
import { noteSeen } from "./branch";
import { type ChatRequest, loadChat } from "./chat-data";
import { attachmentRoutes } from "./files";
import { ListQuery, listRoutes } from "./list";
import { messageFormRoutes } from "./message-forms";
import { turnFormRoutes } from "./turn-forms";

const Asked = t.Object({
  ...ListQuery,
  before: t.Optional(t.String({ description: "The page of messages before this one." })),
  at: t.Optional(t.String({ description: "The page of messages that has this one, on whichever branch." })),
  mark: t.Optional(t.String({ description: "What was searched for. The page's script marks it." })),
  edit: t.Optional(t.String({ description: "A message of the user's to edit." })),
  menu: t.Optional(t.String({ description: "A reply's message whose menu to show." })),
  stream: t.Optional(t.Literal("1", { description: "Without script: write the reply that runs into the page." })),
});

/** White space between the blocks of a reply is nothing to see. */
const HTML_STREAM: StreamFormat = {
  headers: { ...PAGE_HEADERS, "x-accel-buffering": "no" },
  heartbeat: Buffer.from("\n"),
  goodbye: () => Buffer.from("\n"),
};

export function pageRoutes(core: Core) {
  return new Elysia()
    .use(session(core))
    .use(turnFormRoutes(core))
    .use(messageFormRoutes(core))
    .use(listRoutes(core))
    .use(attachmentRoutes(core))
    .get("/", ({ reader, query }) => show(core, reader, { threadId: null, list: query }), {
      public: true, // An index.html of the owner's in its place is for everybody (http/assets.ts).
      reader: true,
      query: Asked,
    })
    .get(
      "/t/:id",
      async ({ reader, request, server, params: { id }, query: { before, at, edit, menu, stream, ...query } }) => {
        const asked = { threadId: id, window: { before, at, edit }, menu, list: query };
        return show(core, reader, asked, stream && { request, server });
      },
      { reader: true, params: t.Object({ id: t.String() }), query: Asked },
    );
}

/** `stream` is there when a reply that runs is to be written into the page. */
async function show(
  core: Core,
  reader: Reader,
  asked: ChatRequest,
  stream?: Pick<StreamOptions, "request" | "server">,
): Promise<Response> {
  const { user, words } = reader;
  const chat = await loadChat(core, reader, asked);
  if (!chat) {
    const sentence = "There is no such chat. It may have been another account's.";
    throw new AppError("notFound", sentence, { reason: "noChat" });
  }
  const page = stream && streamedPage(core, reader, chat);
  if (page) {
    const slot = takeSlot(core, user.username);
    const isAllowed = async () => (await findUser(core, stream.request)) !== null;
    const begin = sendAll(async function* (signal) {
      for await (const piece of writePage(core, reader, page, signal)) yield outsideBytes(core.config, piece);
    });
    return streamResponse({ core, counted: "streams_page", slot, ...stream, begin, isAllowed, format: HTML_STREAM });
  }
  const { thread, cursor, composer } = chat;
  if (thread && cursor !== null && composer.liveTurnId === null) await noteSeen(core, user.username, thread);
  return htmlResponse(core.views.chatPage(chat, words));
}
