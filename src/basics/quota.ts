/**
 * How much one user may keep: files, once per content, and texts. Nothing is cut off for it: a reply that has begun is kept, and
 * what would come next is refused.
 */

import type { Core } from "../protocols";
import { AppError } from "./errors";
import { sizeText } from "./size";

/** In bytes. */
export async function usedBytes(core: Core, username: string): Promise<number> {
  const sizes = await Promise.all([core.file.size(username), core.thread.size(username)]);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Throws AppError("tooLarge") when the user has no room for so many bytes more, of which `counted` are counted already.
 *
 * @example
 * ```ts
 * const picture = await core.file.open(user.username, "some-id");
 * if (picture) await requireRoom(core, user.username, picture.size);
 * ```
 */
export async function requireRoom(core: Core, username: string, bytes: number, counted = 0): Promise<void> {
  const most = core.config.quotaBytes;
  if (most === 0) return;
  const used = (await usedBytes(core, username)) - counted;
  if (used + bytes <= most) return;
  const sentence =
    `Your files and messages take ${sizeText(used)} of the ${sizeText(most)} that you may use, and there is no room for ${sizeText(bytes)} more. ` +
    "Remove files that you no longer need (GET and DELETE /api/v1/files), or ask the owner of this server for more.";
  throw new AppError("tooLarge", sentence, { reason: "quotaFull", figures: [used, most] });
}
