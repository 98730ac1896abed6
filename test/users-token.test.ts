import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../src/basics/log";
import { createAuth } from "../src/core/auth";
import { hashPassword } from "../src/core/auth/passwords";
import { runUsers } from "../src/users";
import { temporaryFolder, testConfig } from "./support/temporary";
import { authCore } from "./support/test-core";

async function open() {
  const folder = temporaryFolder();
  const file = join(folder, "users.yaml");
  const write = async (password: string) => {
    const passwordHash = await hashPassword(password);
    writeFileSync(file, `users:\n  ada: { role: user, model_mask: demo, password_hash: "${passwordHash}" }\n`);
  };
  await write("correct horse");
  const core = authCore(
    testConfig(folder),
    createLog("error", () => {}),
  );
  const run = async (...args: string[]) => {
    const [out, error]: [string[], string[]] = [[], []];
    const code = await runUsers(args, {
      config: { ...core.config, usersFile: file },
      log: core.log,
      isTerminal: false,
      out: (line) => out.push(line),
      error: (line) => error.push(line),
      readSecret: async () => null,
      openStore: () => Promise.reject(new Error("no store is needed")),
    });
    return { code, out: out.join("\n"), error: error.join("\n") };
  };
  return { run, write, file, auth: () => createAuth(core) };
}

const daysLeft = (token: string) =>
  (JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).exp - Date.now() / 1000) / 86_400;

test("a token signs its user in, with role and mask as they are, for a year or as many days as are said", async () => {
  const { run, auth, file } = await open();
  const before = readFileSync(file, "utf8");
  const { code, out, error } = await run("--token", "ada");
  expect([code, error]).toEqual([0, ""]);
  expect(await auth().verifyToken(out)).toEqual({ username: "ada", role: "user", modelMask: "demo" });
  expect(daysLeft(out)).toBeCloseTo(365, 1);
  expect(daysLeft((await run("--token", "ada", "--days", "30")).out)).toBeCloseTo(30, 1);
  expect(readFileSync(file, "utf8")).toBe(before);
});

test("a token ends with the password that it was made under, and with the user", async () => {
  const { run, write, file, auth } = await open();
  const { out } = await run("--token", "ada");
  await write("another password");
  expect(await auth().verifyToken(out)).toBeNull();
  const { out: fresh } = await run("--token", "ada");
  expect(await auth().verifyToken(fresh)).toMatchObject({ username: "ada" });
  writeFileSync(file, "users: {}\n");
  expect(await auth().verifyToken(fresh)).toBeNull();
});

test.each([
  [["--token", "eve"], 1, 'There is no user "eve".'],
  [["--token", "ada", "--days", "0"], 1, "--days must be 1 to 3650."],
  [["--token", "ada", "--days", "4000"], 1, "--days must be 1 to 3650."],
  [["--token", "ada", "--days", "1e3"], 1, "--days must be 1 to 3650."],
  [["--list", "--days", "3"], 2, "--days only make sense with --token NAME."],
  [["--list", "--token", "ada"], 2, "--list and --token do not go together."],
])("%j makes none and says why", async (args, code, error) => {
  expect(await (await open()).run(...args)).toEqual({ code, out: "", error });
});
