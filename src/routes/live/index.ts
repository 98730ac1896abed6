/** GET /live: what the page is to change, as HTML, for as long as it is open. Always a stream, since htmx retries others for ever. */

import { Elysia, t } from "elysia";
import type { Core, Words } from "../../protocols";
import { takeSlot } from "../../stream-slots";
import { wordsFor, zoneOf } from "../reader";
import { findUser } from "../session";
import { type StreamClient, streamResponse } from "../stream";
import { channel, signedOut } from "./channel";
import { createReplies } from "./replies";

export function liveRoutes(core: Core) {
  const replies = createReplies(core);
  return new Elysia().get(
    "/live",
    async ({ request, server, query }) => {
      const [user, words] = [await findUser(core, request), wordsFor(core, request)];
      const zone = zoneOf(request);
      const after = request.headers.get("last-event-id") ?? query.after ?? "";
      const options = { core, replies, threadId: query.t ?? null, after, facts: query.facts ?? "" };
      return streamResponse({
        core,
        ...(user && { slot: takeSlot(core, user.username) }),
        counted: "streams_page",
        request,
        server,
        isAllowed: async () => (await findUser(core, request)) !== null,
        signedOut: () => signedOut(core, words),
        begin: (client) =>
          user ? channel({ ...options, reader: { user, words, zone } }, client) : farewell(core, words, client),
      });
    },
    { query: t.Object({ t: t.Optional(t.String()), after: t.Optional(t.String()), facts: t.Optional(t.String()) }) },
  );
}

async function farewell(core: Core, words: Words, { send, end }: StreamClient): Promise<() => void> {
  send(signedOut(core, words));
  end();
  return () => {};
}
