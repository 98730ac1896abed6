/**
 * HTML to Markdown: of pages that a model fetches and of documents that people attach. Reads piece by piece, so that a page of
 * megabytes does not hold up the thread it is read on, and leaves out what people do not see.
 */

const SLICE = 4096; // Characters parsed before the event loop may turn: a few milliseconds for the worst of pages.

/**
 * The readable part of a page. Links are made absolute against `base`, and those that are no web or mail address become text. A page
 * that nests beyond any meaning is cut there. Rejects with the signal's reason when it aborts.
 *
 * @example
 * ```ts
 * const base = "https://example.org/docs/";
 * const text = await htmlToMarkdown('<h1>Hi</h1><a href="more">More</a>', base, signal);
 * ```
 */
export async function htmlToMarkdown(html: string, base: string, signal?: AbortSignal): Promise<string> {
  // Loaded when the first page is read.
  const { Parser } = await import("htmlparser2");
  const writing = createWriting(base);
  const parser = new Parser({
    onopentag: (name, attributes) => openTag(writing, name, attributes),
    ontext: (text) => addText(writing, text),
    onclosetag: (name) => closeTag(writing, name),
  });
  // A page of such a depth is made to be slow.
  for (let from = 0; from < html.length && writing.depth < DEPTH_MAX; from += SLICE) {
    parser.write(html.slice(from, from + SLICE));
    await new Promise(setImmediate);
    signal?.throwIfAborted();
  }
  parser.end();
  return toText(writing);
}

const DEPTH_MAX = 1000; // Elements in one another; the parser's cost grows with it, and pages have a hundred at most.
const PREFIXES_MAX = 10; // Lists and quotes in one another that still show.
const MAIN_MIN = 200; // Characters that make <main> worth leaving out what is around it.

/** What is known in the middle of a page. No step may cost more than what it adds, however odd the page. */
interface Writing {
  base: string;
  readonly blocks: string[];
  /** Pieces of the block that is open. */
  inline: string[];
  /** Of lists and quotes around it, one each. */
  readonly prefixes: string[];
  /** In the place of the last prefix, once. */
  marker: string | null;
  readonly lists: { next: number | null; items: number }[];
  readonly tables: Table[];
  pre: { readonly pieces: string[]; language: string } | null;
  link: { readonly href: string; start: number } | null;
  heading: number;
  title: string;
  main: { readonly from: number; to: number; readonly depth: number } | null;
  depth: number;
  /** Depth of the element that is left out with all in it, or 0. */
  dropped: number;
}

interface Table {
  readonly rows: string[][];
  isInCell: boolean;
  /** Whether the table holds another one, and so only lays the page out. */
  isLayout: boolean;
}

type Attributes = Readonly<Record<string, string | undefined>>;

function createWriting(base: string): Writing {
  const state = { marker: null, pre: null, link: null, heading: 0, title: "", main: null, depth: 0, dropped: 0 };
  return { base, blocks: [], inline: [], prefixes: [], lists: [], tables: [], ...state };
}

function toText(writing: Writing): string {
  flush(writing);
  const { blocks, main, title } = writing;
  const inMain = main ? blocks.slice(main.from, main.to).join("").trim() : "";
  const text = inMain.length >= MAIN_MIN ? inMain : blocks.join("").trim();
  const heading = oneLine(title);
  return heading === "" || text.startsWith(`# ${heading}`) ? text : `# ${heading}\n\n${text}`;
}

const DROPPED =
  /^(?:script|style|noscript|template|svg|math|canvas|nav|footer|aside|iframe|object|select|button|dialog|textarea)$/;
const BLOCKS =
  /^(?:p|div|section|article|main|header|body|hgroup|figure|figcaption|form|fieldset|details|summary|address|dl|dt|dd|caption|center)$/;

function openTag(writing: Writing, name: string, attributes: Attributes): void {
  writing.depth++;
  if (writing.dropped > 0) return;
  if (DROPPED.test(name) || isHidden(attributes)) writing.dropped = writing.depth;
  else if (BLOCKS.test(name)) flush(writing);
  if (name === "main" || attributes.role === "main") {
    writing.main ??= { from: writing.blocks.length, to: Number.POSITIVE_INFINITY, depth: writing.depth };
  }
  if (writing.dropped === 0) OPEN[name]?.(writing, attributes);
}

function closeTag(writing: Writing, name: string): void {
  if (writing.dropped === 0) {
    if (BLOCKS.test(name)) flush(writing);
    CLOSE[name]?.(writing);
  }
  if (writing.main?.depth === writing.depth) writing.main.to = Math.min(writing.main.to, writing.blocks.length);
  if (writing.dropped === writing.depth) writing.dropped = 0;
  writing.depth--;
}

/** Also what people do not see: it may be there to talk to the model alone. */
function isHidden({ hidden, role, style = "", "aria-hidden": ariaHidden }: Attributes): boolean {
  const isInvisible =
    hidden !== undefined || ariaHidden === "true" || /(?:display|visibility)\s*:\s*(?:none|hidden)/i.test(style);
  return isInvisible || role === "navigation";
}

const OPEN: Readonly<Record<string, (writing: Writing, attributes: Attributes) => void>> = {
  base: (writing, { href = "" }) => {
    writing.base = URL.parse(href, writing.base)?.href ?? writing.base;
  },
  title: (writing) => flush(writing),
  a: (writing, { href }) => {
    const target = absolute(writing, href);
    if (target !== null && !writing.pre) writing.link = { href: target, start: writing.inline.length };
  },
  img: (writing, { alt = "", src }) => {
    const target = absolute(writing, src);
    if (alt.trim() !== "") writing.inline.push(target === null ? alt : `![${oneLine(alt)}](${target})`);
  },
  br: ({ pre, inline }) => void (pre?.pieces ?? inline).push("\n"),
  hr: (writing) => {
    flush(writing);
    if (!isInCell(writing)) emit(writing, "---");
  },
  pre: (writing, { class: names = "" }) => {
    flush(writing);
    if (!isInCell(writing)) writing.pre = { pieces: [], language: languageOf(names) };
  },
  code: ({ pre, inline }, { class: names = "" }) => {
    if (pre) pre.language ||= languageOf(names);
    else inline.push("`");
  },
  blockquote: (writing) => {
    flush(writing);
    openPrefix(writing, "> ");
  },
  ul: (writing) => openList(writing, null),
  ol: (writing, { start = "1" }) => openList(writing, Number.parseInt(start, 10) || 1),
  li: (writing) => {
    flush(writing);
    const list = writing.lists.at(-1);
    if (list) list.items++;
    writing.marker = typeof list?.next === "number" ? `${list.next++}. ` : "- ";
    openPrefix(writing, " ".repeat(writing.marker.length));
  },
  table: (writing) => {
    const outer = writing.tables.at(-1);
    if (outer) layOut(writing, outer);
    flush(writing);
    writing.tables.push({ rows: [], isInCell: false, isLayout: false });
  },
  tr: ({ tables }) => void tables.at(-1)?.rows.push([]),
  td: openCell,
  th: openCell,
  ...Object.fromEntries(
    [1, 2, 3, 4, 5, 6].map((level) => [`h${level}`, (writing: Writing) => openHeading(writing, level)]),
  ),
};

const CLOSE: Readonly<Record<string, (writing: Writing) => void>> = {
  title: (writing) => {
    writing.title ||= takeInline(writing);
  },
  a: (writing) => {
    endLink(writing);
    writing.link = null;
  },
  pre: (writing) => {
    if (writing.pre) emit(writing, fenced(writing.pre.pieces.join("").replace(/^\n/, ""), writing.pre.language));
    writing.pre = null;
  },
  code: ({ pre, inline }) => {
    if (!pre) inline.push("`");
  },
  blockquote: closePrefix,
  li: closePrefix,
  ul: closeList,
  ol: closeList,
  td: closeCell,
  th: closeCell,
  table: (writing) => {
    flush(writing);
    const table = writing.tables.pop();
    if (table && !table.isLayout) for (const block of tableBlocks(table.rows)) emit(writing, block);
  },
  ...Object.fromEntries(
    [1, 2, 3, 4, 5, 6].map((level) => [`h${level}`, (writing: Writing) => openHeading(writing, 0)]),
  ),
};

function addText(writing: Writing, text: string): void {
  if (writing.dropped > 0) return;
  if (writing.pre) writing.pre.pieces.push(text);
  else writing.inline.push(text.replace(/[ \t\r\n\f\u00a0]+/g, " "));
}

/** Ends the block that is open, if anything is in it. */
function flush(writing: Writing): void {
  if (isInCell(writing)) {
    writing.inline.push(" ");
    return;
  }
  const text = takeInline(writing);
  if (text !== "") emit(writing, writing.heading > 0 ? `${"#".repeat(writing.heading)} ${oneLine(text)}` : text);
}

function takeInline(writing: Writing): string {
  endLink(writing);
  const text = writing.inline.join("").replace(/ {2,}/g, " ");
  writing.inline = [];
  if (writing.link) writing.link.start = 0;
  return text.replace(/ ?\n ?/g, "\n").trim();
}

function emit(writing: Writing, text: string): void {
  const { blocks, prefixes, marker, lists } = writing;
  const rest = prefixes.join("");
  const first = marker === null ? rest : prefixes.slice(0, -1).join("") + marker;
  const isTight = marker !== null && (lists.length > 1 || (lists.at(-1)?.items ?? 0) > 1);
  writing.marker = null;
  blocks.push(isTight ? "\n" : "\n\n", first + text.replaceAll("\n", `\n${rest}`));
}

/** A link around several blocks becomes one in each. */
function endLink({ link, inline }: Writing): void {
  if (!link) return;
  const label = inline.splice(link.start).join("");
  const text = label.trim();
  if (text === "") inline.push(label);
  else inline.push(/^\s/.test(label) ? " " : "", `[${text}](${link.href})`, /\s$/.test(label) ? " " : "");
  link.start = inline.length;
}

function absolute({ base }: Writing, address = "#"): string | null {
  const url = address.startsWith("#") ? null : URL.parse(address, base);
  return url && /^(?:https?|mailto):$/.test(url.protocol) ? url.href : null;
}

function openHeading(writing: Writing, level: number): void {
  flush(writing);
  writing.heading = level;
}

function openList(writing: Writing, next: number | null): void {
  flush(writing);
  writing.lists.push({ next, items: 0 });
}

function closeList(writing: Writing): void {
  flush(writing);
  writing.lists.pop();
}

function openPrefix({ prefixes }: Writing, prefix: string): void {
  prefixes.push(prefixes.length < PREFIXES_MAX ? prefix : "");
}

function closePrefix(writing: Writing): void {
  flush(writing);
  writing.prefixes.pop();
  writing.marker = null;
}

function isInCell({ tables }: Writing): boolean {
  return tables.at(-1)?.isInCell === true;
}

function openCell(writing: Writing): void {
  flush(writing);
  const table = writing.tables.at(-1);
  if (table && !table.isLayout) table.isInCell = true;
}

function closeCell(writing: Writing): void {
  const table = writing.tables.at(-1);
  if (table?.isInCell) {
    if (table.rows.length === 0) table.rows.push([]);
    table.rows.at(-1)?.push(oneLine(takeInline(writing)));
    table.isInCell = false;
  } else flush(writing);
}

/** What was taken for cells becomes blocks. */
function layOut(writing: Writing, table: Table): void {
  const open = writing.inline;
  writing.inline = [];
  Object.assign(table, { isInCell: false, isLayout: true });
  for (const row of table.rows.splice(0)) for (const cell of row) if (cell !== "") emit(writing, cell);
  writing.inline = open;
}

/** A table with one column is a list of blocks. */
function tableBlocks(rows: readonly (readonly string[])[]): string[] {
  const filled = rows.filter((row) => row.some((cell) => cell !== ""));
  const columns = filled.reduce((most, row) => Math.max(most, row.length), 0);
  if (columns < 2) return filled.map(([cell = ""]) => cell);
  const lines = filled.map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);
  return [lines.toSpliced(1, 0, `|${" --- |".repeat(Math.min(columns, filled[0]?.length ?? 0))}`).join("\n")];
}

/** As a block of code, however many backticks are in it. */
export function fenced(text: string, language: string): string {
  const longest = text.matchAll(/`{3,}/g).reduce((most, [run]) => Math.max(most, run.length), 2);
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text.trimEnd()}\n${fence}`;
}

function languageOf(names: string): string {
  return /(?:^|\s)lang(?:uage)?-([\w+#-]+)/.exec(names)?.[1] ?? "";
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
