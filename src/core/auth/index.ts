/**
 * The default of `auth`: accounts in `users.yaml`, sessions as JWT. Everything about an account is read from the file as it
 * is now, so that a change of role, mask or password counts for sessions that are already open. In ephemeral mode there
 * is one account, `default` with password `default`, and no file.
 */

import { MODEL_NAME_MAX } from "../../basics/allowed";
import { AppError } from "../../basics/errors";
import { onceDone } from "../../basics/once";
import { remembered } from "../../basics/recent";
import type { AuthProtocol, AuthSetup, Core, Log, User } from "../../protocols";
import { createYamlFile, type YamlFile } from "../yaml-file";
import {
  type Account,
  type Accounts,
  compileMask,
  NO_ACCOUNTS,
  normaliseName,
  parseAccounts,
  problemWithName,
} from "./accounts";
import { hashPassword, requireGoodPassword, verifyPassword } from "./passwords";
import { type Claims, createTokens, openEndedTokens, readSecret } from "./tokens";

const MAX_MASKS = 1000; // More than any server has; only so that a plugin with a mask per request cannot fill the memory.

/** Throws when there is no secret to sign sessions with; makes the secret's file at the first start. */
export function createAuth(core: Core): AuthProtocol {
  const { config, log } = core;
  const tokens = createTokens(readSecret(config, log), config.tokenTtlHours);
  const compiled = remembered(MAX_MASKS, compileMask);
  const isAllowed = (mask: string, model: string): boolean => {
    const test = compiled(mask);
    // A mask that is no regular expression matches nothing.
    return typeof test !== "string" && test.test(model);
  };
  const source = config.mode === "ephemeral" ? ephemeralAccounts() : accountsOnFile(config.usersFile, log);

  // Opened at the first need, when the store and the bus are there.
  const ended = onceDone(() =>
    openEndedTokens(core).catch((cause: unknown) => {
      throw new AppError("unavailable", "Sessions cannot be looked at. See the log of the server.", { cause });
    }),
  );

  const requireAccount = (username: string): Account => {
    const account = source.find(username);
    if (!account) throw new AppError("unauthenticated", "This account does not exist any more.");
    return account;
  };
  /** The account of a token that is good, and what the token says. */
  const open = async (token: string): Promise<{ account: Account; claims: Claims } | null> => {
    const claims = await tokens.read(token);
    // An account that another process has just made is in the file, and may not have been read here.
    const account = claims && (source.find(claims.username) ?? source.findNow(claims.username));
    if (!claims || !account || !tokens.isMadeUnder(account, claims)) return null;
    return (await ended()).has(claims) ? null : { account, claims };
  };

  const auth: AuthProtocol = {
    authenticate: source.authenticate,
    async createToken({ username }) {
      const account = requireAccount(username);
      return tokens.sign(account, (await ended()).madeMs(account.user.username));
    },
    async verifyToken(token) {
      return (await open(token))?.account.user ?? null;
    },
    async endToken(token) {
      const opened = await open(token);
      if (opened) await (await ended()).end(opened.claims);
    },
    async endTokens(username) {
      await (await ended()).endAll(normaliseName(username));
    },
    installation: tokens.installation,
    browsers: {
      async mark({ username }) {
        return tokens.mark(requireAccount(username));
      },
      async isMarked(username, mark) {
        const account = source.find(normaliseName(username));
        // Of nobody too, so that its time does not tell who has an account.
        return tokens.isMark(account ?? NOBODY, mark) && account !== undefined;
      },
    },
    async find(username) {
      // A user who is not found may be let in as a new one, without the mask that the file has for them.
      if (!source.isReadable())
        throw new AppError("unavailable", "The accounts cannot be read. See the log of the server.");
      return source.find(normaliseName(username))?.user ?? null;
    },
    async requestAllowed({ modelMask }, model) {
      return modelMask === undefined || (model.length <= MODEL_NAME_MAX && isAllowed(modelMask, model));
    },
  };
  return source.setup ? { ...auth, setup: source.setup } : auth;
}

const NOBODY: Account = { user: { username: "", role: "user" }, passwordHash: "" };

interface AccountSource {
  /** False while there may be accounts and none could ever be read. */
  isReadable(): boolean;
  find(username: string): Account | undefined;
  /** Also one that was made a moment ago. */
  findNow(username: string): Account | undefined;
  authenticate(username: string, password: string): Promise<User | null>;
  readonly setup?: AuthSetup;
}

function ephemeralAccounts(): AccountSource {
  const account: Account = { user: Object.freeze({ username: "default", role: "admin" }), passwordHash: "" };
  return {
    isReadable: () => true,
    find: (username) => (username === "default" ? account : undefined),
    findNow: () => undefined,
    // Nothing to keep secret: name and password are printed in the manual.
    async authenticate(username, password) {
      return username === "default" && password === "default" ? account.user : null;
    },
  };
}

function accountsOnFile(path: string, log: Log): AccountSource {
  const file = createYamlFile({ path, missing: NO_ACCOUNTS, log, parse: (content) => parseAndWarn(content, log) });
  return {
    isReadable: () => file.problem() === null || file.get().entries > 0,
    find: (username) => file.get().byName.get(username),
    findNow: (username) => file.refresh().byName.get(username),
    async authenticate(username, password) {
      const accounts = file.get();
      const account = accounts.byName.get(normaliseName(username));
      const isRight = await verifyPassword(password, account?.passwordHash ?? accounts.decoy);
      return isRight && account ? account.user : null;
    },
    setup: createSetup(path, file),
  };
}

function parseAndWarn(content: unknown, log: Log): Accounts {
  const accounts = parseAccounts(content);
  for (const problem of accounts.problems) log.warn(`users.yaml: ${problem}`);
  return accounts;
}

function createSetup(path: string, file: YamlFile<Accounts>): AuthSetup {
  // Accounts that cannot be read, or are all wrong, are accounts: nobody may become administrator because of a typing error.
  const isNeeded = (): boolean => file.problem() === null && file.get().entries === 0;
  return {
    async needed() {
      return isNeeded();
    },
    async createAdmin(username, password) {
      const name = normaliseName(username);
      const problem = problemWithName(name);
      if (problem !== null) throw new AppError("invalid", problem);
      requireGoodPassword(password);
      file.refresh();
      if (!isNeeded()) throw alreadySetUp();
      const passwordHash = await hashPassword(password);
      const { editUsersFile } = await import("./users-file");
      await editUsersFile(path, (editor) => {
        if (parseAccounts(editor.content).entries > 0) throw alreadySetUp();
        editor.set(name, { passwordHash, role: "admin" });
      });
      const account = file.refresh().byName.get(name);
      if (!account)
        throw new AppError("internal", "The account was written but cannot be read. See the log of the server.");
      return account.user;
    },
  };
}

function alreadySetUp(): AppError {
  return new AppError("conflict", "There is an account already. Sign in with it.");
}
