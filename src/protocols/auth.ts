/**
 * `auth`: who a person is and which models they may use. Default: `src/core/auth/`, on `users.yaml` (bcrypt and argon2 hashes) and signed
 * tokens. Replace it to sign people in through LDAP, a company's single sign-on or a header of your proxy.
 */

export type UserRole = "admin" | "user";

export interface User {
  /** 1 to 64 characters, none of them a control character; the key of everything the person owns. */
  readonly username: string;
  readonly role: UserRole;
  /** Regular expression that a model id must match as a whole; absent = every model. */
  readonly modelMask?: string;
}

export interface AuthProtocol {
  /**
   * The user whose password this is, or null. An unknown name takes as long as a wrong password.
   * Never throws for what a person typed, whatever its length; throws AppError("unavailable") when too many sign in at once.
   */
  authenticate(username: string, password: string): Promise<User | null>;

  /**
   * A signed token for the user, valid for `config.tokenTtlHours`, that `verifyToken` takes back. Throws
   * AppError("unauthenticated") when the user was removed meanwhile.
   */
  createToken(user: User): Promise<string>;

  /**
   * The token's user as they are now (role and mask may have changed since), or null when the token is malformed, forged,
   * expired, was ended, or was made before the user's password changed or the user was removed. Asked for every request, and
   * twice a second while one is streamed, so keep it cheap. Throws AppError("unavailable") alone, when it cannot be known.
   */
  verifyToken(token: string): Promise<User | null>;

  /**
   * Ends the token, in every process and across a restart: `verifyToken` gives null for it from now on. Idempotent; nothing
   * happens for a token that is not good. Throws when that could not be kept. Absent: a token lasts until it expires, and
   * whoever signs out is told so.
   */
  endToken?(token: string): Promise<void>;

  /** Ends all tokens of the user that were made until now, in the same way. Present where `endToken` is. */
  endTokens?(username: string): Promise<void>;

  /**
   * The account of that name as it is now, or null: for whoever knows by other means that a person is who they say they are.
   * Throws AppError("unavailable") when there may be one that cannot be read. Absent: there is no such list.
   */
  find?(username: string): Promise<User | null>;

  /**
   * Who sends the request, known from something other than a token (a header that a proxy sets, a client certificate), or
   * null. `address` is the other end of the connection, whatever headers say; null = not known, so believe nothing. A
   * bearer token that is good goes before it, and it goes before the session cookie. Asked as often as
   * `verifyToken`. Absent: only tokens count.
   */
  identify?(request: Request, address: string | null): Promise<User | null>;

  /** Where a browser goes that signs out, a path or an address, when signing in happens elsewhere; null or absent: to the form. */
  signOutUrl?(): string | null;

  /**
   * Whether the user may send to the model. Called for lists and again for every model call, so keep it cheap. What a plugin asks
   * about may be as long as a stranger made it: no mask is held against a name of more than 256 characters, which is allowed to
   * nobody who has one. The core never asks about such a name.
   */
  requestAllowed(user: User, model: string): Promise<boolean>;

  /**
   * Why `requestAllowed` says no, as a sentence for the user (a budget that is spent, an hour); null = it is simply not
   * theirs. Absent: there is never more to say.
   */
  whyRefused?(user: User, model: string): Promise<string | null>;

  /**
   * A name of `a-z` and `0-9`, at most 32 of them, that the servers of one installation share and those of another do not have, and that
   * gives no secret away: cookies are named after it, because a browser sends them to every port of a host. The default makes it of the secret. Absent: they are not.
   */
  readonly installation?: string;

  /** Marks of browsers in which people signed in before. Absent: only their addresses are remembered. */
  readonly browsers?: AuthBrowsers;

  /** Making the first administrator from the browser. Absent when accounts live elsewhere (LDAP, a proxy). */
  readonly setup?: AuthSetup;
}

/** A browser with a mark has a limit of its own, so that nobody else's guesses keep its person from signing in. */
export interface AuthBrowsers {
  /** A text, signed, fit for a cookie and different each time, for a browser in which the user has just signed in. */
  mark(user: User): Promise<string>;

  /**
   * Whether `mark` made the text for the account of that name and its password is still the same. False for anything else,
   * whatever its length, and after as long for a name that nobody has. Never throws.
   */
  isMarked(username: string, mark: string): Promise<boolean>;
}

export interface AuthSetup {
  /** True while there is no user at all; false when there may be some that cannot be read. */
  needed(): Promise<boolean>;

  /** Makes the first administrator. Throws AppError("conflict") once any user exists, ("invalid") for a bad name or password. */
  createAdmin(username: string, password: string): Promise<User>;
}
