/**
 * The `users` command: adds, changes, removes, lists and checks the accounts of a users file, and makes the secret that
 * signs sessions. Works on the file, so that a running server takes a change up by itself, and for what a removed user leaves
 * behind on the store.
 */

import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { AppError, codeOf, isAppError, messageOf } from "./basics/errors";
import { PASSWORD_MIN } from "./basics/limits";
import {
  type Accounts,
  compileMask,
  isRole,
  normaliseName,
  parseAccounts,
  problemWithName,
} from "./core/auth/accounts";
import { countRecords, giveData, giveKept, type KeptData, keepData, listKept } from "./core/auth/kept-data";
import { hashPassword, requireGoodPassword } from "./core/auth/passwords";
import { createSecretFile, createTokens, readSecret } from "./core/auth/tokens";
import { type AccountChange, editUsersFile, hasEntry, readUsersFile } from "./core/auth/users-file";
import { requireDataFolder } from "./core/data-folder";
import type { Config, Log, StoreProtocol } from "./protocols";

export interface UsersIo {
  /** Names the file without -f, and what signs tokens. */
  readonly config: Config;
  readonly log: Log;
  /** Whether a person types, and sees nothing of a secret. */
  readonly isTerminal: boolean;
  out(line: string): void;
  error(line: string): void;
  /** A line typed without echo after the prompt, or the next line of standard input; null at its end. */
  readSecret(prompt: string): Promise<string | null>;
  /** The store of the configuration, whichever plugin provides it. */
  openStore(): Promise<OpenedStore>;
}

export interface OpenedStore {
  readonly store: StoreProtocol;
  close(): Promise<void>;
}

const USAGE = `Usage: users [-f FILE] [ACTION]

Adds a user, or changes the given parts of one:
  -u, --username NAME    1 to 64 characters; --user means the same
  -p, --password TEXT    8 characters or more, of fewer the command warns. Everybody on this machine
                         can see it while the command runs: leave it out (or give -) to be asked,
                         or to pipe it in
  -r, --role ROLE        admin or user (default for a new one: user)
  -m, --model-mask MASK  regular expression that the whole model id must match; "" = every model;
                         --mask means the same

Other actions:
      --list             names, roles and masks
      --delete NAME      removes a user. Their chats and files are kept under a name that nobody can
                         have; with --give-to OTHER they are given to that user
      --kept             lists what is kept of users who were removed
      --give-to NAME     gives to a user what is kept, as --from says; see --kept
      --token NAME       prints a token for a program of the user, good for --days N (default 365)
      --validate         names every entry that is wrong; exit code 1 when there is one
      --generate-jwt F   writes a new secret for JWT_SECRET_FILE to F; --force replaces one, which
                         signs everybody out at the next start

  -f, --file FILE        default: the users file of the configuration
  -h, --help             this text`;

const OPTIONS = {
  file: { type: "string", short: "f" },
  user: { type: "string", short: "u" },
  password: { type: "string", short: "p" },
  role: { type: "string", short: "r" },
  mask: { type: "string", short: "m" },
  list: { type: "boolean" },
  delete: { type: "string" },
  kept: { type: "boolean" },
  "give-to": { type: "string" },
  from: { type: "string" },
  token: { type: "string" },
  days: { type: "string" },
  validate: { type: "boolean" },
  "generate-jwt": { type: "string" },
  force: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  username: { type: "string" },
  "model-mask": { type: "string" },
} as const;

/** Other words for an option. */
const SYNONYMS = { username: "user", "model-mask": "mask" } as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

/** The exit code: 0 = done, 1 = could not be done, 2 = the command was not understood. Prints why. Never rejects. */
export async function runUsers(args: string[], io: UsersIo): Promise<number> {
  let values: Values;
  try {
    values = withoutSynonyms(parseArgs({ args, options: OPTIONS, strict: true }).values);
  } catch (error) {
    io.error(messageOf(error));
    io.error("Try --help.");
    return 2;
  }
  try {
    return await runAction(values, io);
  } catch (error) {
    io.error(isAppError(error) ? error.message : `Failed: ${whyFailed(error, io.config)}`);
    return 1;
  }
}

/** Throws an Error when an option is given by both of its names. */
function withoutSynonyms(values: Values): Values {
  const plain: Record<string, unknown> = { ...values };
  for (const [name, option] of Object.entries(SYNONYMS)) {
    if (!Object.hasOwn(plain, name)) continue;
    if (Object.hasOwn(plain, option)) throw new Error(`--${option} and --${name} mean the same; give one of them.`);
    plain[option] = plain[name];
    delete plain[name];
  }
  return plain;
}

/** A folder that is locked is said as that, and not as the file in it that could not be written. */
function whyFailed(error: unknown, config: Config): string {
  if (!/^E(ACCES|PERM|ROFS|EXIST|NOTDIR|LOOP)$/.test(codeOf(error))) return messageOf(error);
  try {
    requireDataFolder(config);
    return messageOf(error);
  } catch (locked) {
    return messageOf(locked);
  }
}

/** An action of the command as it was given. */
interface UsersCall {
  readonly file: string;
  /** What stands behind the action: a name, or a file. */
  readonly given: string;
  readonly values: Values;
  readonly io: UsersIo;
}

/** Each gives the exit code; nothing = 0. */
const ACTIONS: { readonly [name: string]: (call: UsersCall) => Promise<number | undefined> } = {
  list: listUsers,
  delete: deleteUser,
  kept: ({ io }) => withStore(io, (store) => tellKept(store, io)),
  "give-to": giveFrom,
  token: makeToken,
  validate: validateFile,
  "generate-jwt": generateSecret,
  user: setUser,
};
const ONLY_WITH: Record<string, string> = {
  password: "user",
  role: "user",
  mask: "user",
  days: "token",
  from: "give-to",
};

async function runAction(values: Values, io: UsersIo): Promise<number> {
  const given = Object.keys(ACTIONS).filter((name) => Object.hasOwn(values, name));
  const actions = given.includes("delete") ? given.filter((name) => name !== "give-to") : given;
  const [action = ""] = actions;
  const misplaced = Object.keys(values).filter((name) => name in ONLY_WITH && ONLY_WITH[name] !== action);
  if (values.help) {
    io.out(USAGE);
    return 0;
  }
  if (actions.length > 1) return misunderstood(io, `--${actions.join(" and --")} do not go together.`);
  if (misplaced.length > 0)
    return misunderstood(
      io,
      `--${misplaced.join(" and --")} only make sense with --${ONLY_WITH[misplaced[0] ?? ""]} NAME.`,
    );
  const run = ACTIONS[action];
  if (!run) return misunderstood(io, USAGE);
  const file = resolve(values.file ?? io.config.usersFile);
  return (await run({ file, given: String(values[action as keyof Values]), values, io })) ?? 0;
}

function misunderstood(io: UsersIo, message: string): number {
  io.error(message);
  return 2;
}

async function listUsers({ file, io }: UsersCall): Promise<undefined> {
  const accounts = await readAccounts(file);
  const users = [...accounts.byName.values()].map(({ user }) => user);
  const width = Math.max(0, ...users.map(({ username }) => username.length));
  for (const { username, role, modelMask } of users) {
    io.out(`${username.padEnd(width)}  ${role.padEnd(5)}  ${modelMask ?? "every model"}`);
  }
  for (const problem of accounts.problems) io.error(problem);
}

async function validateFile({ file, io }: UsersCall): Promise<number> {
  const { byName, problems } = await readAccounts(file);
  for (const problem of problems) io.out(problem);
  if (problems.length === 0) io.out(`${file}: ${byName.size} ${byName.size === 1 ? "user" : "users"}, all good.`);
  return problems.length === 0 ? 0 : 1;
}

async function readAccounts(file: string): Promise<Accounts> {
  const content = await readUsersFile(file);
  if (content === undefined) throw new AppError("notFound", `${file} does not exist.`);
  return parseAccounts(content);
}

/**
 * Also for a user whose entry was taken out by hand. The entry goes first, and what the user has when a server knows of that: so
 * nothing comes after it.
 */
async function deleteUser({ file, given, values, io }: UsersCall): Promise<undefined> {
  const name = normaliseName(given);
  const receiver = values["give-to"] === undefined ? null : normaliseName(values["give-to"]);
  if (receiver !== null) await requireUser(file, receiver, name);
  if (file !== io.config.usersFile || io.config.mode === "ephemeral") {
    await removeEntry(file, name, io);
    io.out("What they have was left alone: this is not the users file of the configuration.");
    return;
  }
  await withStore(io, async (store) => {
    const records = await countRecords(store, name);
    if (records > 0 && !store.give) {
      throw new AppError(
        "invalid",
        `Nothing was changed: the store in use cannot keep the data of ${name} under another name.`,
      );
    }
    const isThere = hasEntry(await readUsersFile(file), name);
    if (isThere || records === 0) await removeEntry(file, name, io);
    if (isThere && records > 0) await Bun.sleep(NOTICED_MS);
    if (receiver === null) tellWhatIsKept(name, await keepData(store, name), io);
    else {
      await giveData(store, name, receiver);
      io.out(`What ${name} had is ${receiver}'s now.`);
    }
  });
}

const NOTICED_MS = 1000; // Until then a server that runs lets nobody in any more.

async function removeEntry(file: string, name: string, io: UsersIo): Promise<void> {
  const left = await editUsersFile(file, (editor) => {
    if (!editor.has(name)) throw new AppError("notFound", `There is no user ${JSON.stringify(name)} in ${file}.`);
    editor.remove(name);
    return parseAccounts(editor.content).entries - 1;
  });
  io.out(`Removed ${name}.`);
  if (left === 0) io.out("Nobody is left: at its next start the server offers to set up an administrator.");
}

function tellWhatIsKept(name: string, kept: KeptData | null, io: UsersIo): void {
  if (!kept) {
    io.out(`${name} had no chats.`);
    return;
  }
  io.out(`${chatsOf(kept)} of ${name} and all else they had are kept as ${kept.label}, a name that nobody can have.`);
  io.out(`To give them to somebody: users --give-to NAME --from ${JSON.stringify(kept.label)}`);
}

async function tellKept(store: StoreProtocol, io: UsersIo): Promise<void> {
  const all = await listKept(store);
  const width = Math.max(0, ...all.map(({ label }) => label.length));
  for (const kept of all) io.out(`${kept.label.padEnd(width)}  ${kept.removed}  ${chatsOf(kept)}`);
  if (all.length === 0) io.out("Nothing is kept of users who were removed.");
}

async function giveFrom({ file, given, values: { from: label }, io }: UsersCall): Promise<number | undefined> {
  const receiver = normaliseName(given);
  if (label === undefined) return misunderstood(io, "--give-to needs --from; see --kept.");
  await requireUser(file, receiver, label);
  await withStore(io, async (store) => {
    const kept = (await listKept(store)).find((it) => it.label === label);
    if (!kept) throw new AppError("notFound", `Nothing is kept as ${JSON.stringify(label)}. See --kept.`);
    await giveKept(store, kept, receiver);
    io.out(`${chatsOf(kept)} of ${label} and all else that was kept are ${receiver}'s now.`);
  });
}

function chatsOf({ chats }: KeptData): string {
  return `${chats} ${chats === 1 ? "chat" : "chats"}`;
}

async function requireUser(file: string, name: string, giver: string): Promise<void> {
  if (name === giver || !(await readAccounts(file)).byName.has(name))
    throw new AppError("notFound", `There is no other user ${JSON.stringify(name)} in ${file}.`);
}

async function withStore(io: UsersIo, work: (store: StoreProtocol) => Promise<void>): Promise<undefined> {
  const { store, close } = await io.openStore();
  try {
    await work(store);
  } finally {
    await close();
  }
}

const DAYS = 365; // Unless it is said.
const DAYS_MAX = 3650;
const HOURS = 24;

/**
 * A token for a program is a session that lasts longer. It is in no list; it ends with its time, with the user's password, with
 * the user, and when it is signed out.
 */
async function makeToken({ file, given, values: { days = String(DAYS) }, io }: UsersCall): Promise<undefined> {
  const count = /^\d+$/.test(days) ? Number(days) : 0;
  if (count < 1 || count > DAYS_MAX) throw new AppError("invalid", `--days must be 1 to ${DAYS_MAX}.`);
  const account = (await readAccounts(file)).byName.get(normaliseName(given));
  if (!account) throw new AppError("notFound", `There is no user ${JSON.stringify(given)}.`);
  io.out(await createTokens(readSecret(io.config, io.log), count * HOURS).sign(account, Date.now()));
}

async function generateSecret({ given, values: { force }, io }: UsersCall): Promise<undefined> {
  const path = resolve(given);
  if (force) await rm(path, { force: true });
  if (!createSecretFile(path)) {
    throw new AppError("conflict", `${path} exists already. --force replaces it and signs everybody out.`);
  }
  io.out(`Wrote a new secret to ${path}; only its owner can read it.`);
}

async function setUser({ file, given, values: { password, role, mask }, io }: UsersCall): Promise<undefined> {
  const name = normaliseName(given);
  const problem = problemWithName(name) ?? problemWithOptions(role, mask);
  if (problem !== null) throw new AppError("invalid", problem);
  const isThere = hasEntry(await readUsersFile(file), name);
  // Giving nothing but the name of somebody who is there can only mean the password.
  const isAsked =
    password === "-" || (password === undefined && (!isThere || (role === undefined && mask === undefined)));
  const newPassword = isAsked ? await askPassword(name, io) : password;
  if (newPassword !== undefined) warnOfPassword(newPassword, io);
  const change: AccountChange = {
    ...(newPassword !== undefined && { passwordHash: await hashPassword(newPassword, MIN_CHARACTERS) }),
    ...(isRole(role) ? { role } : !isThere && { role: "user" }),
    ...(mask !== undefined && { modelMask: mask }),
  };
  await editUsersFile(file, (editor) => editor.set(name, change));
  io.out(`${isThere ? "Changed" : "Added"} ${name} in ${file}.`);
  const { problems } = await readAccounts(file);
  for (const left of problems.filter((text) => text.startsWith(`${JSON.stringify(name)}:`))) io.error(left);
}

const MIN_CHARACTERS = 1; // Whoever has the shell decides: short ones that people have elsewhere can be brought along.

function warnOfPassword(password: string, io: UsersIo): void {
  if ([...password].length >= PASSWORD_MIN) return;
  io.error(
    `Warning: the password has fewer than ${PASSWORD_MIN} characters and is easily guessed. It is taken, because you say so.`,
  );
}

async function askPassword(name: string, io: UsersIo): Promise<string> {
  const password = await io.readSecret(`Password for ${name}: `);
  if (password === null) throw new AppError("invalid", "No password was given. Use -p, or pipe one in.");
  requireGoodPassword(password, MIN_CHARACTERS);
  // A password that is typed unseen is easily mistyped.
  if (io.isTerminal && (await io.readSecret("Once more: ")) !== password) {
    throw new AppError("invalid", "The two passwords differ. Nothing was changed.");
  }
  return password;
}

/** What is wrong with the role and the mask; null = nothing. */
function problemWithOptions(role: string | undefined, mask: string | undefined): string | null {
  if (role !== undefined && !isRole(role)) return `--role must be admin or user, not ${JSON.stringify(role)}.`;
  const compiled = compileMask(mask ?? "");
  return typeof compiled === "string" ? `--model-mask: ${compiled}` : null;
}
