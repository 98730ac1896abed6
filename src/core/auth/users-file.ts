/**
 * Changes `users.yaml` and keeps a person's comments and order. One change at a time, also between processes (a lock
 * file), and written beside and renamed, so that a reader sees the old file or the new one. Import it when needed: reading
 * the yaml package costs more than starting the server.
 */

import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type Document, isMap, parseDocument, type YAMLMap } from "yaml";
import { AppError, codeOf } from "../../basics/errors";
import { ifMissing, writeDurably } from "../../basics/files";
import type { UserRole } from "../../protocols";
import { isWrapped, normaliseName, rawAccounts } from "./accounts";

export interface AccountChange {
  readonly passwordHash?: string;
  readonly role?: UserRole;
  /** Null = every model. */
  readonly modelMask?: string | null;
}

export interface UsersEditor {
  /** What the file says now, as Bun.YAML gives it; null when it is missing or empty. */
  readonly content: unknown;
  has(username: string): boolean;
  /** Adds the user, or changes the given parts. */
  set(username: string, change: AccountChange): void;
  remove(username: string): void;
}

const HEADER = " Who may sign in. Edit it by hand or with the users command; changes take effect within a second.";
const LOCK_RETRY_MS = 20;
const LOCK_STALE_MS = 10_000; // A change takes milliseconds: whoever made such an old lock has died.

/** Runs `edit` and writes what it changed. Writes nothing when it throws. Throws AppError("invalid") for a broken file. */
export async function editUsersFile<Result>(path: string, edit: (editor: UsersEditor) => Result): Promise<Result> {
  await mkdir(dirname(path), { recursive: true });
  // The file behind a symbolic link is changed, not the link replaced.
  const target = await realpath(path).catch(() => path);
  return withLock(`${target}.lock`, async () => {
    const text = await readFile(target, "utf8").catch(ifMissing(""));
    const document = parse(path, text);
    const before = document.toString(AS_WRITTEN);
    const result = edit(editorOf(document, text));
    const after = document.toString(AS_WRITTEN);
    if (after !== before) await replaceFile(target, after);
    return result;
  });
}

/** What the file says; null when it is empty, undefined when it is missing. Throws AppError("invalid") for broken YAML. */
export async function readUsersFile(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch(ifMissing(undefined));
  if (text === undefined) return undefined;
  parse(path, text);
  return contentOf(text);
}

/** Whether there is an entry of that name, good or bad. */
export function hasEntry(content: unknown, username: string): boolean {
  return Object.keys(rawAccounts(content)).some((key) => normaliseName(key) === username);
}

const AS_WRITTEN = { lineWidth: 0 }; // Folding would break a hash over two lines.

function parse(path: string, text: string): Document {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (!error) return document;
  const line = error.linePos?.[0].line;
  // Its message quotes the line, which may hold a hash.
  throw new AppError("invalid", `${path} is not valid YAML${line ? ` (line ${line})` : ""}. Mend it first.`);
}

function contentOf(text: string): unknown {
  return text.trim() === "" ? null : Bun.YAML.parse(text);
}

function editorOf(document: Document, text: string): UsersEditor {
  const content = contentOf(text);
  return {
    content,
    has: (username) => hasEntry(content, username),
    set(username, change) {
      const accounts = accountsOf(document);
      const key = findKey(accounts, username) ?? username;
      if (!accounts.has(key)) accounts.set(key, document.createNode({}));
      const entry = accounts.get(key);
      if (!isMap(entry)) throw new AppError("invalid", `The entry of ${username} is not a map. Mend it by hand first.`);
      applyChange(entry, change);
    },
    remove(username) {
      const accounts = accountsOf(document);
      accounts.delete(findKey(accounts, username));
    },
  };
}

/** The map of users in the document, made when there is none. */
function accountsOf(document: Document): YAMLMap {
  if (document.contents === null) {
    document.commentBefore ??= HEADER;
    document.contents = document.createNode({ users: {} });
  }
  const top = document.contents;
  if (!isMap(top)) throw new AppError("invalid", "The users file must be a map of user names. Mend it first.");
  if (!isWrapped(document.toJS())) return top;
  if (!isMap(top.get("users"))) top.set("users", document.createNode({}));
  const users = top.get("users");
  if (!isMap(users)) throw new AppError("invalid", '"users" must be a map of user names. Mend it first.');
  // An empty map is written {}; what is added to it should stand on lines of its own.
  if (users.items.length === 0) users.flow = false;
  return users;
}

function applyChange(entry: YAMLMap, { passwordHash, role, modelMask }: AccountChange): void {
  if (entry.items.length === 0) entry.flow = false;
  if (passwordHash !== undefined) {
    const spelling = ["password_hash", "password", "hash"].find((key) => entry.has(key)) ?? "password_hash";
    entry.set(spelling, passwordHash);
  }
  if (role !== undefined) entry.set("role", role);
  if (modelMask === null || modelMask === "") entry.delete("model_mask");
  else if (modelMask !== undefined) entry.set("model_mask", modelMask);
}

/** The key as the file has it, which may be a number or spelled with other code points. */
function findKey(accounts: YAMLMap, username: string): unknown {
  return accounts.items.find(({ key }) => normaliseName(String(key)) === username)?.key;
}

async function replaceFile(path: string, text: string): Promise<void> {
  const old = await stat(path).catch(ifMissing(null));
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeDurably(temporary, text);
    if (old) {
      await chmod(temporary, old.mode & 0o777);
      // An administrator's edit must not take the file away from the server's user; not everybody may give files away.
      await chown(temporary, old.uid, old.gid).catch(() => undefined);
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    // A single file that is mounted into a container cannot be renamed over.
    if (codeOf(error) !== "EBUSY") throw error;
    await writeFile(path, text);
  }
}

async function withLock<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  while (!(await tryLock(path))) await Bun.sleep(LOCK_RETRY_MS);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    await (await open(path, "wx", 0o600)).close();
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  const lock = await stat(path).catch(ifMissing(null));
  if (lock && Date.now() - lock.mtimeMs > LOCK_STALE_MS) await rm(path, { force: true });
  return false;
}
