/**
 * The promises of `auth` that hold wherever accounts live. Those that need an account make one with `setup`, and promise
 * nothing of a provider without it.
 */

import assert from "node:assert/strict";
import { isAppError } from "../basics/errors";
import type { AuthProtocol, Core, User } from "../protocols";
import { type ContractCase, holds } from "./contract";

const PASSWORD = "correct horse battery staple";

export const authContract: readonly ContractCase[] = [
  {
    name: "an unknown name is nobody, whatever name and password are made of",
    async run({ auth }) {
      // Few, since each costs as much as a real sign-in.
      for (const text of ["", "nobody", "__proto__", "\0", "\ud800", "x".repeat(100_000)]) {
        assert.equal(await auth.authenticate(text, text), null);
      }
    },
  },
  {
    name: "a token that it did not sign is nobody's",
    async run({ auth }) {
      const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
      const claims = Buffer.from('{"sub":"root","exp":99999999999}').toString("base64url");
      for (const token of ["", "x", "a.b.c", `${none}.${claims}.`, "\0", "x".repeat(100_000)]) {
        assert.equal(await auth.verifyToken(token), null);
      }
    },
  },
  {
    name: "the installation, where it has a name, has one that a cookie may have",
    async run({ auth }) {
      if (auth.installation !== undefined) assert.match(auth.installation, /^[a-z0-9]{1,32}$/);
    },
  },
  {
    name: "a user without a mask may use every model",
    async run({ auth }) {
      const user: User = { username: "x", role: "user" };
      for (const model of ["gpt-4", "a/b:c", ""]) assert.equal(await auth.requestAllowed(user, model), true);
    },
  },
  {
    name: "a mask must match the whole model id",
    async run({ auth }) {
      const user: User = { username: "x", role: "user", modelMask: "gpt-.*|llama" };
      for (const model of ["gpt-4", "llama"]) assert.equal(await auth.requestAllowed(user, model), true, model);
      for (const model of ["my-gpt-4", "llama3", "gpt", "gpt-4\n", ""]) {
        assert.equal(await auth.requestAllowed(user, model), false, model);
      }
    },
  },
  {
    name: "a mask allows no name of more than 256 characters, and is not held against one",
    async run({ auth }) {
      const user: User = { username: "x", role: "user", modelMask: "(?:a|aa)+|a.*" };
      assert.equal(await auth.requestAllowed(user, "a".repeat(256)), true);
      for (const length of [257, 1_000_000]) assert.equal(await auth.requestAllowed(user, "a".repeat(length)), false);
    },
  },
  {
    name: "a mask counts for administrators, and a mask that is no regular expression matches nothing",
    async run({ auth }) {
      const admin = { username: "x", role: "admin" } as const;
      assert.equal(await auth.requestAllowed({ ...admin, modelMask: "a" }, "b"), false);
      assert.equal(await auth.requestAllowed({ ...admin, modelMask: "a(" }, "a("), false);
    },
  },
  {
    name: "the first administrator signs in with the password given, and with no other",
    run: withAdmin(async (auth, admin) => {
      assert.deepEqual(admin, { username: "ada", role: "admin" });
      assert.deepEqual(await auth.authenticate("ada", PASSWORD), admin);
      for (const wrong of ["", `${PASSWORD} `, PASSWORD.toUpperCase(), PASSWORD.slice(1)]) {
        assert.equal(await auth.authenticate("ada", wrong), null);
      }
      assert.equal(await auth.authenticate("Ada", PASSWORD), null);
    }),
  },
  {
    name: "an account is found by its name, and nobody by another",
    run: withAdmin(async (auth, admin) => {
      if (!auth.find) return;
      assert.deepEqual(await auth.find("ada"), admin);
      for (const name of ["", "Ada", "nobody", "__proto__"]) assert.equal(await auth.find(name), null);
    }),
  },
  {
    name: "a token gives the user back, and a changed token nobody",
    run: withAdmin(async (auth, admin) => {
      const token = await auth.createToken(admin);
      assert.deepEqual(await auth.verifyToken(token), admin);
      const middle = Math.floor(token.length / 2);
      const changed = token.slice(0, middle) + (token[middle] === "A" ? "B" : "A") + token.slice(middle + 1);
      assert.equal(await auth.verifyToken(changed), null);
    }),
  },
  {
    name: "a token that was ended is nobody's, others of the user stay good, and ending it again does no harm",
    run: withAdmin(async (auth, admin) => {
      if (!auth.endToken) return;
      const [ended, other] = [await auth.createToken(admin), await auth.createToken(admin)];
      assert.notEqual(ended, other);
      for (let times = 0; times < 2; times += 1) await auth.endToken(ended);
      assert.equal(await auth.verifyToken(ended), null);
      assert.deepEqual(await auth.verifyToken(other), admin);
    }),
  },
  {
    name: "a token that it did not sign can be ended, and nothing happens",
    run: withAdmin(async (auth, admin) => {
      const token = await auth.createToken(admin);
      for (const foreign of ["", "x", "a.b.c", `${token}x`, token.slice(0, -2), "x".repeat(100_000)]) {
        await auth.endToken?.(foreign);
      }
      assert.deepEqual(await auth.verifyToken(token), admin);
    }),
  },
  {
    name: "all tokens of a user can be ended; one that is made afterwards, and at once, is good",
    run: withAdmin(async (auth, admin) => {
      assert.equal(typeof auth.endTokens, typeof auth.endToken);
      if (!auth.endTokens) return;
      const tokens = [await auth.createToken(admin), await auth.createToken(admin)];
      await auth.endTokens("somebody else");
      assert.deepEqual(await auth.verifyToken(tokens[0] ?? ""), admin);
      await auth.endTokens("ada");
      for (const token of tokens) assert.equal(await auth.verifyToken(token), null);
      assert.deepEqual(await auth.verifyToken(await auth.createToken(admin)), admin);
    }),
  },
  {
    name: "the mark of a browser is good for the account it was made for alone, and no token",
    run: withAdmin(async (auth, admin) => {
      const { browsers } = auth;
      if (!browsers) return;
      const mark = await browsers.mark(admin);
      assert.match(mark, /^[!-+\--:<-~]{8,512}$/);
      assert.equal(await browsers.isMarked("ada", mark), true);
      assert.notEqual(await browsers.mark(admin), mark);
      assert.equal(await auth.verifyToken(mark), null);
      const changed = mark.slice(0, -3) + (mark.at(-3) === "A" ? "B" : "A") + mark.slice(-2);
      for (const text of ["", "x", ".", mark.slice(1), changed, `${mark}x`, "\0", "x".repeat(100_000)]) {
        assert.equal(await browsers.isMarked("ada", text), false, text.slice(0, 100));
      }
      for (const name of ["", "Ada", "nobody", "__proto__"]) assert.equal(await browsers.isMarked(name, mark), false);
      assert.equal(await browsers.isMarked("ada", await auth.createToken(admin)), false);
    }),
  },
  {
    name: "set-up is over once there is a user",
    run: withAdmin(async (auth) => {
      assert.equal(await auth.setup?.needed(), false);
      await assert.rejects(async () => auth.setup?.createAdmin("eve", PASSWORD), hasCode("conflict"));
      assert.equal(await auth.authenticate("eve", PASSWORD), null);
    }),
  },
  {
    name: "of two who set up at once, one wins",
    async run({ auth: { setup } }) {
      if (!setup || !(await setup.needed())) return;
      const outcomes = await Promise.allSettled(["ada", "eve"].map((name) => setup.createAdmin(name, PASSWORD)));
      assert.deepEqual(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      const lost = outcomes.find((outcome) => outcome.status === "rejected");
      holds(lost?.reason, 'an AppError("conflict")', hasCode("conflict"));
    },
  },
  {
    name: "set-up refuses a bad name and a short password, and is still needed then",
    async run({ auth: { setup } }) {
      if (!setup || !(await setup.needed())) return;
      for (const name of ["", " ada", "ada ", "a\nb", "ada\x7f1", "x".repeat(65)]) {
        await assert.rejects(async () => setup.createAdmin(name, PASSWORD), hasCode("invalid"), JSON.stringify(name));
      }
      for (const password of ["", "1234567"]) {
        await assert.rejects(async () => setup.createAdmin("ada", password), hasCode("invalid"));
      }
      assert.equal(await setup.needed(), true);
    },
  },
];

function withAdmin(check: (auth: AuthProtocol, admin: User) => Promise<void>): (core: Core) => Promise<void> {
  return async ({ auth }) => {
    if (!auth.setup || !(await auth.setup.needed())) return;
    await check(auth, await auth.setup.createAdmin("ada", PASSWORD));
  };
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => isAppError(error) && error.code === code;
}
