/** Texts, spreadsheets and presentations of LibreOffice. */

import type { Archive, Document } from "./document";
import { escapeText, toMarkdown } from "./html";
import { walkXml } from "./xml";

export async function readOpenDocument(archive: Archive): Promise<Document> {
  const { html, sheets, slides } = toHtml(archive.get("content.xml") ?? "");
  const counted = { ...(sheets > 0 ? { sheets } : {}), ...(slides > 0 ? { slides } : {}) };
  return { kind: "document", text: await toMarkdown(html), ...counted };
}

const TAGS: Readonly<Record<string, string>> = {
  "text:p": "p",
  "text:list": "ul",
  "text:list-item": "li",
  "table:table": "table",
  "table:table-row": "tr",
  "table:table-cell": "td",
};
/** Elements with text that was deleted and is only kept to be brought back, or with looks. */
const DROPPED = new Set([
  "text:tracked-changes",
  "office:automatic-styles",
  "office:font-face-decls",
  "office:annotation",
]);
const REPEATED_MAX = 100; // Spreadsheets fill their edges with a cell that is repeated thousands of times.

function toHtml(xml: string): { html: string; sheets: number; slides: number } {
  const html: string[] = [];
  let [sheets, slides, dropped] = [0, 0, 0];
  let isSpreadsheet = false;
  let heading = 1;
  let row = { from: 0, isFilled: false, repeated: 1 };
  let cell = { from: 0, isFilled: false, repeated: 1 };
  walkXml(xml, {
    open(name, attributes) {
      if (DROPPED.has(name)) dropped++;
      if (dropped > 0) return;
      if (name === "office:spreadsheet") isSpreadsheet = true;
      if (name === "table:table" && isSpreadsheet) html.push(label("Sheet", ++sheets, attributes["table:name"]));
      if (name === "draw:page") html.push(label("Slide", ++slides));
      if (name === "text:line-break") html.push("<br>");
      if (name === "text:tab") html.push(" ");
      if (name === "text:s") html.push(" ".repeat(Math.min(Number(attributes["text:c"] ?? 1) || 1, REPEATED_MAX)));
      if (name === "text:a")
        html.push(`<a href="${escapeText(attributes["xlink:href"] ?? "").replaceAll('"', "%22")}">`);
      if (name === "text:h") {
        heading = Math.min(6, Math.max(1, Number(attributes["text:outline-level"]) || 1));
        html.push(`<h${heading}>`);
      }
      if (name === "table:table-row") row = { from: html.length, isFilled: false, repeated: 1 };
      if (name === "table:table-cell") {
        const repeated = Math.min(Number(attributes["table:number-columns-repeated"] ?? 1) || 1, REPEATED_MAX);
        cell = { from: html.length, isFilled: false, repeated };
      }
      if (TAGS[name]) html.push(`<${TAGS[name]}>`);
    },
    text(text) {
      if (dropped > 0) return;
      html.push(escapeText(text));
      if (text.trim() !== "") row.isFilled = cell.isFilled = true;
    },
    close(name) {
      if (DROPPED.has(name)) {
        dropped--;
        return;
      }
      if (dropped > 0) return;
      if (name === "text:h") html.push(`</h${heading}>`);
      if (name === "text:a") html.push("</a>");
      if (TAGS[name]) html.push(`</${TAGS[name]}>`);
      if (name === "table:table-cell" && cell.repeated > 1) {
        const once = cell.isFilled ? html.slice(cell.from).join("") : "<td></td>";
        html.push(once.repeat(cell.repeated - 1));
      }
      // A row without a word is an edge, or the space between two tables.
      if (name === "table:table-row" && !row.isFilled) html.length = row.from;
    },
  });
  return { html: html.join(""), sheets, slides };
}

function label(kind: string, number: number, name?: string): string {
  return `<p>[${kind} ${number}${name === undefined ? "" : `: ${escapeText(name)}`}]</p>`;
}
