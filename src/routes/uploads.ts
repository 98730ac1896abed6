/** Files that come with a message: uploads, or ids of files that are here already. */

import { AppError, isAppError } from "../basics/errors";
import { imageTypeOfFile } from "../basics/image";
import type { Core, FileInfo, NewFile, User } from "../protocols";

export const FILES_MAX = 100; // Of a message. The page shows each, and a model is told of each.

/** Sends with the files. What was uploaded for a message that is refused goes again: whoever sent it still has it. */
export async function withFiles<Sent>(
  core: Core,
  user: User,
  files: readonly unknown[],
  send: (files: readonly FileInfo[]) => Promise<Sent>,
): Promise<Sent> {
  if (files.length > FILES_MAX) {
    const sentence = `A message may have ${FILES_MAX} files; these are ${files.length}.`;
    throw new AppError("invalid", sentence, { reason: "manyFiles" });
  }
  const infos: FileInfo[] = [];
  const uploaded: FileInfo[] = [];
  try {
    for (const file of files) {
      if (file instanceof File) {
        const info = await core.file.put(user.username, await uploadOf(file));
        uploaded.push(info);
        infos.push(info);
      } else infos.push(await known(core, user, file));
    }
    return await send(infos);
  } catch (error) {
    // After a failure of another kind the message may be stored, and name them.
    if (isAppError(error)) for (const { id } of uploaded) await core.file.remove(user.username, id);
    throw error;
  }
}

/** What a browser says of a file's type is a guess by its name; what a picture is, its bytes say. */
export async function uploadOf(file: File): Promise<NewFile> {
  const type = await imageTypeOfFile(file);
  if (type === "image/heic") {
    const sentence = "Pictures in HEIC format, as phones take them, cannot be shown. Save it as JPEG first.";
    throw new AppError("invalid", sentence, { reason: "heic" });
  }
  const claimed =
    file.type.startsWith("image/") && file.type !== "image/svg+xml" ? "application/octet-stream" : file.type;
  // Bun gives a part with an empty file name none at all.
  return { name: file.name ?? "", type: type ?? claimed, data: file };
}

async function known(core: Core, user: User, id: unknown): Promise<FileInfo> {
  const info = typeof id === "string" ? await core.file.get(user.username, id) : null;
  if (!info) throw new AppError("invalid", "There is no such file.");
  return info;
}
