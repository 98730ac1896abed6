/** Presentations of PowerPoint: slides in their order, tables, and the speaker's notes. */

import type { Archive, Document } from "./document";
import { escapeText, toMarkdown } from "./html";
import { relationsOf, walkXml } from "./xml";

export async function readPresentation(archive: Archive): Promise<Document> {
  const slides: string[] = [];
  for (const path of slidePaths(archive)) {
    const notes = [...relations(archive, path).values()].find((target) => /\/notesSlide\d+\.xml$/.test(target));
    const text = await toMarkdown(toHtml(archive.get(path) ?? ""));
    const noted = notes ? (await toMarkdown(toHtml(archive.get(notes) ?? ""))).replace(/^\d+$/m, "").trim() : "";
    slides.push([`[Slide ${slides.length + 1}]`, text, ...(noted ? [`Notes: ${noted}`] : [])].join("\n\n"));
  }
  return { kind: "document", text: slides.join("\n\n"), slides: slides.length };
}

function slidePaths(archive: Archive): string[] {
  const targets = relations(archive, "ppt/presentation.xml");
  const paths: string[] = [];
  walkXml(archive.get("ppt/presentation.xml") ?? "", {
    open(name, attributes) {
      const target = name === "p:sldId" ? targets.get(attributes["r:id"] ?? "") : undefined;
      if (target) paths.push(target);
    },
  });
  return paths;
}

function relations(archive: Archive, path: string): Map<string, string> {
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  return relationsOf(archive.get(`${folder}_rels/${path.slice(folder.length)}.rels`) ?? "", folder);
}

const TAGS: Readonly<Record<string, string>> = { "a:tbl": "table", "a:tr": "tr", "a:tc": "td", "a:p": "p" };

function toHtml(xml: string): string {
  const html: string[] = [];
  let isText = false;
  let isTitle = false;
  walkXml(xml, {
    open(name, { type }) {
      if (name === "p:ph") isTitle = type === "title" || type === "ctrTitle";
      if (name === "p:sp") isTitle = false;
      if (name === "a:t") isText = true;
      if (name === "a:br") html.push("<br>");
      if (TAGS[name]) html.push(isTitle && name === "a:p" ? "<h2>" : `<${TAGS[name]}>`);
    },
    text(text) {
      if (isText) html.push(escapeText(text));
    },
    close(name) {
      if (name === "a:t") isText = false;
      if (TAGS[name]) html.push(isTitle && name === "a:p" ? "</h2>" : `</${TAGS[name]}>`);
    },
  });
  return html.join("");
}
