/** Walks through XML. Entities that a document defines are not expanded, and namespaces are left as they are written. */

import { Parser } from "htmlparser2";

export interface XmlWalk {
  open?(name: string, attributes: Readonly<Record<string, string>>): void;
  text?(text: string): void;
  close?(name: string): void;
}

export function walkXml(xml: string, { open, text, close }: XmlWalk): void {
  const parser = new Parser(
    {
      onopentag: (name, attributes) => open?.(name, attributes),
      ontext: (piece) => text?.(piece),
      onclosetag: (name) => close?.(name),
    },
    { xmlMode: true },
  );
  parser.end(xml);
}

/** What the relations of a part point to, by id; paths from the root of the archive. */
export function relationsOf(xml: string, folder: string): Map<string, string> {
  const targets = new Map<string, string>();
  walkXml(xml, {
    open(name, { Id, Target }) {
      if (name === "Relationship" && Id && Target) targets.set(Id, resolvePath(folder, Target));
    },
  });
  return targets;
}

/** A path of an archive that is written relative to a folder of it. */
export function resolvePath(folder: string, path: string): string {
  return decodeURIComponent(new URL(path, `file:///${folder}`).pathname.slice(1));
}
