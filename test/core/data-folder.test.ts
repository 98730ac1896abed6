import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { requireDataFolder } from "../../src/core/data-folder";
import { temporaryFolder, testConfig } from "../support/temporary";

const requireFolder = (dataPath: string) => requireDataFolder(testConfig(dataPath, { dataPathGiven: "./mine" }));

test("a folder that can be written to stays as it is, and one that is missing is made", () => {
  const folder = temporaryFolder();
  requireFolder(folder);
  expect(readdirSync(folder)).toEqual([]);
  requireFolder(join(folder, "a/b"));
  expect(existsSync(join(folder, "a/b"))).toBe(true);
});

test("one that cannot be is named as it was given, with the reason and what to do", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "file"), "");
  symlinkSync("loop", join(folder, "loop"));
  mkdirSync(join(folder, "sub"));
  const cases = [
    ["file", "it is a file"],
    ["file/sub", "a part of the path is a file"],
    ["loop/sub", "it is a link that leads back to itself"],
    ["x".repeat(300), "name too long"],
  ] as const;
  for (const [path, why] of cases) {
    const required = () => requireFolder(join(folder, path));
    expect(required).toThrow(
      /^The data folder \.\/mine \(DATA_PATH\) cannot be written to: .*or set DATA_PATH to one\.$/,
    );
    expect(required).toThrow(why);
  }
});
