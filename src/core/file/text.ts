/**
 * What can be read of a file. Text is decided by the bytes and read here; everything else by a process of its own (src/documents/), which
 * ends with its document: the time and memory that a stranger's file takes are its own. A process and not a Worker, because of a
 * Worker's memory nobody can tell how much it has. What was read is kept by content, in the store.
 */

import { setPriority } from "node:os";
import { join } from "node:path";
import { imageTypeOf } from "../../basics/image";
import { share } from "../../basics/once";
import { createLanes } from "../../basics/queues";
import { addIfAbsent } from "../../basics/records";
import type { Reading } from "../../documents";
import { MARK_BYTES, PDF_MARK, startsWith } from "../../documents/document";
import type { Core, FileInfo, FileText, Json, JsonObject, StoreRecord } from "../../protocols";
import { stepsOf } from "./bytes";

const TEXTS = "file_texts";
const READER = 1; // Goes up when the readers learn something: what was read before is read again.
const RETRY_MS = 60 * 60_000; // What took too long on a busy machine is tried again after that.
const LANES = 2; // Documents at a time, and one of each user: a folder full of documents of one holds nobody else up.

export interface FileTexts {
  /** Throws only when the store or the upload folder fails. */
  read(username: string, file: FileInfo, data: Blob): Promise<FileText>;
  /** Forgets what was read of content that nobody has any more. */
  forget(sha256: string): Promise<void>;
}

export async function createFileTexts(core: Core): Promise<FileTexts> {
  await core.store.createStoreIfNotExists(TEXTS, {
    report: "json",
    reader: "int",
    read: "str",
    text: "json_collection",
  });
  const lanes = createLanes(LANES);
  /** Readings under way, by content. */
  const reading = new Map<string, Promise<FileText>>();

  const readAnew = async (username: string, file: FileInfo, data: Blob): Promise<FileText> => {
    const found = await lanes.run(username, () => readBeside(core, data, file.name));
    const read = await toFileText(found);
    await keep(core, file.sha256, read);
    return read;
  };

  return {
    async read(username, file, data) {
      const head = new Uint8Array(await data.slice(0, MARK_BYTES).arrayBuffer());
      if (imageTypeOf(head)) return { kind: "image", text: "", tokens: 0 };
      const plain = isDocument(file.name, head) ? null : await readUtf8(data);
      if (plain) return plain;
      return share(
        reading,
        file.sha256,
        async () => (await kept(core, file.sha256)) ?? (await readAnew(username, file, data)),
      );
    },

    async forget(sha256) {
      await core.store.delete(null, TEXTS, sha256);
    },
  };
}

/** Text that is more than text. A PDF may be: all of it can be written in ASCII. */
function isDocument(name: string, head: Uint8Array): boolean {
  return startsWith(head, PDF_MARK) || /\.(?:ipynb|eml|x?html?)$/i.test(name);
}

const TEXT_MAX_BYTES = 8 * 1024 * 1024; // More than any model takes; what follows is not looked at.

/** Null when the bytes are not UTF-8, or hold a NUL, which text has not. */
async function readUtf8(data: Blob): Promise<FileText | null> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const pieces: string[] = [];
  const end = Math.min(data.size, TEXT_MAX_BYTES);
  try {
    for await (const bytes of stepsOf(data.slice(0, end))) {
      const piece = decoder.decode(bytes, { stream: true });
      if (piece.includes("\0")) return null;
      pieces.push(piece);
    }
    // The cut may be inside of a character.
    if (end === data.size) pieces.push(decoder.decode());
  } catch {
    return null;
  }
  const isCut = end < data.size;
  return { kind: "text", text: pieces.join(""), tokens: await tokensOf(pieces), ...(isCut ? { isCut } : {}) };
}

const CHARACTERS_PER_TOKEN = 4; // Of texts in alphabets, about; scripts without one have a token for nearly each.

async function tokensOf(pieces: readonly string[]): Promise<number> {
  let [letters, signs] = [0, 0];
  for (const piece of pieces) {
    const found = piece.match(/[\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef]/g)?.length ?? 0;
    signs += found;
    letters += piece.length - found;
    await new Promise(setImmediate);
  }
  return Math.ceil(letters / CHARACTERS_PER_TOKEN + signs);
}

const PIECE_CHARACTERS = 100_000; // Written and read in about a millisecond each.

function toPieces(text: string): string[] {
  return Array.from({ length: Math.ceil(text.length / PIECE_CHARACTERS) }, (_, at) =>
    text.slice(at * PIECE_CHARACTERS, (at + 1) * PIECE_CHARACTERS),
  );
}

async function toFileText(found: Reading): Promise<FileText> {
  if ("fault" in found) return { kind: "document", text: "", tokens: 0, fault: found.fault };
  const { isCut, ...document } = found;
  return { ...document, tokens: await tokensOf(toPieces(found.text)), ...(isCut ? { isCut } : {}) };
}

async function kept(core: Core, sha256: string): Promise<FileText | null> {
  const record = await core.store.get(null, TEXTS, sha256);
  if (!record || !isCurrent(record)) return null;
  const pieces: Json[] = [];
  for (;;) {
    const [piece] = await core.store.collectionGet(null, TEXTS, sha256, "text", { from: pieces.length, limit: 1 });
    if (piece === undefined) return { ...(record.report as unknown as Omit<FileText, "text">), text: pieces.join("") };
    pieces.push(piece);
  }
}

/** A record gets its report last: one without was left by a crash. */
function isCurrent({ report, reader, read }: StoreRecord): boolean {
  if (report === null || reader !== READER) return false;
  const isTooSlow = (report as JsonObject).fault === "tooSlow";
  return !isTooSlow || Date.now() - Date.parse(String(read)) < RETRY_MS;
}

async function keep(core: Core, sha256: string, { text, ...report }: FileText): Promise<void> {
  await core.store.delete(null, TEXTS, sha256);
  const fields = { reader: READER, read: new Date().toISOString() };
  // Another process may have read the same content meanwhile, and is keeping it.
  if (!(await addIfAbsent(core.store, null, TEXTS, fields, sha256))) return;
  for (const piece of toPieces(text)) await core.store.collectionAppend(null, TEXTS, sha256, "text", [piece]);
  await core.store.update(null, TEXTS, sha256, { report: report as unknown as JsonObject });
}

interface Bounds {
  readonly timeMs: number;
  readonly memoryBytes: number;
}

const BOUNDS: Bounds = { timeMs: 60_000, memoryBytes: 512 * 1024 * 1024 };
const LOOK_MS = 50; // Memory that grows by a gigabyte a second is seen before it hurts.
const ANSWER_MAX_BYTES = 32 * 1024 * 1024;
const NICENESS = 10; // Streams go first.

const COMMAND = Bun.isStandaloneExecutable
  ? [process.execPath]
  : [process.execPath, join(import.meta.dir, "../../main.ts")];

/** What is in the document, as a process of its own reads it, with bounds that nothing in it can lift. Never rejects. */
export async function readBeside(core: Core, data: Blob, name: string, bounds = BOUNDS): Promise<Reading> {
  const child = Bun.spawn([...COMMAND, "read-document", name], {
    // Nothing of the server's: no key, no folder with a file of settings.
    env: {},
    cwd: "/",
    stdin: data,
    stdout: "pipe",
    stderr: "ignore",
    maxBuffer: ANSWER_MAX_BYTES,
    timeout: bounds.timeMs,
    killSignal: "SIGKILL",
  });
  const begun = performance.now();
  let isTooLarge = false;
  makeNice(child.pid);
  const watch = setInterval(async () => {
    if ((await memoryOf(child.pid)) <= bounds.memoryBytes) return;
    isTooLarge = true;
    child.kill("SIGKILL");
  }, LOOK_MS);
  const stop = () => child.kill("SIGKILL");
  process.once("exit", stop);
  try {
    const [answer] = await Promise.all([child.stdout.text(), child.exited]);
    if (child.exitCode === 0) return JSON.parse(answer) as Reading;
    if (isTooLarge) return { fault: "tooLarge" };
    if (performance.now() - begun >= bounds.timeMs) return { fault: "tooSlow" };
    core.log.warn("The reader of a document ended before it had an answer", {
      code: child.exitCode,
      signal: child.signalCode,
    });
    return { fault: "broken" };
  } finally {
    clearInterval(watch);
    process.off("exit", stop);
  }
}

function makeNice(pid: number): void {
  try {
    setPriority(pid, NICENESS);
  } catch {
    // The process has ended already.
  }
}

/** Bytes in memory; 0 once it has ended. */
async function memoryOf(pid: number): Promise<number> {
  if (process.platform !== "linux") return Number(await Bun.$`ps -o rss= -p ${pid}`.nothrow().quiet().text()) * 1024;
  const status = await Bun.file(`/proc/${pid}/status`)
    .text()
    .catch(() => "");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}
