/** Books: their chapters in the order of reading. */

import { type Archive, type Document, DocumentFault } from "./document";
import { toMarkdown } from "./html";
import { resolvePath, walkXml } from "./xml";

export async function readBook(archive: Archive): Promise<Document> {
  const chapters: string[] = [];
  for (const path of chapterPaths(archive)) {
    // The title of a chapter's file is mostly its name.
    const text = await toMarkdown((archive.get(path) ?? "").replace(/<title\b[^>]*>[^<]*<\/title>/i, ""));
    if (text !== "") chapters.push(text);
  }
  return { kind: "document", text: chapters.join("\n\n") };
}

function chapterPaths(archive: Archive): string[] {
  let packagePath = "";
  walkXml(archive.get("META-INF/container.xml") ?? "", {
    open(name, attributes) {
      if (name.endsWith("rootfile")) packagePath ||= attributes["full-path"] ?? "";
    },
  });
  const description = archive.get(packagePath);
  if (description === undefined) throw new DocumentFault("broken");
  const folder = packagePath.slice(0, packagePath.lastIndexOf("/") + 1);
  const items = new Map<string, string>();
  const order: string[] = [];
  walkXml(description, {
    open(name, { id, href, idref }) {
      if (/(?:^|:)item$/.test(name) && id && href) items.set(id, resolvePath(folder, href));
      if (/(?:^|:)itemref$/.test(name) && idref) order.push(idref);
    },
  });
  return order.flatMap((id) => items.get(id) ?? []);
}
