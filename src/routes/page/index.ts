/** The pages of the chat, and the thread list as a fragment. */

import { Elysia, t } from "elysia";
import { AppError } from "../../errors";
import type { Core } from "../../protocols";
import type { Reader } from "../reader";
import { htmlResponse, PAGE_HEADERS } from "../respond";
import { findUser, session } from "../session";
import { type IdleTimer, type StreamFormat, streamResponse } from "../stream";
import { type ChatRequest, loadChat, loadThreadList } from "./chat-data";
import { formRoutes } from "./forms";
import { messageRoutes } from "./message-forms";
import { streamedPage, writePage } from "./streamed";

const Asked = t.Object({
  before: t.Optional(t.String({ description: "The page of messages before this one." })),
  at: t.Optional(t.String({ description: "The page of messages that has this one, on whichever branch." })),
  edit: t.Optional(t.String({ description: "A message of the user's to edit." })),
  menu: t.Optional(t.String({ description: "A reply's message whose menu to show." })),
  q: t.Optional(t.String({ maxLength: 500 })),
  list: t.Optional(t.String()),
  stream: t.Optional(t.Literal("1", { description: "Without script: write the reply that runs into the page." })),
});

/** White space between the blocks of a reply is nothing to see. */
const HTML_STREAM: StreamFormat = {
  headers: { ...PAGE_HEADERS, "x-accel-buffering": "no" },
  heartbeat: Buffer.from("\n"),
  goodbye: () => Buffer.from("\n"),
};

export function pageRoutes(core: Core) {
  const show = async (reader: Reader, asked: ChatRequest): Promise<Response> => {
    const chat = await loadChat(core, reader, asked);
    if (!chat) throw new AppError("notFound", "There is no such chat. It may have been another account's.");
    return htmlResponse(core.views.chatPage(chat, reader.words));
  };
  const showStreamed = async (reader: Reader, asked: ChatRequest, request: Request, server: IdleTimer | null) => {
    const chat = await loadChat(core, reader, asked);
    const page = chat && streamedPage(core, reader, chat);
    if (!page) return show(reader, asked);
    const isAllowed = async () => (await findUser(core, request)) !== null;
    const messages = (signal: AbortSignal) => writePage(core, reader, page, signal);
    return streamResponse({ core, request, server, messages, isAllowed, format: HTML_STREAM });
  };
  return new Elysia()
    .use(session(core))
    .use(formRoutes(core))
    .use(messageRoutes(core))
    .get("/", ({ reader, query: { q, list } }) => show(reader, { threadId: null, query: q, listBefore: list }), {
      reader: true,
      query: Asked,
    })
    .get(
      "/t/:id",
      async ({ reader, request, server, params: { id }, query: { before, at, edit, menu, q, list, stream } }) => {
        const asked = { threadId: id, window: { before, at, edit }, menu, query: q, listBefore: list };
        return stream ? showStreamed(reader, asked, request, server) : show(reader, asked);
      },
      { reader: true, params: t.Object({ id: t.String() }), query: Asked },
    )
    .get(
      "/threads",
      async ({ user, words, query: { q, list, current } }) => {
        const data = await loadThreadList(core, user, { currentId: current || null, query: q, before: list });
        return htmlResponse(
          list === undefined ? core.views.threadList(data, words) : core.views.threadItems(data, words),
        );
      },
      { reader: true, query: t.Composite([Asked, t.Object({ current: t.Optional(t.String()) })]) },
    );
}
