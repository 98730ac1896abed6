import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../src/basics/log";
import { createAuth } from "../src/core/auth";
import type { Core, User } from "../src/protocols";
import { runUsers } from "../src/users";
import { temporaryFolder, testConfig } from "./support/temporary";
import { authCore } from "./support/test-core";

const PASSWORD = "correct horse battery staple";
const HASH = "$2b$06$ghsVZLnyn/3GNgo7r.qfC.e8.li1n7ZBBnx2vu2EQ74ZfJ2tD3ahi"; // Of PASSWORD, made by Python.

interface Command {
  readonly file: string;
  readonly folder: string;
  text(): string;
  run(
    args: string[],
    typed?: readonly string[],
    isTerminal?: boolean,
  ): Promise<{ code: number; out: string; error: string }>;
  signIn(username: string, password: string): Promise<User | null>;
}

function users(content?: string): Command {
  const folder = temporaryFolder();
  const file = join(folder, "users.yaml");
  if (content !== undefined) writeFileSync(file, content);
  return {
    file,
    folder,
    text: () => readFileSync(file, "utf8"),
    async run(args, typed = [], isTerminal = false) {
      const out: string[] = [];
      const error: string[] = [];
      const answers = [...typed];
      const code = await runUsers(args, {
        config: { ...testConfig(folder), usersFile: file },
        log: createLog("error", () => {}),
        isTerminal,
        out: (line) => out.push(line),
        error: (line) => error.push(line),
        readSecret: async () => answers.shift() ?? null,
        // Of its own for each command, as each is a process of its own.
        openStore: async () => {
          const { store } = authCore(
            testConfig(folder),
            createLog("error", () => {}),
          );
          return { store, close: () => store.close() };
        },
      });
      return { code, out: out.join("\n"), error: error.join("\n") };
    },
    signIn: (username, password) => {
      const core = { config: testConfig(folder), log: createLog("error", () => {}) } as Core;
      return createAuth(core).authenticate(username, password);
    },
  };
}

describe("adding a user", () => {
  test("makes a file that only the owner can read, and the user signs in", async () => {
    const command = users();
    const { code, out } = await command.run(["-u", "ada", "-p", PASSWORD, "-r", "admin", "-m", "gpt-.*"]);
    expect(code).toBe(0);
    expect(out).toBe(`Added ada in ${command.file}.`);
    expect(statSync(command.file).mode & 0o777).toBe(0o600);
    expect(await command.signIn("ada", PASSWORD)).toEqual({ username: "ada", role: "admin", modelMask: "gpt-.*" });
    expect(command.text()).not.toContain(PASSWORD);
    expect(readdirSync(command.folder).filter((name) => name !== "jwt.secret")).toEqual(["users.yaml"]);
  });

  test("works with the long names, on the file that -f names, and with role user by default", async () => {
    const command = users();
    const other = join(command.folder, "deep", "people.yaml");
    expect((await command.run(["--file", other, "--user", "ada", `--password=${PASSWORD}`])).code).toBe(0);
    expect(readFileSync(other, "utf8")).toMatch(/ {2}ada:\n {4}password_hash: \$argon2id\S+\n {4}role: user\n/);
  });

  test("takes the names that the options had in the Python Skeleton, but not both names of one", async () => {
    const command = users();
    const args = ["--username", "ada", "--password", PASSWORD, "--role", "admin", "--model-mask", "gpt-.*"];
    expect((await command.run(args)).code).toBe(0);
    expect(await command.signIn("ada", PASSWORD)).toEqual({ username: "ada", role: "admin", modelMask: "gpt-.*" });
    const both = await command.run(["-u", "ada", "--username", "bob", "-r", "user"]);
    expect([both.code, both.error]).toEqual([2, expect.stringContaining("--user and --username mean the same")]);
    const alone = await command.run(["--list", "--model-mask", "x"]);
    expect([alone.code, alone.error]).toEqual([2, expect.stringContaining("only make sense with --user NAME")]);
  });

  test.each([
    ["given", ["-p", "short"], [], false],
    ["typed", [], ["short", "short"], true],
    ["piped in", ["-p", "-"], ["pässwd7"], false],
  ] as const)("warns of a short password that is %s, and takes it", async (_, args, typed, isTerminal) => {
    const command = users();
    const { code, error } = await command.run(["-u", "ada", ...args], typed, isTerminal);
    expect([code, error]).toEqual([0, expect.stringContaining("fewer than 8 characters")]);
    expect(error).not.toContain("short");
    expect(await command.signIn("ada", typed[0] ?? "short")).not.toBeNull();
    expect((await command.run(["-u", "bob", "-p", PASSWORD])).error).toBe("");
  });

  const names = ["null", "123", "yes", "a: b", "#x", "__proto__", "Zo\u0065\u0308", "用户", "a'b\"c", "users"];
  test.each(names)("keeps the name %p as it is", async (name) => {
    const command = users("users: {}\n");
    expect((await command.run(["-u", name, "-p", PASSWORD])).code).toBe(0);
    expect((await command.run(["-u", name, "-r", "admin"])).out).toStartWith("Changed");
    expect(await command.signIn(name, PASSWORD)).toEqual({ username: name.normalize("NFC"), role: "admin" });
  });

  test("asks for the password twice in a terminal, and once of a pipe", async () => {
    const command = users();
    expect((await command.run(["-u", "ada"], [PASSWORD, PASSWORD], true)).code).toBe(0);
    expect((await command.run(["-u", "bob", "-p", "-"], [PASSWORD])).code).toBe(0);
    expect(await command.signIn("ada", PASSWORD)).not.toBeNull();
    expect(await command.signIn("bob", PASSWORD)).not.toBeNull();
  });

  const refused: [what: string, args: string[], typed: string[], isTerminal: boolean, reason: string][] = [
    ["an empty password", ["-u", "ada", "-p", ""], [], false, "at least one character"],
    ["a wrong role", ["-u", "ada", "-p", PASSWORD, "-r", "root"], [], false, "--role must be admin or user"],
    [
      "a bad mask",
      ["-u", "ada", "-p", PASSWORD, "-m", "gpt-("],
      [],
      false,
      "--model-mask: model_mask is not a regular",
    ],
    ["a bad name", ["-u", " ada", "-p", PASSWORD], [], false, "does not begin or end with a space"],
    ["an empty name", ["-u", "", "-p", PASSWORD], [], false, "1 to 64 characters"],
    ["no password", ["-u", "ada"], [], false, "No password was given"],
    ["two passwords that differ", ["-u", "ada"], [PASSWORD, `${PASSWORD}x`], true, "differ"],
  ];
  test.each(refused)("is refused with %s, and nothing is written", async (_, args, typed, isTerminal, reason) => {
    const command = users();
    const { code, error } = await command.run(args, typed, isTerminal);
    expect(code).toBe(1);
    expect(error).toContain(reason);
    expect(readdirSync(command.folder)).toEqual([]);
  });
});

const BY_HAND = `# Our people

users:
  # The boss.
  ada:
    password_hash: "${HASH}" # from the old system
    role: admin

  bob: { hash: "${HASH}", model_mask: 'gpt-.*' }   # leaves in May

# End.
`;

describe("changing a file that a person wrote", () => {
  test("changes the given part only, and keeps comments, order and quotes", async () => {
    const command = users(BY_HAND);
    expect((await command.run(["-u", "ada", "-r", "user"])).out).toStartWith("Changed ada");
    expect(command.text()).toBe(BY_HAND.replace("role: admin", "role: user").replace("   # leaves", " # leaves"));
  });

  test("sets a new password under the name that the person used", async () => {
    const command = users(BY_HAND);
    await command.run(["-u", "bob", "-p", "another password"]);
    expect(command.text()).toMatch(/bob: \{ hash: "?\$argon2id\$\S+ model_mask: 'gpt-\.\*' \} # leaves in May/);
    expect(await command.signIn("bob", "another password")).toMatchObject({ modelMask: "gpt-.*" });
    expect(await command.signIn("bob", PASSWORD)).toBeNull();
  });

  test("takes a mask away with an empty one", async () => {
    const command = users(BY_HAND);
    await command.run(["-u", "bob", "-m", ""]);
    expect(await command.signIn("bob", PASSWORD)).toEqual({ username: "bob", role: "user" });
  });

  test("adds to a bare map where its users are", async () => {
    const command = users(`# mine\nada: { password: "${HASH}" } # first\n`);
    await command.run(["-u", "bob", "-p", PASSWORD]);
    expect(command.text()).toStartWith(
      `# mine\nada: { password: "${HASH}" } # first\nbob:\n  password_hash: $argon2id$`,
    );
  });

  test("deletes a user, and says when nobody is left", async () => {
    const command = users(BY_HAND);
    expect((await command.run(["--delete", "ada"])).out).toBe("Removed ada.\nada had no chats.");
    expect(command.text()).toContain("bob:");
    expect(command.text()).toContain("# Our people");
    expect((await command.run(["--delete", "bob"])).out).toContain("Nobody is left");
    expect(await command.run(["--delete", "bob"])).toMatchObject({
      code: 1,
      error: expect.stringContaining("no user"),
    });
  });

  test("keeps its mode, and the symbolic link that leads to it", async () => {
    const command = users();
    const real = join(temporaryFolder(), "real.yaml");
    writeFileSync(real, BY_HAND, { mode: 0o640 });
    symlinkSync(real, command.file);
    expect((await command.run(["-u", "eve", "-p", PASSWORD])).code).toBe(0);
    expect(readFileSync(real, "utf8")).toContain("eve:");
    expect(statSync(real).mode & 0o777).toBe(0o640);
  });

  test("names what is still wrong with the user afterwards", async () => {
    const command = users("bob: { role: root }\n");
    expect((await command.run(["-u", "bob", "-r", "user"])).error).toContain('"bob": password_hash is missing');
  });

  const broken: [what: string, content: string, reason: string][] = [
    ["broken YAML", `ada: { hash: "${HASH}" }\nbob: [\n`, "not valid YAML (line 3)"],
    ["the same user twice", `ada: { hash: "${HASH}" }\nada: { hash: "${HASH}" }\n`, "not valid YAML (line 2)"],
    ["a list", "- ada\n", "must be a map"],
    ["an entry that is no map", "ada: secret\n", "The entry of ada is not a map"],
  ];
  test.each(broken)("leaves a file with %s alone, and shows no hash", async (_, content, reason) => {
    const command = users(content);
    const { code, error } = await command.run(["-u", "ada", "-p", PASSWORD]);
    expect(code).toBe(1);
    expect(error).toContain(reason);
    expect(error).not.toContain("$2b$");
    expect(command.text()).toBe(content);
  });

  test("loses no change when several are made at once", async () => {
    const command = users(BY_HAND);
    const names = ["c", "d", "e", "f", "g", "h"];
    await Promise.all(names.map((name) => command.run(["-u", name, "-p", PASSWORD])));
    const { out } = await command.run(["--list"]);
    expect(
      out
        .split("\n")
        .map((line) => line.split(" ")[0])
        .sort(),
    ).toEqual(["ada", "bob", ...names]);
  });
});

test("a lock that a dead process left behind does not keep anybody out, a fresh one does", async () => {
  const { file, run } = users(BY_HAND);
  writeFileSync(`${file}.lock`, "");
  utimesSync(`${file}.lock`, new Date(0), new Date(0));
  expect((await run(["--delete", "ada"])).code).toBe(0);
  writeFileSync(`${file}.lock`, "");
  let isDone = false;
  const waiting = run(["--delete", "bob"]).then(() => {
    isDone = true;
  });
  await Bun.sleep(100); // Five tries of the one who waits.
  expect(isDone).toBe(false);
  rmSync(`${file}.lock`);
  await waiting;
  expect(isDone).toBe(true);
});

describe("the other actions", () => {
  test("--list shows names, roles and masks, and names what is wrong", async () => {
    const { code, out, error } = await users(`${BY_HAND.replace("# End.", "  eve: {}")}`).run(["--list"]);
    expect(code).toBe(0);
    expect(out).toBe("ada  admin  every model\nbob  user   gpt-.*");
    expect(error).toBe('"eve": password_hash is missing');
  });

  test("--validate names every wrong entry and exits with 1, and with 0 when all are good", async () => {
    expect(await users(BY_HAND).run(["--validate"])).toMatchObject({
      code: 0,
      out: expect.stringContaining("2 users"),
    });
    const { code, out } = await users(`a: {}\nb: { hash: "${HASH}", role: x }\nc: { hash: "${HASH}" }\n`).run([
      "--validate",
    ]);
    expect(code).toBe(1);
    expect(out).toBe('"a": password_hash is missing\n"b": role must be admin or user, not "x"');
  });

  test("--validate says when there is no file, and where YAML is broken", async () => {
    expect(await users().run(["--validate"])).toMatchObject({
      code: 1,
      error: expect.stringContaining("does not exist"),
    });
    expect(await users("a: [\n").run(["--validate"])).toMatchObject({
      code: 1,
      error: expect.stringContaining("line 2"),
    });
  });

  test("--generate-jwt writes a secret once, and another only with --force", async () => {
    const { run, folder } = users();
    const file = join(folder, "jwt.secret");
    expect((await run(["--generate-jwt", file])).code).toBe(0);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const first = readFileSync(file, "utf8");
    expect(first.trim().length).toBeGreaterThanOrEqual(32);
    expect(await run(["--generate-jwt", file])).toMatchObject({ code: 1, error: expect.stringContaining("--force") });
    expect(readFileSync(file, "utf8")).toBe(first);
    expect((await run(["--generate-jwt", file, "--force"])).code).toBe(0);
    expect(readFileSync(file, "utf8")).not.toBe(first);
  });

  test("--help names every flag", async () => {
    const { code, out } = await users().run(["--help"]);
    expect(code).toBe(0);
    const flags = ["-f", "-u", "-p", "-r", "-m", "--list", "--delete", "--validate", "--generate-jwt", "--force"];
    for (const flag of flags) expect(out).toContain(flag);
  });
});

const misunderstood: [args: string[], reason: string][] = [
  [[], "Usage:"],
  [["--usr", "ada"], "--usr"],
  [["-x"], "-x"],
  [["ada"], "ada"],
  [["-u"], "-u"],
  [["-r", "admin"], "--role only make"],
  [["--list", "-u", "ada"], "--list and --user do not go together"],
];
test.each(misunderstood)("%p exits with 2 and says why", async (args, reason) => {
  const { code, error } = await users().run(args);
  expect(code).toBe(2);
  expect(error).toContain(reason);
});

test("a password can be piped into the real process, which ends although the pipe stays open", async () => {
  const { file, signIn } = users();
  const source = (name: string): string => JSON.stringify(join(import.meta.dir, "../src", name));
  const script = `
    import { runUsers } from ${source("users.ts")};
    import { terminalIo } from ${source("terminal.ts")};
    process.exitCode = await runUsers(["-u", "ada"], terminalIo({ usersFile: ${JSON.stringify(file)} }, console));`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdin: "pipe", stdout: "pipe" });
  child.stdin.write(`${PASSWORD}\n`);
  child.stdin.flush();
  expect(await child.exited).toBe(0);
  expect(await child.stdout.text()).toBe(`Added ada in ${file}.\n`);
  expect((await signIn("ada", PASSWORD))?.username).toBe("ada");
});
