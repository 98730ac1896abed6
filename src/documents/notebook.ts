/** Jupyter notebooks: text, code and what it printed. */

import { fenced } from "../basics/html-to-markdown";
import type { Document } from "./document";

interface Cell {
  readonly cell_type?: unknown;
  readonly source?: unknown;
  readonly outputs?: unknown;
}

interface Output {
  readonly text?: unknown;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly ename?: unknown;
  readonly evalue?: unknown;
}

export function isNotebook(text: string): boolean {
  try {
    return Array.isArray(JSON.parse(text)?.cells);
  } catch {
    return false;
  }
}

export function readNotebook(text: string): Document {
  const { cells, metadata } = JSON.parse(text) as {
    cells: readonly Cell[];
    metadata?: { kernelspec?: { language?: unknown }; language_info?: { name?: unknown } };
  };
  const language = metadata?.language_info?.name ?? metadata?.kernelspec?.language;
  let pictures = 0;
  const outputOf = ({ text, data, ename, evalue }: Output): string => {
    if (data && Object.keys(data).some((type) => type.startsWith("image/"))) pictures++;
    if (ename !== undefined) return `${String(ename)}: ${String(evalue)}`;
    return joined(text ?? data?.["text/markdown"] ?? data?.["text/plain"]);
  };
  const blocks = cells.flatMap(({ cell_type, source, outputs }) => {
    const written = joined(source);
    if (cell_type !== "code") return [written];
    const printed = (Array.isArray(outputs) ? outputs : []).map(outputOf).join("\n").trim();
    return [fenced(written, typeof language === "string" ? language : ""), ...(printed ? [fenced(printed, "")] : [])];
  });
  return { kind: "document", text: blocks.filter((block) => block.trim() !== "").join("\n\n"), pictures };
}

/** A notebook keeps a text whole, or as a list of its lines. */
function joined(text: unknown): string {
  return Array.isArray(text) ? text.join("") : typeof text === "string" ? text : "";
}
