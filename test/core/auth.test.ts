import { describe, expect, setSystemTime, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jwt } from "@elysiajs/jwt";
import { createLog } from "../../src/basics/log";
import { authContract } from "../../src/contracts/auth";
import { createAuth } from "../../src/core/auth";
import type { AuthProtocol, Config, Core } from "../../src/protocols";
import { temporaryFolder, testConfig } from "../support/temporary";
import { authCore } from "../support/test-core";
import { until } from "../support/until";

// Made by Python: bcrypt.hashpw(password.encode(), bcrypt.gensalt(6)), bcrypt 4.0.1.
const PYTHON_SHORT = "$2b$06$ghsVZLnyn/3GNgo7r.qfC.e8.li1n7ZBBnx2vu2EQ74ZfJ2tD3ahi";
const PYTHON_2A = "$2a$06$5lRKK6srmsyROaWeLRxAhOYf9CYHeTErxx9H9IBSO4B/MyIysqtuS"; // pässwörd
const PYTHON_99_BYTES = "$2b$06$qvKTaxjDk9nzrxe.h6xJ6uGd8pUP23iyt7BoBpVq.QlN8MzyoylRO";
const PYTHON_CUT_IN_A_CHARACTER = "$2b$06$iSmflkVEWH.DO0WL2m9fI.Fesmq.ULBitTp4uHsxJUdHPDtXsSZ1u";
const PASSWORD = "correct horse battery staple"; // of PYTHON_SHORT
const ADA = { username: "ada", role: "user" } as const;

interface Server {
  readonly auth: AuthProtocol;
  readonly core: Core;
  readonly config: Config;
  readonly lines: string[];
  write(users: string): void;
}

function serve(users?: string, overrides: Partial<Config> = {}): Server {
  const config = testConfig(temporaryFolder(), overrides);
  if (users !== undefined) writeFileSync(config.usersFile, users);
  const lines: string[] = [];
  const log = createLog("debug", (_, line) => lines.push(line.replace(/^\S+ /, "")));
  const core = authCore(config, log);
  const auth = createAuth(core);
  return { auth, core, config, lines, write: (text) => writeFileSync(config.usersFile, text) };
}

function user(name: string, hash = PYTHON_SHORT, more = ""): string {
  return `${name}: { password_hash: "${hash}", role: user${more} }\n`;
}

describe("the contract", () => {
  for (const { name, run } of authContract) {
    test(name, () => run({ auth: serve().auth } as Core));
    test(`${name} (ephemeral mode)`, () => run({ auth: serve(undefined, { mode: "ephemeral" }).auth } as Core));
  }
});

describe("hashes made by other tools", () => {
  const hashes: [what: string, hash: string, password: string][] = [
    ["Python's bcrypt", PYTHON_SHORT, PASSWORD],
    ["$2a$ with letters beyond ASCII", PYTHON_2A, "pässwörd"],
    ["the $2y$ of PHP and htpasswd", PYTHON_SHORT.replace("$2b$", "$2y$"), PASSWORD],
    ["Python's bcrypt of 99 bytes, of which it used 72", PYTHON_99_BYTES, "long ".repeat(20).trim()],
    ["Python's bcrypt, cut in the middle of a character", PYTHON_CUT_IN_A_CHARACTER, `a${"ü".repeat(40)}`],
  ];
  test.each(hashes)("%s signs in, and a wrong password does not", async (_, hash, password) => {
    const { auth } = serve(user("ada", hash));
    expect(await auth.authenticate("ada", password)).toEqual({ username: "ada", role: "user" });
    expect(await auth.authenticate("ada", `x${password}`)).toBeNull();
  });

  test("Bun's own bcrypt of a long password signs in with the whole password only", async () => {
    const password = "x".repeat(100);
    const { auth } = serve(user("ada", await Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 })));
    expect(await auth.authenticate("ada", password)).not.toBeNull();
    expect(await auth.authenticate("ada", password.slice(0, 72))).toBeNull();
  });
});

describe("users.yaml", () => {
  const spellings: [what: string, text: string][] = [
    ["a map under users", `users:\n  ${user("ada")}`],
    ["a bare map", user("ada")],
    ["password instead of password_hash", user("ada").replace("password_hash", "password")],
    ["hash instead of password_hash", user("ada").replace("password_hash", "hash")],
    ["no role, which means user", `ada: { password_hash: "${PYTHON_SHORT}" }`],
    ["a user called users beside her", user("users") + user("ada")],
  ];
  test.each(spellings)("may have %s", async (_, text) => {
    const { auth, lines } = serve(text);
    expect(await auth.authenticate("ada", PASSWORD)).toEqual({ username: "ada", role: "user" });
    expect(lines).toEqual([]);
  });

  const bad: [what: string, entry: string, reason: string][] = [
    ["a bad mask", user("bob", PYTHON_SHORT, ', model_mask: "gpt-("'), "model_mask is not a regular expression"],
    ["a mask that only brackets make valid", user("bob", PYTHON_SHORT, ', model_mask: "a)|(b"'), "model_mask is not"],
    ["no hash", "bob: { role: user }\n", "password_hash is missing"],
    ["a password that is no hash", user("bob", "hunter2"), "password_hash is not a bcrypt or argon2 hash"],
    [
      "a hash that lost its end",
      user("bob", PYTHON_SHORT.slice(0, -3)),
      "password_hash is not a bcrypt or argon2 hash",
    ],
    ["a wrong role", user("bob").replace("role: user", "role: root"), 'role must be admin or user, not "root"'],
    ["nothing in it", "bob:\n", "must be a map with password_hash"],
  ];
  test.each(bad)("with an entry with %s still serves the others, and names it", async (_, entry, reason) => {
    const { auth, lines } = serve(entry + user("ada"));
    expect(await auth.authenticate("ada", PASSWORD)).not.toBeNull();
    expect(await auth.authenticate("bob", PASSWORD)).toBeNull();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toStartWith(`WARNING users.yaml: "bob": ${reason}`);
    expect(lines[0]).not.toContain("hunter2");
  });

  test("warns of what has no meaning: keys it does not know, and users outside of the map", async () => {
    const { auth, lines } = serve(`users:\n  ${user("ada", PYTHON_SHORT, ", modelmask: x")}${user("bob")}`);
    expect(await auth.authenticate("ada", PASSWORD)).not.toBeNull();
    expect(await auth.authenticate("bob", PASSWORD)).toBeNull();
    expect(lines).toEqual([
      'WARNING users.yaml: "bob": it stands beside "users:" and must be moved into it',
      'WARNING users.yaml: "ada": modelmask means nothing here; the rest is used',
    ]);
  });

  test("knows a name however its letters are composed", async () => {
    const { auth } = serve(user("Zo\u0065\u0308"));
    expect((await auth.authenticate("Zo\u00eb", PASSWORD))?.username).toBe("Zo\u00eb");
  });

  test("finds an account, and says when there may be some that it could never read", async () => {
    const { auth, write } = serve(user("ada", PYTHON_SHORT, ', model_mask: "small"'));
    expect(await auth.find?.("ada")).toEqual({ username: "ada", role: "user", modelMask: "small" });
    expect(await auth.find?.("bob")).toBeNull();
    write("ada: [");
    expect(await auth.find?.("bob")).toBeNull();
    await expect(serve("ada: [").auth.find?.("ada")).rejects.toMatchObject({ code: "unavailable" });
    expect(await serve().auth.find?.("ada")).toBeNull();
  });

  test("keeps the last good users while it is broken, and logs an error", async () => {
    const { auth, lines, write } = serve(user("ada"));
    expect(await auth.authenticate("ada", PASSWORD)).not.toBeNull();
    write("ada: [");
    const token = await auth.createToken({ username: "ada", role: "user" });
    await until(async () => (await auth.verifyToken(token)) !== null && lines.length > 0);
    expect(lines[0]).toStartWith("ERROR users.yaml cannot be used");
    expect(await auth.authenticate("ada", PASSWORD)).not.toBeNull();
  });
});

describe("an unknown name", () => {
  test("takes as long as a wrong password, with the kind of hash that most users have", async () => {
    const slow = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 9 });
    const other = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
    const { auth } = serve(user("bob", other) + user("ada", slow) + user("eve", slow));
    const timeOf = async (name: string, password: string): Promise<number> => {
      const start = performance.now();
      expect(await auth.authenticate(name, password)).toBeNull();
      return performance.now() - start;
    };
    // The fastest of many is the work itself: whatever else the machine does only adds to the others.
    for (const password of ["wrong", "x".repeat(100)]) {
      const fastest = { unknown: Number.POSITIVE_INFINITY, wrong: Number.POSITIVE_INFINITY };
      const ratio = (): number => fastest.unknown / fastest.wrong;
      for (let round = 0; round < 5 || (round < 40 && (ratio() < 0.7 || ratio() > 1.4)); round += 1) {
        fastest.unknown = Math.min(fastest.unknown, await timeOf("nobody", password));
        fastest.wrong = Math.min(fastest.wrong, await timeOf("ada", password));
      }
      expect(ratio()).toBeWithin(0.7, 1.4);
    }
  });
});

describe("a session", () => {
  test("ends within a second when the user's password changes", async () => {
    const { auth, write } = serve(user("ada"));
    const token = await auth.createToken({ username: "ada", role: "user" });
    expect(await auth.verifyToken(token)).not.toBeNull();
    write(user("ada", PYTHON_2A));
    expect(await until(async () => (await auth.verifyToken(token)) === null)).toBeLessThan(1000);
  });

  test("ends within a second when the user is removed, also with the whole file", async () => {
    const { auth, config, write } = serve(user("ada") + user("bob"));
    const ada = await auth.createToken({ username: "ada", role: "user" });
    const bob = await auth.createToken({ username: "bob", role: "user" });
    write(user("bob"));
    expect(await until(async () => (await auth.verifyToken(ada)) === null)).toBeLessThan(1000);
    expect(await auth.verifyToken(bob)).not.toBeNull();
    rmSync(config.usersFile);
    expect(await until(async () => (await auth.verifyToken(bob)) === null)).toBeLessThan(1000);
  });

  test("goes on with a new role and mask", async () => {
    const { auth, write } = serve(user("ada"));
    const token = await auth.createToken({ username: "ada", role: "user" });
    write(user("ada", PYTHON_SHORT, ', model_mask: "gpt-.*"').replace("role: user", "role: admin"));
    const expected = { username: "ada", role: "admin", modelMask: "gpt-.*" } as const;
    await until(async () => Bun.deepEquals(await auth.verifyToken(token), expected));
    expect(await auth.verifyToken(token)).toEqual(expected);
  });

  test("is not given to a user who is gone", () => {
    expect(serve(user("ada")).auth.createToken({ username: "bob", role: "user" })).rejects.toThrow("does not exist");
  });

  test("ends after TOKEN_TTL_HOURS", async () => {
    const { auth } = serve(user("ada"), { tokenTtlHours: 1 / 3600 });
    const token = await auth.createToken({ username: "ada", role: "user" });
    expect(await auth.verifyToken(token)).not.toBeNull();
    expect(await until(async () => (await auth.verifyToken(token)) === null)).toBeLessThan(2500);
  });

  test("needs our algorithm, an end and a fingerprint, even when it is signed with our secret", async () => {
    const { auth, config } = serve(user("ada"));
    const real = await auth.createToken({ username: "ada", role: "user" });
    const claims = JSON.parse(Buffer.from(real.split(".")[1] ?? "", "base64url").toString());
    const sign = (alg: string, content: Record<string, unknown>): Promise<string> =>
      jwt({ secret: config.jwtSecretKey ?? "", alg }).decorator.jwt.sign(content as { sub: string });
    expect(await auth.verifyToken(await sign("HS256", claims))).not.toBeNull();
    expect(await auth.verifyToken(await sign("HS512", claims))).toBeNull();
    for (const missing of ["exp", "sub", "pwd"]) {
      const { [missing]: _, ...rest } = claims;
      expect(await auth.verifyToken(await sign("HS256", rest))).toBeNull();
    }
    expect(await auth.verifyToken(await sign("HS256", { ...claims, sub: "bob" }))).toBeNull();
    expect(await auth.verifyToken(await sign("HS256", { ...claims, pwd: "x" }))).toBeNull();
  });
});

describe("a token that was ended", () => {
  const nobody = createLog("error", () => {});

  test("stays ended after a restart, and in another process at once", async () => {
    const { auth, core, config } = serve(user("ada"));
    const other = createAuth({ ...authCore(config, nobody), bus: core.bus });
    const tokens = [await auth.createToken(ADA), await auth.createToken(ADA), await auth.createToken(ADA)];
    for (const token of tokens) expect(await other.verifyToken(token)).toEqual(ADA);
    await auth.endToken?.(tokens[0] ?? "");
    const found = (it: AuthProtocol) =>
      Promise.all(tokens.map(async (token) => (await it.verifyToken(token)) !== null));
    for (const it of [auth, other]) expect(await found(it)).toEqual([false, true, true]);
    const restarted = () => createAuth(authCore(config, nobody));
    expect(await found(restarted())).toEqual([false, true, true]);
    await other.endTokens?.("ada");
    for (const it of [auth, other, restarted()]) expect(await found(it)).toEqual([false, false, false]);
  });

  test("costs a request no call of the store", async () => {
    const { auth, core } = serve(user("ada"));
    const [ended, other] = [await auth.createToken(ADA), await auth.createToken(ADA)];
    await auth.endToken?.(ended);
    await core.store.close();
    for (let times = 0; times < 3; times += 1) {
      expect(await auth.verifyToken(ended)).toBeNull();
      expect(await auth.verifyToken(other)).toEqual(ADA);
    }
  });

  test("is forgotten in the store when it would have expired", async () => {
    const { auth, core, config } = serve(user("ada"), { tokenTtlHours: 1.2 / 3600 });
    await auth.endToken?.(await auth.createToken(ADA));
    expect(await core.store.count(null, "ended_tokens")).toBe(1);
    await Bun.sleep(1300); // Until it has expired, by whole seconds.
    await createAuth(authCore(config, nobody)).verifyToken(await auth.createToken(ADA));
    expect(await core.store.count(null, "ended_tokens")).toBe(0);
  });

  test("stays ended when the clock is set back, and whoever signs in then is signed in", async () => {
    const { auth } = serve(user("ada"));
    const token = await auth.createToken(ADA);
    await auth.endTokens?.("ada");
    setSystemTime(Date.now() - 3_600_000);
    try {
      expect(await auth.verifyToken(token)).toBeNull();
      expect(await auth.verifyToken(await auth.createToken(ADA))).toEqual(ADA);
    } finally {
      setSystemTime();
    }
  });

  test("cannot be told from others while the store cannot be read, so nobody is let in", async () => {
    const { auth, core } = serve(user("ada"));
    const token = await auth.createToken(ADA);
    const broken = createAuth({ ...core, store: { ...core.store, find: () => Promise.reject(new Error("no disk")) } });
    await expect(broken.verifyToken(token)).rejects.toMatchObject({ code: "unavailable" });
    expect(await broken.verifyToken(`${token}x`)).toBeNull();
  });
});

describe("the mark of a browser", () => {
  test("ends with the password, and outlives the role and a restart", async () => {
    const { auth, config, write } = serve(user("ada"));
    const mark = (await auth.browsers?.mark(ADA)) ?? "";
    const isMarked = async () => (await auth.browsers?.isMarked("ada", mark)) ?? false;
    write(user("ada").replace("role: user", "role: admin"));
    await until(async () => (await auth.find?.("ada"))?.role === "admin");
    expect(await isMarked()).toBe(true);
    const restarted = createAuth(
      authCore(
        config,
        createLog("error", () => {}),
      ),
    );
    expect(await restarted.browsers?.isMarked("ada", mark)).toBe(true);
    write(user("ada", PYTHON_2A));
    await until(async () => !(await isMarked()));
    write("users: {}\n");
    await until(async () => (await auth.find?.("ada")) === null);
    expect(await isMarked()).toBe(false);
  });
});

describe("the secret", () => {
  test("is made once, for the owner's eyes only, and sessions outlive a restart", async () => {
    const { auth, config, lines } = serve(user("ada"), { jwtSecretKey: null });
    expect(statSync(config.jwtSecretFile).mode & 0o777).toBe(0o600);
    const secret = readFileSync(config.jwtSecretFile, "utf8").trim();
    expect(secret.length).toBeGreaterThanOrEqual(32);
    expect(lines.join("\n")).not.toContain(secret);
    const token = await auth.createToken({ username: "ada", role: "user" });
    const restarted = createAuth(
      authCore(
        config,
        createLog("error", () => {}),
      ),
    );
    expect(await restarted.verifyToken(token)).toEqual({ username: "ada", role: "user" });
    expect(readFileSync(config.jwtSecretFile, "utf8").trim()).toBe(secret);
  });

  test("of the configuration needs no file", () => {
    const { config } = serve();
    expect(() => statSync(config.jwtSecretFile)).toThrow("ENOENT");
  });

  test("that is too short, or in a file that cannot be made, is a clear error at start", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "short"), "secret\n");
    mkdirSync(join(folder, "folder"));
    for (const file of ["short", "folder", "short/below"]) {
      const overrides = { jwtSecretKey: null, jwtSecretFile: join(folder, file) };
      expect(() => serve(undefined, overrides)).toThrow(/^No secret to sign sessions with: .*Set JWT_SECRET_KEY/);
    }
  });

  test.each([
    ["JWT_SECRET_KEY", { jwtSecretKey: "hunter2" }],
    ["its file", { jwtSecretKey: null }],
  ])(
    "that is too short in %s is refused for a new installation, and taken with a warning where there are accounts",
    async (_, overrides) => {
      const folder = temporaryFolder();
      writeFileSync(join(folder, "jwt.secret"), "hunter2\n");
      const start = () =>
        serve(undefined, {
          ...overrides,
          jwtSecretFile: join(folder, "jwt.secret"),
          usersFile: join(folder, "users.yaml"),
        });
      expect(start).toThrow(/fewer than 32 characters, the least that a new installation needs/);
      writeFileSync(join(folder, "users.yaml"), user("ada"));
      const { auth, lines } = start();
      expect(lines.filter((line) => line.includes("INSECURE"))).toHaveLength(1);
      expect(lines.join("\n")).not.toContain("hunter2");
      expect(await auth.verifyToken(await auth.createToken({ username: "ada", role: "user" }))).not.toBeNull();
    },
  );

  test("names the installation, the same for all who have it and another one for others, and does not show in it", () => {
    const [one, again, other] = ["a", "a", "b"].map((letter) => serve(undefined, { jwtSecretKey: letter.repeat(40) }));
    expect(one?.auth.installation).toMatch(/^[0-9a-f]{12}$/);
    expect(again?.auth.installation).toBe(one?.auth.installation ?? "");
    expect(other?.auth.installation).not.toBe(one?.auth.installation ?? "");
  });

  test("is the same for several processes that start at once", async () => {
    const folder = temporaryFolder();
    const script = `
      import { readSecret } from ${JSON.stringify(join(import.meta.dir, "../../src/core/auth/tokens.ts"))};
      const config = { mode: "persistent", jwtSecretKey: null, jwtSecretFile: ${JSON.stringify(join(folder, "deep/jwt.secret"))} };
      console.log(readSecret(config, { info() {} }));`;
    const starts = Array.from({ length: 4 }, () => Bun.spawn([process.execPath, "-e", script]).stdout.text());
    const secrets = new Set(await Promise.all(starts));
    expect([...secrets]).toEqual([readFileSync(join(folder, "deep/jwt.secret"), "utf8")]);
  });
});

describe("set-up", () => {
  const notNeeded: [what: string, text: string][] = [
    ["one user", user("ada")],
    ["only users that are wrong", "bob: { role: root }\n"],
    ["broken YAML", "bob: ["],
    ["something that is no map", "- bob\n"],
  ];
  test.each(notNeeded)("is not needed with %s", async (_, text) => {
    const { auth, config } = serve(text);
    expect(await auth.setup?.needed()).toBe(false);
    expect(async () => auth.setup?.createAdmin("eve", PASSWORD)).toThrow("There is an account already");
    expect(readFileSync(config.usersFile, "utf8")).toBe(text);
  });

  const needed: [what: string, text: string | undefined][] = [
    ["without a file", undefined],
    ["with an empty file", ""],
    ["with a comment only", "# who may sign in\n"],
    ["with an empty map", "users: {}\n"],
    ["with nothing under users", "# mine\nusers:\n"],
  ];
  test.each(needed)("is needed %s, and makes a file that only the owner can read", async (_, text) => {
    const { auth, config } = serve(text);
    expect(await auth.setup?.needed()).toBe(true);
    await auth.setup?.createAdmin("ada", PASSWORD);
    const written = readFileSync(config.usersFile, "utf8");
    expect(written).toMatch(/^users:\n {2}ada:\n {4}password_hash: \$argon2id\$\S+\n {4}role: admin\n$/m);
    for (const comment of text?.match(/^#.*/gm) ?? []) expect(written).toContain(comment);
    if (text === undefined) expect(statSync(config.usersFile).mode & 0o777).toBe(0o600);
    expect((await auth.authenticate("ada", PASSWORD))?.role).toBe("admin");
  });
});

describe("ephemeral mode", () => {
  test("has one administrator, default with password default, and writes nothing", async () => {
    const { auth, config } = serve(user("ada"), { mode: "ephemeral", jwtSecretKey: null });
    expect(await auth.authenticate("default", "default")).toEqual({ username: "default", role: "admin" });
    expect(await auth.authenticate("default", "wrong")).toBeNull();
    expect(await auth.authenticate("ada", PASSWORD)).toBeNull();
    expect(auth.setup).toBeUndefined();
    expect(() => statSync(config.jwtSecretFile)).toThrow("ENOENT");
  });

  test("ends its sessions with the process", async () => {
    const first = serve(undefined, { mode: "ephemeral" });
    const token = await first.auth.createToken({ username: "default", role: "admin" });
    expect(await first.auth.verifyToken(token)).toEqual({ username: "default", role: "admin" });
    expect(await serve(undefined, { mode: "ephemeral" }).auth.verifyToken(token)).toBeNull();
  });
});

test("many who sign in at once all get their answer, and too many are told to come back", async () => {
  const { auth } = serve(user("ada", await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 })));
  const some = await Promise.all(Array.from({ length: 50 }, () => auth.authenticate("ada", PASSWORD)));
  expect(some.every((found) => found?.username === "ada")).toBe(true);
  const flood = await Promise.allSettled(Array.from({ length: 200 }, () => auth.authenticate("ada", PASSWORD)));
  const refused = flood.filter((outcome) => outcome.status === "rejected");
  expect(refused.length).toBeWithin(1, 150);
  expect(refused[0]?.reason).toMatchObject({ code: "unavailable", retryAfterS: 10 });
  expect((await auth.authenticate("ada", PASSWORD))?.username).toBe("ada");
});
