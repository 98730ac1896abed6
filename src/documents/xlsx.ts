/** Spreadsheets of Excel: each sheet as a table of what its cells show. */

import type { Archive, Document } from "./document";
import { relationsOf, walkXml } from "./xml";

export function readSpreadsheet(archive: Archive): Document {
  const shared = sharedStrings(archive.get("xl/sharedStrings.xml") ?? "");
  const dates = dateStyles(archive.get("xl/styles.xml") ?? "");
  const sheets = sheetsOf(archive).map(({ name, path, since }, at) => {
    const rows = readRows(archive.get(path) ?? "", { shared, dates, since });
    return `[Sheet ${at + 1}: ${name}]\n\n${tableOf(rows)}`;
  });
  return { kind: "document", text: sheets.join("\n\n"), sheets: sheets.length };
}

const DAY_MS = 24 * 60 * 60 * 1000;
const SINCE_1900 = Date.UTC(1899, 11, 30); // Day 0, by the leap day of 1900 that Excel believes in.
const SINCE_1904 = Date.UTC(1904, 0, 1);

interface Sheet {
  readonly name: string;
  readonly path: string;
  /** Day 0 of its dates. */
  readonly since: number;
}

function sheetsOf(archive: Archive): Sheet[] {
  const targets = relationsOf(archive.get("xl/_rels/workbook.xml.rels") ?? "", "xl/");
  const sheets: Sheet[] = [];
  let since = SINCE_1900;
  walkXml(archive.get("xl/workbook.xml") ?? "", {
    open(name, attributes) {
      if (name === "workbookPr" && /^(?:1|true)$/.test(attributes.date1904 ?? "")) since = SINCE_1904;
      const path = name === "sheet" ? targets.get(attributes["r:id"] ?? "") : undefined;
      if (path) sheets.push({ name: attributes.name ?? "", path, since });
    },
  });
  return sheets;
}

/** Texts that cells name by their number, without the reading aids of Japanese ones. */
function sharedStrings(xml: string): string[] {
  const strings: string[] = [];
  let isText = false;
  let isAid = false;
  walkXml(xml, {
    open(name) {
      if (name === "si") strings.push("");
      if (name === "rPh") isAid = true;
      if (name === "t") isText = !isAid;
    },
    text(text) {
      if (isText && strings.length > 0) strings[strings.length - 1] += text;
    },
    close(name) {
      if (name === "t") isText = false;
      if (name === "rPh") isAid = false;
    },
  });
  return strings;
}

type DateStyle = "date" | "time" | "both";

/** Which of the numbered styles show a number as a date or a time. */
function dateStyles(xml: string): (DateStyle | null)[] {
  const formats = new Map<string, string>();
  const styles: (DateStyle | null)[] = [];
  let isCells = false;
  walkXml(xml, {
    open(name, { numFmtId = "", formatCode = "" }) {
      if (name === "numFmt") formats.set(numFmtId, formatCode);
      if (name === "cellXfs") isCells = true;
      if (name === "xf" && isCells) styles.push(dateStyleOf(Number(numFmtId), formats.get(numFmtId)));
    },
    close(name) {
      if (name === "cellXfs") isCells = false;
    },
  });
  return styles;
}

function dateStyleOf(id: number, format: string | undefined): DateStyle | null {
  if (format === undefined) {
    // Those that every program knows by number.
    if ((id >= 14 && id <= 17) || (id >= 27 && id <= 31) || (id >= 50 && id <= 58)) return "date";
    if ((id >= 18 && id <= 21) || (id >= 45 && id <= 47) || (id >= 32 && id <= 36)) return "time";
    return id === 22 ? "both" : null;
  }
  const pattern = format.replace(/"[^"]*"|\\.|\[[^\]]*\]|_./g, "").toLowerCase();
  const [hasDate, hasTime] = [/[yd]|mmm/.test(pattern), /[hs]/.test(pattern)];
  if (hasDate && hasTime) return "both";
  return hasDate ? "date" : hasTime ? "time" : null;
}

interface Styles {
  readonly shared: readonly string[];
  readonly dates: readonly (DateStyle | null)[];
  readonly since: number;
}

const COLUMNS_MAX = 1000;

function readRows(xml: string, styles: Styles): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = { column: 0, type: "", style: 0, value: "" };
  let isValue = false;
  walkXml(xml, {
    open(name, { r = "", t = "", s = "0" }) {
      if (name === "row") row = [];
      if (name === "c") cell = { column: columnOf(r) ?? row.length, type: t, style: Number(s), value: "" };
      if (name === "v" || name === "t") isValue = true;
    },
    text(text) {
      if (isValue) cell.value += text;
    },
    close(name) {
      if (name === "v" || name === "t") isValue = false;
      if (name === "c" && cell.column < COLUMNS_MAX && cell.value !== "") {
        while (row.length < cell.column) row.push("");
        row[cell.column] = shown(cell, styles);
      }
      if (name === "row" && row.length > 0) rows.push(row);
    },
  });
  return rows;
}

/** Its column from 0, out of a name such as `AB12`. */
function columnOf(name: string): number | null {
  const letters = /^[A-Z]{1,3}/.exec(name)?.[0];
  if (letters === undefined) return null;
  return [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
}

function shown({ type, style, value }: { type: string; style: number; value: string }, styles: Styles): string {
  if (type === "s") return styles.shared[Number(value)] ?? "";
  if (type === "b") return value === "1" ? "TRUE" : "FALSE";
  if (type !== "" && type !== "n") return value;
  const date = styles.dates[style];
  const number = Number(value);
  if (!date || !Number.isFinite(number))
    return Number.isFinite(number) ? String(Number(number.toPrecision(15))) : value;
  const iso = new Date(styles.since + Math.round(number * DAY_MS));
  if (Number.isNaN(iso.getTime())) return value;
  const [day = "", time = ""] = iso.toISOString().slice(0, 19).split("T");
  if (date === "date") return day;
  return date === "time" ? time : `${day} ${time}`;
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const columns = rows.reduce((most, row) => Math.max(most, row.length), 0);
  if (columns === 0) return "(empty)";
  const lines = rows.map((row) => {
    const cells = Array.from({ length: columns }, (_, at) => oneLine(row[at] ?? ""));
    return `| ${cells.join(" | ")} |`;
  });
  return lines.toSpliced(1, 0, `|${" --- |".repeat(columns)}`).join("\n");
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim().replaceAll("|", "\\|");
}
