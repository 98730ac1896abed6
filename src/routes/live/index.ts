/** GET /live: what the page is to change, as HTML, for as long as it is open. Always a stream, since htmx retries others for ever. */

import { Elysia, t } from "elysia";
import type { Core, Words } from "../../protocols";
import { encodeSse } from "../../sse";
import { takeSlot } from "../../stream-slots";
import { partial } from "../partial";
import { wordsFor, zoneOf } from "../reader";
import { findUser } from "../session";
import { type StreamClient, streamResponse } from "../stream";
import { createFeeds } from "./feeds";

export function liveRoutes(core: Core) {
  const feeds = createFeeds(core);
  return new Elysia().get(
    "/live",
    async ({ request, server, query }) => {
      const [user, words] = [await findUser(core, request), wordsFor(core, request)];
      const zone = zoneOf(request);
      const after = request.headers.get("last-event-id") ?? query.after ?? "";
      const place = { after, facts: query.facts ?? "" };
      return streamResponse({
        core,
        ...(user && { slot: takeSlot(core, user.username) }),
        counted: "streams_page",
        request,
        server,
        isAllowed: async () => !user || (await findUser(core, request)) !== null,
        signedOut: () => signedOut(core, words),
        begin: (client) =>
          user
            ? feeds.join({ user, words, zone }, { threadId: query.t ?? null, put: client.send }, place)
            : farewell(core, words, client),
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

/** Says so on the page, and closes the channel by the event that `#live` names. */
function signedOut(core: Core, words: Words): Uint8Array {
  const { status } = core.views;
  const data = partial("status", "outerMorph", status({ text: words.status.signedOut, kind: "error" }, words));
  return Buffer.concat([encodeSse({ data }), encodeSse({ event: "signed-out", data: "" })]);
}
