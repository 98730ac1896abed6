/**
 * Session tokens: JWT, signed with HS256 and nothing else, with an end. Each carries a fingerprint of the password hash it
 * was made under, so that a changed password ends the user's sessions without a list of sessions to keep.
 */

import { createHmac } from "node:crypto";
import { jwt } from "@elysiajs/jwt";
import { isSameSecret } from "../../secret";
import type { Account } from "./accounts";

export interface Tokens {
  sign(account: Account): Promise<string>;
  /** The account that `find` gives for the token's user, or null when the token is not good for it any more. */
  verify(token: string, find: (username: string) => Account | undefined): Promise<Account | null>;
}

// The plugin itself pins neither the algorithm nor an end.
const REQUIRED = { algorithms: ["HS256"], requiredClaims: ["exp", "sub"] };
const FINGERPRINT_BYTES = 12; // Guessing one does not help anybody who cannot sign.
const S_PER_HOUR = 3600;

export function createTokens(secret: string, ttlHours: number): Tokens {
  const signer = jwt({ secret, alg: "HS256" }).decorator.jwt;

  const fingerprint = ({ user, passwordHash }: Account): string => {
    const mac = createHmac("sha256", secret).update(`password\0${user.username}\0${passwordHash}`).digest();
    return mac.subarray(0, FINGERPRINT_BYTES).toString("base64url");
  };

  return {
    sign(account) {
      const exp = Math.floor(Date.now() / 1000 + ttlHours * S_PER_HOUR);
      return signer.sign({ sub: account.user.username, exp, pwd: fingerprint(account) });
    },
    async verify(token, find) {
      const claims = await signer.verify(token, REQUIRED);
      if (!claims || typeof claims.sub !== "string" || typeof claims.pwd !== "string") return null;
      const account = find(claims.sub);
      return account && isSameSecret(claims.pwd, fingerprint(account)) ? account : null;
    },
  };
}
