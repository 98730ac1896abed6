/**
 * How many streams each user has open, in this process: one who opens them without end takes memory and connections from
 * everybody. One too many is refused, and none that is open is closed for it.
 */

import type { Core, Counts } from "../protocols";
import { AppError } from "./errors";

export interface StreamSlot {
  /** Gives it back; further calls do nothing. */
  release(): void;
}

const RETRY_S = 10; // As often as a page tries by itself to connect.

/** By the counts of a server, which all its cores share. */
const open = new WeakMap<Counts, Map<string, number>>();

/** Throws AppError("limited") when the user has as many as STREAMS_PER_USER allows. */
export function takeSlot(core: Core, username: string): StreamSlot {
  const slots = open.get(core.counts) ?? new Map<string, number>();
  open.set(core.counts, slots);
  const taken = slots.get(username) ?? 0;
  const most = core.config.streamsPerUser;
  if (most > 0 && taken >= most) {
    const sentence = `You have ${taken} streams open, the most that one user may have. Close windows or programs that you do not need, and try again.`;
    throw new AppError("limited", sentence, { retryAfterS: RETRY_S, reason: "manyStreams" });
  }
  slots.set(username, taken + 1);
  let isTaken = true;
  return {
    release() {
      if (!isTaken) return;
      isTaken = false;
      const left = (slots.get(username) ?? 1) - 1;
      if (left > 0) slots.set(username, left);
      else slots.delete(username);
    },
  };
}

/** Takes one for what `answer` opens, which has to release it; it is given back here when nothing was opened. */
export async function withSlot(
  core: Core,
  username: string,
  answer: (slot: StreamSlot) => Promise<Response>,
): Promise<Response> {
  const slot = takeSlot(core, username);
  try {
    return await answer(slot);
  } catch (error) {
    slot.release();
    throw error;
  }
}

/** Of requests that a plugin's page answers, by which page and server speak of the same one. */
const slots = new WeakMap<Request, StreamSlot>();

/**
 * Counts the answer to a request of a plugin's page as one of the user's streams, before the work for it begins; further calls for
 * the same request do nothing. It ends with the answer. Throws AppError("limited") when the user has as many as may be.
 *
 * @example
 * ```ts
 * takeSlotFor(core, request, user.username);
 * const answer = eventStream(
 *   (async function* () {
 *     yield { data: "now" };
 *   })(),
 * );
 * ```
 */
export function takeSlotFor(core: Core, request: Request, username: string): void {
  if (!slots.has(request)) slots.set(request, takeSlot(core, username));
}

/** To be called once the answer has ended, or was no stream. */
export function releaseSlotOf(request: Request): void {
  slots.get(request)?.release();
  slots.delete(request);
}
