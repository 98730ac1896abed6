/** Files that come with a message: uploads, or ids of files that are here already. */

import { AppError } from "../errors";
import type { Core, FileInfo, User } from "../protocols";

export async function readFiles(core: Core, user: User, files: readonly unknown[]): Promise<FileInfo[]> {
  const infos: FileInfo[] = [];
  for (const file of files) {
    if (file instanceof File) {
      // Bun gives a part with an empty file name none at all.
      infos.push(await core.file.put(user.username, { name: file.name ?? "", type: file.type, data: file }));
    } else {
      const info = typeof file === "string" ? await core.file.get(user.username, file) : null;
      if (!info) throw new AppError("invalid", "There is no such file.");
      infos.push(info);
    }
  }
  return infos;
}
