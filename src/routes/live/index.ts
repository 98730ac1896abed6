/**
 * GET /live: what a page is to change, as HTML, for as long as it is open. Always a stream, since htmx retries others for ever.
 * The windows of a browser may come together, each with its query in one `page=`: then every message is told after a note of
 * which window it is for.
 */

import { Elysia } from "elysia";
import { takeSlot } from "../../basics/allowed";
import { lazy } from "../../basics/once";
import { encodeNote, encodeSse } from "../../basics/sse";
import type { Core, Words } from "../../protocols";
import { outsideBytes, urlOf } from "../http/address";
import { fragment } from "../http/respond";
import { type StreamClient, streamResponse } from "../http/stream";
import { findUser, type Reader, readerOf, session, wordsFor } from "../session/session";
import { createFeeds, type Feeds } from "./feeds";

const PAGES = 50; // Of one stream. The script asks for no more.

export function liveRoutes(core: Core) {
  const feeds = createFeeds(core);
  return new Elysia().use(session(core)).get(
    "/live",
    async ({ request, server }) => {
      const [user, words] = [await findUser(core, request), wordsFor(core, request)];
      const pages = pagesOf(request);
      const farewell = lazy(() => {
        const said = signedOut(core, words);
        return Buffer.concat(pages.map(({ noted }) => noted(said)));
      });
      return streamResponse({
        core,
        ...(user && { slot: takeSlot(core, user.username) }),
        counted: "streams_page",
        request,
        server,
        isAllowed: async () => !user || (await findUser(core, request)) !== null,
        signedOut: farewell,
        async begin(client) {
          if (user) return joinAll(core, feeds, readerOf(core, request, user), pages, client);
          client.send(farewell());
          client.end();
          return () => {};
        },
      });
    },
    { public: true },
  );
}

/** A page as it asks for what it is to change. */
interface AskingPage {
  /** Whose it is; null = it does not say. */
  readonly username: string | null;
  readonly threadId: string | null;
  readonly after: string;
  readonly facts: string;
  /** The messages, as they are told to this page. */
  readonly noted: (messages: Uint8Array) => Uint8Array;
}

function pagesOf(request: Request): AskingPage[] {
  const query = urlOf(request)?.searchParams ?? new URLSearchParams();
  const together = query.getAll("page").slice(0, PAGES);
  const isAlone = together.length === 0;
  const lastEventId = isAlone ? request.headers.get("last-event-id") : null;
  return (isAlone ? [query] : together.map((text) => new URLSearchParams(text))).map((asked) => {
    const note = encodeNote("page", asked.get("number") ?? "");
    return {
      username: asked.get("user"),
      threadId: asked.get("t"),
      after: lastEventId ?? asked.get("after") ?? "",
      facts: asked.get("facts") ?? "",
      noted: (messages) => (isAlone ? messages : Buffer.concat([note, messages])),
    };
  });
}

/** A page of somebody else, who used this browser before, is told that they are signed out, and nothing of the reader. */
async function joinAll(
  core: Core,
  feeds: Feeds,
  reader: Reader,
  pages: readonly AskingPage[],
  client: StreamClient,
): Promise<() => void> {
  const leaves: (() => void)[] = [];
  const leave = (): void => {
    for (const end of leaves) end();
  };
  try {
    for (const { username, threadId, after, facts, noted } of pages) {
      const put = (messages: Uint8Array): void => {
        if (messages.length > 0) client.send(noted(outsideBytes(core.config, messages)));
      };
      const isTheirs = username === null || username === reader.user.username;
      if (isTheirs) leaves.push(await feeds(reader)({ threadId, after, facts, put }));
      else put(signedOut(core, reader.words));
    }
  } catch (error) {
    leave();
    throw error;
  }
  if (leaves.length === 0) client.end();
  return leave;
}

/** Says so on the page, and closes the channel by the event that `#live` names. */
function signedOut(core: Core, words: Words): Uint8Array {
  const { status } = core.views;
  const data = fragment("status", "outerMorph", status({ text: words.status.signedOut, kind: "error" }, words));
  return Buffer.concat([encodeSse({ data }), encodeSse({ event: "signed-out", data: "" })]);
}
