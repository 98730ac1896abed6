/**
 * A reply that is being written, rendered once for all pages that look at it: follows a turn, folds its events into parts, and
 * tells what changed as HTML at a pace that a reader can see. What was told and `snapshot` always agree, so a page that joins
 * takes the snapshot and then what is told, in one go.
 */

import { encodeSse } from "../../basics/sse";
import type { Core, MessageData, NumberedEvent, TurnInfo, User, Words } from "../../protocols";
import { partial } from "../http/respond";
import { loadBranch } from "../page/branch";
import type { Reader } from "../session/session";
import { createGrowth } from "./growth";

export interface LiveReply {
  readonly turnId: string;
  /** As it is now. Whatever led here is told to the followers before this returns, and nothing of it afterwards. */
  snapshot(): MessageData;
  /** Tells every change from now on, encoded. The function returned ends it. */
  follow(tell: (message: Uint8Array) => void): () => void;
  /** Resolves when the last change was told; the snapshot is then the reply as the thread keeps it. */
  readonly ended: Promise<void>;
}

const PACE_MS = 50; // A reader cannot tell 20 updates a second from more.
const BYTES_PER_MS = 48; // For a long open block, such as a table, which is sent again as it grows.
const WORK_SHARE = 10; // Rendering takes at most a tenth of the time.

export interface ReplyOptions {
  readonly core: Core;
  readonly reader: Reader;
  readonly turn: TurnInfo;
  /** The reply as a page knows it now; its parts of earlier turns are those that this turn goes on from. */
  readonly base: MessageData;
}

export async function openReply({ core, reader, turn, base }: ReplyOptions): Promise<LiveReply> {
  const controller = new AbortController();
  const followers = new Set<(message: Uint8Array) => void>();
  const growth = createGrowth(core, reader.words, turn, () => wake());
  const before = base.parts.filter(({ message }) => message.turnId !== turn.id);
  let final: MessageData | null = null;
  let timer: Timer | null = null;
  let restMs = PACE_MS;

  const tell = (markup: string): void => {
    if (markup === "") return;
    const message = encodeSse({ data: markup });
    for (const follower of followers) follower(message);
  };
  const flush = (): void => {
    timer = null;
    const startedMs = performance.now();
    const markup = growth.takeChanges(`${base.id}-parts`);
    tell(markup);
    restMs = Math.max(PACE_MS, markup.length / BYTES_PER_MS, WORK_SHARE * (performance.now() - startedMs));
  };
  const wake = (): void => {
    timer ??= setTimeout(flush, restMs);
  };
  const finish = async (): Promise<void> => {
    tellNow();
    const kept = await keptReply(core, reader, turn, base.id);
    if (kept) tell(endOf(core, reader.words, kept, told()));
    final = kept;
  };
  const tellNow = (): void => {
    if (timer) clearTimeout(timer);
    if (timer) flush();
  };
  const told = (): MessageData => final ?? { ...base, turn, parts: [...before, ...growth.parts()] };
  const first = Promise.withResolvers<void>();
  const ended = read(core, reader.user, turn, controller.signal, (events) => {
    for (const event of events) growth.add(event);
    first.resolve();
    wake();
  })
    .then(finish)
    .catch((error) => core.log.error("A reply could not be followed", { turn: turn.id, error }))
    .finally(first.resolve);
  await first.promise;
  // What was there before anybody looked is told by the snapshot.
  growth.takeChanges("");

  return {
    turnId: turn.id,
    ended,
    snapshot() {
      tellNow();
      return told();
    },
    follow(follower) {
      tellNow();
      followers.add(follower);
      return () => {
        followers.delete(follower);
        if (followers.size === 0) controller.abort();
      };
    },
  };
}

async function read(
  core: Core,
  user: User,
  turn: TurnInfo,
  signal: AbortSignal,
  take: (events: readonly NumberedEvent[]) => void,
): Promise<void> {
  const batches = await core.turns.follow(user, turn.id, 0, signal);
  for await (const events of batches ?? []) take(events);
}

async function keptReply(core: Core, reader: Reader, turn: TurnInfo, id: string): Promise<MessageData | null> {
  const branch = await loadBranch(core, reader, turn.threadId);
  const kept = branch?.messages.messages.find((message) => message.id === id);
  return kept?.turn?.id === turn.id && branch?.live === null ? kept : null;
}

/** The foot, and whatever was told differently from how it is kept (a link defined later in the text, a time). */
function endOf(core: Core, words: Words, kept: MessageData, told: MessageData): string {
  const { views } = core;
  const isSame = kept.parts.map(({ id }) => id).join() === told.parts.map(({ id }) => id).join();
  if (!isSame) return partial(kept.id, "outerMorph", views.message(kept, words));
  let markup = partial(`${kept.id}-foot`, "outerHTML", views.messageFoot(kept, words));
  for (const [index, part] of kept.parts.entries()) {
    const was = told.parts[index];
    const now = views.part(part, words);
    if (was && views.part(was, words).markup !== now.markup) markup += partial(part.id, "outerMorph", now);
  }
  return markup;
}
