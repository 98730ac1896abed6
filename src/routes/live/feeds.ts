/**
 * What all open pages of one reader are told is made once for all of them, so that a thousand windows of one person cost
 * others little more than one: their facts are heard once, their list and each of their threads are read, compared and
 * encoded once, and every page is sent the same bytes. Pages share a feed as long as their user, language and zone are the same.
 */

import { allowedModels } from "../../basics/allowed";
import { errorOf } from "../../basics/errors";
import { encodeSse } from "../../basics/sse";
import type { Core, Words } from "../../protocols";
import { factJournals, type Told } from "../fact-journal";
import { partial } from "../partial";
import type { Reader } from "../reader";
import { createElsewhere } from "./elsewhere";
import { createListFeed, type OpenPage, RELOAD } from "./list";
import { createThreadFeed, type ThreadFeed } from "./thread";

export interface FeedCursor {
  /** Cursor of what the page shows. */
  readonly after: string;
  /** Id of the last fact that the page's list knows of. */
  readonly facts: string;
}

export interface Feeds {
  /** Tells the page what to change until the function returned is called. */
  join(reader: Reader, page: OpenPage, place: FeedCursor): Promise<() => void>;
}

export function createFeeds(core: Core): Feeds {
  const feeds = new WeakMap<Words, Map<string, Feed>>();
  return {
    async join(reader, page, place) {
      const known = feeds.get(reader.words) ?? new Map<string, Feed>();
      feeds.set(reader.words, known);
      const key = JSON.stringify([reader.user, reader.zone]);
      const feed = known.get(key) ?? createFeed(core, reader, () => known.delete(key));
      known.set(key, feed);
      return feed.join(page, place);
    },
  };
}

interface Feed {
  join(page: OpenPage, place: FeedCursor): Promise<() => void>;
}

function createFeed(core: Core, reader: Reader, onEmpty: () => void): Feed {
  const journals = factJournals(core);
  /** Id of the last fact that was heard, and how many pages' models are being told. */
  let [heardId, telling]: [string | null, number] = [null, 0];
  const list = createListFeed(core, reader, () => (telling === 0 ? heardId : null));
  const elsewhere = createElsewhere(core, reader);
  const threads = new Map<string, ThreadFeed>();
  const pages = new Set<OpenPage>();

  const tellModelsTo = async (those: Iterable<OpenPage>): Promise<void> => {
    telling += 1;
    await tellModels(core, reader, those);
    telling -= 1;
  };
  const hear = ({ id, fact }: Told): void => {
    if (fact === null) return;
    heardId = id;
    list.hear(fact);
    elsewhere.hear(fact);
    if (fact.type === "models-changed") void tellModelsTo(pages);
    else threads.get(fact.threadId)?.sync();
  };
  const listening = journals.listen(reader.user.username, null, hear);

  const leave = (page: OpenPage): void => {
    pages.delete(page);
    if (pages.size > 0) return;
    onEmpty();
    list.end();
    listening.then(
      (end) => end(),
      () => {}, // Whoever wanted to join was told.
    );
  };
  const joinThread = (threadId: string, after: string, { put }: OpenPage): (() => void) => {
    const thread = threads.get(threadId) ?? createThreadFeed(core, reader, threadId);
    threads.set(threadId, thread);
    const leaveThread = thread.join(after, put);
    return () => {
      leaveThread();
      if (thread.isEmpty) threads.delete(threadId);
    };
  };
  return {
    async join(page, { after, facts }) {
      pages.add(page);
      try {
        await listening;
        /** What happened since the page was made, until it is heard with the others. */
        const told: Told[] = [];
        const endTold = await journals.listen(reader.user.username, facts, (it) => told.push(it));
        heardId = told.at(-1)?.id ?? heardId;
        const missed = told.flatMap(({ fact }) => fact ?? []);
        // What was before is not known any more.
        if (missed.length < told.length) page.put(RELOAD);
        if (missed.some(({ type }) => type === "models-changed")) void tellModelsTo([page]);
        const leaves = [list.join(page, missed), elsewhere.join(page)];
        if (page.threadId !== null) leaves.push(joinThread(page.threadId, after, page));
        endTold();
        return () => {
          for (const end of leaves) end();
          leave(page);
        };
      } catch (error) {
        leave(page);
        throw error;
      }
    },
  };
}

/** Options alone, of which none is chosen: the choice is the reader's, and stays while it is among them. */
async function tellModels(core: Core, { user, words }: Reader, pages: Iterable<OpenPage>): Promise<void> {
  try {
    const choice = { models: await allowedModels(core, user), model: null };
    const message = encodeSse({ data: partial("models", "innerMorph", core.views.models(choice, words)) });
    for (const page of pages) page.put(message);
  } catch (error) {
    core.log.error("Pages were not told of other models", { error: errorOf(error) });
  }
}
