/**
 * What the server signs for people: session tokens (JWT, HS256 and nothing else, with an id and an end) and marks of browsers.
 * Each is bound to the password hash that it was made under, so that a changed password ends them all without a list to keep.
 */

import { createHmac, randomBytes } from "node:crypto";
import { jwt } from "@elysiajs/jwt";
import { isSameSecret } from "../../basics/secret";
import type { Account } from "./accounts";

export interface Tokens {
  /** `madeMs` is the time that `Claims` tells. */
  sign(account: Account, madeMs: number): Promise<string>;
  /** What the token says, or null when we did not sign it or it has expired. Ours are remembered, so that asking again costs little. */
  read(token: string): Promise<Claims | null>;
  /** Whether the account has still the password that the token was made under. */
  isMadeUnder(account: Account, claims: Claims): boolean;
  /** As `installation` of AuthProtocol: made of the secret, which all servers of an installation have. */
  readonly installation: string;
  /** For a browser in which the account's user signed in. */
  mark(account: Account): string;
  isMark(account: Account, mark: string): boolean;
}

export interface Claims {
  readonly username: string;
  /** Unlike that of every other token of the user. */
  readonly id: string;
  readonly madeMs: number;
  readonly expiresMs: number;
  readonly fingerprint: string;
}

// The plugin itself pins neither the algorithm nor an end.
const REQUIRED = { algorithms: ["HS256"], requiredClaims: ["exp", "sub"] };
const FINGERPRINT_BYTES = 12; // Guessing one does not help anybody who cannot sign.
const ID_BYTES = 12;
const MAC_BYTES = 24;
const INSTALLATION_BYTES = 6; // A host has a handful of servers.
const S_PER_HOUR = 3600;
const REMEMBERED = 20_000; // Tokens, about half a kilobyte each: more than one process has open streams.

export function createTokens(secret: string, ttlHours: number): Tokens {
  const signer = jwt({ secret, alg: "HS256" }).decorator.jwt;
  const remembered = new Map<string, Claims>();
  const fingerprints = new WeakMap<Account, string>();

  const macOf = (...parts: readonly string[]): Buffer => createHmac("sha256", secret).update(parts.join("\0")).digest();

  const fingerprint = (account: Account): string => {
    const known = fingerprints.get(account);
    if (known !== undefined) return known;
    const mac = macOf("password", account.user.username, account.passwordHash);
    const made = mac.subarray(0, FINGERPRINT_BYTES).toString("base64url");
    fingerprints.set(account, made);
    return made;
  };

  const markOf = ({ user, passwordHash }: Account, id: string): string => {
    const mac = macOf("browser", user.username, passwordHash, id).subarray(0, MAC_BYTES);
    return `${id}.${mac.toString("base64url")}`;
  };

  return {
    installation: macOf("installation").subarray(0, INSTALLATION_BYTES).toString("hex"),
    sign(account, madeMs) {
      const exp = Math.floor(Date.now() / 1000 + ttlHours * S_PER_HOUR);
      const jti = randomId();
      return signer.sign({ sub: account.user.username, exp, pwd: fingerprint(account), jti, made: madeMs });
    },
    async read(token) {
      const known = remembered.get(token);
      if (known && known.expiresMs > Date.now()) return known;
      remembered.delete(token);
      const claims = claimsOf(await signer.verify(token, REQUIRED));
      if (claims) remember(remembered, token, claims);
      return claims;
    },
    isMadeUnder: (account, claims) => isSameSecret(claims.fingerprint, fingerprint(account)),
    mark: (account) => markOf(account, randomId()),
    isMark: (account, mark) => isSameSecret(mark, markOf(account, mark.split(".", 1)[0] ?? "")),
  };
}

function randomId(): string {
  return randomBytes(ID_BYTES).toString("base64url");
}

function claimsOf(content: false | Record<string, unknown>): Claims | null {
  if (!content) return null;
  const { sub, pwd, exp, iat, jti, made } = content;
  if (typeof sub !== "string" || typeof pwd !== "string" || typeof exp !== "number") return null;
  return {
    username: sub,
    // Those of earlier versions have no id and a time in seconds; two that are made in the same second are one and the same text.
    id: typeof jti === "string" ? jti : String(exp),
    madeMs: typeof made === "number" ? made : Number(iat ?? 0) * 1000,
    expiresMs: exp * 1000,
    fingerprint: pwd,
  };
}

function remember(remembered: Map<string, Claims>, token: string, claims: Claims): void {
  const [oldest] = remembered.keys();
  if (oldest !== undefined && remembered.size >= REMEMBERED) remembered.delete(oldest);
  remembered.set(token, claims);
}
