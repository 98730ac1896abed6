/** The pages of the chat, and the thread list as a fragment. */

import { Elysia, t } from "elysia";
import { AppError } from "../../errors";
import type { Core } from "../../protocols";
import type { Reader } from "../reader";
import { htmlResponse } from "../respond";
import { session } from "../session";
import { type ChatRequest, loadChat, loadThreadList } from "./chat-data";
import { formRoutes } from "./forms";
import { messageRoutes } from "./message-forms";

const Asked = t.Object({
  before: t.Optional(t.String({ description: "The page of messages before this one." })),
  at: t.Optional(t.String({ description: "The page of messages that has this one, on whichever branch." })),
  edit: t.Optional(t.String({ description: "A message of the user's to edit." })),
  menu: t.Optional(t.String({ description: "A reply's message whose menu to show." })),
  q: t.Optional(t.String({ maxLength: 500 })),
  list: t.Optional(t.String()),
});

export function pageRoutes(core: Core) {
  const show = async (reader: Reader, asked: ChatRequest): Promise<Response> => {
    const chat = await loadChat(core, reader, asked);
    if (!chat) throw new AppError("notFound", "There is no such chat. It may have been another account's.");
    return htmlResponse(core.views.chatPage(chat, reader.words));
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
      ({ reader, params: { id }, query: { before, at, edit, menu, q, list } }) =>
        show(reader, { threadId: id, window: { before, at, edit }, menu, query: q, listBefore: list }),
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
