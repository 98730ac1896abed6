/**
 * What all open pages of one reader are told is made once for all of them, so that a thousand windows of one person cost
 * others little more than one: their facts are heard once, each of their threads is read, compared and encoded once, and every
 * page is sent the same bytes. Pages share a feed as long as their user, language and zone are the same. Of the list of chats
 * they hear only that it has changed, and fetch it.
 */

import { allowedModels } from "../../basics/allowed";
import { errorOf } from "../../basics/errors";
import { createCoalesced } from "../../basics/once";
import { encodeNote, encodeSse } from "../../basics/sse";
import type { Core, Fact, Words } from "../../protocols";
import { factJournals, type Told } from "../api/live-events";
import { fragment } from "../http/respond";
import { daysOf } from "../page/list";
import type { Reader } from "../session/session";
import { createThreadFeed, type Put, type ThreadFeed } from "./thread";

/** One page that listens. */
export interface OpenPage {
  /** The thread that it shows; null = none, or an old part of one. */
  readonly threadId: string | null;
  /** Cursor of what it shows. */
  readonly after: string;
  /** Id of the last fact that its list knows of. */
  readonly facts: string;
  readonly put: Put;
}

/** Tells the page what to change until the function returned is called. */
type Join = (page: OpenPage) => Promise<() => void>;

export type Feeds = (reader: Reader) => Join;

export function createFeeds(core: Core): Feeds {
  const feeds = new WeakMap<Words, Map<string, Join>>();
  return (reader) => {
    const known = feeds.getOrInsertComputed(reader.words, () => new Map<string, Join>());
    const key = JSON.stringify([reader.user, reader.zone]);
    return known.getOrInsertComputed(key, () => createFeed(core, reader, () => known.delete(key)));
  };
}

function createFeed(core: Core, reader: Reader, onEmpty: () => void): Join {
  const journals = factJournals(core);
  /** Pages that are told; `open` counts those too that are about to be. */
  const pages = new Set<OpenPage>();
  let open = 0;
  /** Id of the last fact that was heard, and how many pages' models are being told. */
  let [heardId, telling]: [string | null, number] = [null, 0];
  const tell: Put = (message) => {
    for (const { put } of pages) put(message);
  };
  // The note follows when everything else that the facts led to was told.
  const note = () => (telling === 0 && heardId !== null ? encodeNote("facts", heardId) : NOTHING);
  const lists = createListNews(reader, (event) => tell(Buffer.concat([event, note()])));
  const questions = createQuestionNews(core, reader);
  const threads = new Map<string, ThreadFeed>();

  const tellModels = async (put: Put): Promise<void> => {
    telling += 1;
    put(await modelsOf(core, reader));
    telling -= 1;
  };
  const hear = ({ id, fact }: Told): void => {
    if (fact === null) return;
    heardId = id;
    lists.hear(fact);
    questions.hear(fact);
    if (fact.type === "models-changed") void tellModels(tell);
    else threads.get(fact.threadId)?.sync();
  };
  const listening = journals.listen(reader.user.username, null, hear);

  const leave = (): void => {
    open -= 1;
    if (open > 0) return;
    onEmpty();
    lists.end();
    listening.then(
      (end) => end(),
      () => {}, // The page that wanted to join was told.
    );
  };
  const joinThread = (threadId: string, { after, put }: OpenPage): (() => void) => {
    const thread = threads.getOrInsertComputed(threadId, () => createThreadFeed(core, reader, threadId));
    const leaveThread = thread.join(after, put);
    return () => {
      leaveThread();
      if (thread.isEmpty) threads.delete(threadId);
    };
  };
  return async (page) => {
    open += 1;
    try {
      await listening;
      /** What happened since the page was made, until it is heard with the others. */
      const told: Told[] = [];
      const endTold = await journals.listen(reader.user.username, page.facts, (it) => told.push(it));
      heardId = told.at(-1)?.id ?? heardId;
      const missed = told.flatMap(({ fact }) => fact ?? []);
      // The facts before are not known any more.
      const event = missed.length < told.length ? RELOAD : listEvent(missed);
      if (event) page.put(event);
      if (missed.some(({ type }) => type === "models-changed")) void tellModels(page.put);
      pages.add(page);
      const leaves = [() => pages.delete(page), questions.join(page), leave];
      if (page.threadId !== null) leaves.push(joinThread(page.threadId, page));
      endTold();
      return () => {
        for (const end of leaves) end();
      };
    } catch (error) {
      leave();
      throw error;
    }
  };
}

/** Options alone, of which none is chosen: the choice is the reader's, and stays while it is among them. */
async function modelsOf(core: Core, { user, words }: Reader): Promise<Uint8Array> {
  try {
    const choice = { models: await allowedModels(core, user), model: null };
    return encodeSse({ data: fragment("models", "innerMorph", core.views.models(choice, words)) });
  } catch (error) {
    core.log.error("Pages were not told of other models", { error: errorOf(error) });
    return NOTHING;
  }
}

const NOTHING = new Uint8Array();

/** Chats were changed; or only written in, of which a list that a search found takes no notice. */
const CHANGED = encodeSse({ event: "threads-changed", data: "" });
const ACTIVE = encodeSse({ event: "threads-active", data: "" });
/** What changed is not known, or it is another day. */
const RELOAD = encodeSse({ event: "threads-reload", data: "" });

const GATHER_MS = 100; // A send makes four facts within it.
const PAUSE_MS = 500; // Between two events, however many chats are busy.
const DAY_CHECK_MS = 30_000; // How late the groups follow the reader's midnight.

/** Tells of what changed in the list of chats: facts of one moment together, and each midnight. */
function createListNews({ zone }: Reader, tell: Put) {
  let heard: Fact[] = [];
  let timer: Timer | null = null;
  let restUntilMs = 0;
  const dayOf = daysOf(zone);
  let day = dayOf(Date.now());

  const tellHeard = (): void => {
    const event = listEvent(heard);
    [heard, timer, restUntilMs] = [[], null, performance.now() + PAUSE_MS];
    if (event) tell(event);
  };
  const midnight = setInterval(() => {
    const today = dayOf(Date.now());
    if (today !== day) tell(RELOAD);
    day = today;
  }, DAY_CHECK_MS);
  return {
    hear(fact: Fact): void {
      heard.push(fact);
      timer ??= setTimeout(tellHeard, Math.max(GATHER_MS, restUntilMs - performance.now()));
    },
    end(): void {
      if (timer) clearTimeout(timer);
      clearInterval(midnight);
    },
  };
}

/** Null when the facts are about no chat. */
function listEvent(facts: readonly Fact[]): Uint8Array | null {
  if (facts.some(({ type }) => type === "threads-changed")) return CHANGED;
  return facts.some((fact) => "threadId" in fact) ? ACTIVE : null;
}

/** Tells pages which other chat has a call that waits for a yes or no, because its turn waits as long: the last that came to wait. */
function createQuestionNews(core: Core, { user, words }: Reader) {
  /** With the thread that each was told of; null = none. */
  const pages = new Map<OpenPage, string | null>();
  /** Ids of threads; null = not read yet. */
  let waiting: readonly string[] | null = null;

  const tell = (page: OpenPage): void => {
    const threadId = waiting?.findLast((id) => id !== page.threadId) ?? null;
    if (threadId === pages.get(page)) return;
    pages.set(page, threadId);
    const link = threadId !== null && { link: { path: `/t/${threadId}`, label: words.status.open } };
    const status = core.views.status({ text: link ? words.status.waiting : "", kind: "info", ...link }, words);
    page.put(encodeSse({ data: fragment("status", "outerMorph", status) }));
  };
  const read = async (): Promise<void> => {
    const now: string[] = [];
    for (const threadId of await core.turns.running(user)) {
      const live = await core.turns.live(user, threadId);
      if (live && live.waiting.length > 0) now.push(threadId);
    }
    const before = waiting ?? [];
    waiting = [...before.filter((id) => now.includes(id)), ...now.filter((id) => !before.includes(id))];
    for (const page of pages.keys()) tell(page);
  };
  const coalesce = createCoalesced<void>();
  const readAgain = (): void => {
    const failed = (error: unknown) => core.log.error("Pages were not told what waits", { error: errorOf(error) });
    void coalesce("", () => read().catch(failed));
  };
  return {
    hear({ type }: Fact): void {
      const mayBeOver = type === "approval-given" || type === "turn-ended";
      if (type === "approval-asked" || (mayBeOver && waiting?.length !== 0)) readAgain();
    },
    join(page: OpenPage): () => void {
      pages.set(page, null);
      if (waiting) tell(page);
      else readAgain();
      return () => pages.delete(page);
    },
  };
}
