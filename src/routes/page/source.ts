/** The Markdown of a message as it was written, of a reply that is being written as far as it is: what Copy copies, and what "Show source" leads to. */

import { Elysia, t } from "elysia";
import { AppError } from "../../basics/errors";
import { newestEnd, pathTo } from "../../basics/messages";
import type { Core, Message, User } from "../../protocols";
import { session } from "../session/session";
import { Id } from "./form";

export function sourceRoutes(core: Core) {
  return new Elysia().use(session(core)).get(
    "/t/:id/source",
    async ({ reader, params: { id }, query: { message, reply } }) => {
      const found = await loadSource(core, reader.user, id, { messageId: message, isReply: reply === "1" });
      if (!found) throw new AppError("notFound", "There is no such message in this chat.", { reason: "noMessage" });
      const text = found.filter(({ type }) => type === "text").map(({ content }) => content);
      return new Response(text.join("\n\n"), {
        headers: {
          "content-type": "text/plain; charset=utf-8",
          "cache-control": "no-store",
          "x-content-type-options": "nosniff",
        },
      });
    },
    {
      reader: true,
      params: Id,
      query: t.Object({
        message: t.String(),
        reply: t.Optional(
          t.Literal("1", { description: "The reply that the message is a part of, or that answers it." }),
        ),
      }),
    },
  );
}

interface SourceQuery {
  readonly messageId: string;
  readonly isReply: boolean;
}

/** Null when there is no such message. */
async function loadSource(
  core: Core,
  user: User,
  threadId: string,
  asked: SourceQuery,
): Promise<readonly Message[] | null> {
  const { messageId, isReply } = asked;
  // In this order: what a step takes from the running turn to the thread meanwhile is seen twice rather than never.
  const live = isReply ? await core.turns.live(user, threadId) : null;
  const nodes = await core.thread.tree(user.username, threadId);
  const path = pathTo(nodes, isReply ? newestEnd(nodes, messageId) : messageId);
  const at = path.findIndex(({ id }) => id === messageId);
  if (at < 0) return null;
  const first = isReply ? path.findLastIndex(({ role }, index) => index <= at && role === "user") + 1 : at;
  const next = path.findIndex(({ role }, index) => index > at && role === "user");
  const isWritten = (turnId: string) => nodes.some((node) => node.turnId === turnId && node.role !== "user");
  // Another version of the reply stands where one that has only begun has nothing yet.
  const isAnother = live?.parentId === messageId && !isWritten(live.id);
  const own = isAnother ? [] : path.slice(first, next < 0 ? path.length : next);
  const head = own.at(-1)?.id;
  const stored =
    head === undefined
      ? []
      : await core.thread.messages(user.username, threadId, { head, limit: own.length, tree: own });
  const known = new Set(own.map(({ id }) => id));
  const growing = live?.parts.filter(({ id }) => !known.has(id)) ?? [];
  const goesOn = growing[0]?.parentId === (head ?? messageId);
  return goesOn ? [...stored, ...growing] : stored;
}
