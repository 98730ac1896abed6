import { describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../../src/basics/log";
import { createYamlFile, type YamlFile } from "../../src/core/yaml-file";
import { temporaryFolder } from "../support/temporary";
import { until } from "../support/until";

interface Watched {
  readonly path: string;
  readonly file: YamlFile<unknown>;
  /** `LEVEL message` of every entry so far. */
  readonly lines: string[];
  parsed(): number;
}

function watch(content?: string): Watched {
  const path = join(temporaryFolder(), "things.yaml");
  if (content !== undefined) writeFileSync(path, content);
  const lines: string[] = [];
  let parses = 0;
  const parse = (found: unknown): unknown => {
    parses += 1;
    if (found === "unusable") throw new Error("It must be a map");
    return found;
  };
  const log = createLog("debug", (_, line) => lines.push(line.replace(/^\S+ /, "")));
  return { path, lines, parsed: () => parses, file: createYamlFile<unknown>({ path, missing: "nothing", parse, log }) };
}

/** How long it took until a plain `get` gave the value, in ms. */
function untilGet(file: YamlFile<unknown>, expected: unknown): Promise<number> {
  return until(() => Bun.deepEquals(file.get(), expected));
}

function replaceByFolder(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

describe("what get gives", () => {
  test("is the content of the file, from the first time on", () => {
    expect(watch("a: 1").file.get()).toEqual({ a: 1 });
  });

  test("is the value for a missing file while there is none, without an error", () => {
    const { file, lines } = watch();
    expect(file.get()).toBe("nothing");
    expect(file.problem()).toBeNull();
    expect(lines).toEqual([]);
  });

  test("is null for an empty file, which is not a missing one", () => {
    expect(watch("# nothing yet\n").file.get()).toBeNull();
  });

  test("is the same object until the file changes", () => {
    const { file, path, parsed } = watch("a: 1");
    const first = file.get();
    writeFileSync(path, "a: 1");
    expect(file.refresh()).toBe(first);
    expect(parsed()).toBe(1);
  });
});

describe("a change", () => {
  test("is seen by get within a second, and logged", async () => {
    const { file, path, lines } = watch("a: 1");
    file.get();
    writeFileSync(path, "a: 2");
    expect(await untilGet(file, { a: 2 })).toBeLessThan(1000);
    expect(lines).toEqual([`INFO things.yaml has changed and is in use file=${path}`]);
  });

  test("is seen even while somebody keeps writing", async () => {
    const { file, path } = watch("a: 1");
    file.get();
    const timer = setInterval(() => writeFileSync(path, "a: 2"), 10);
    try {
      expect(await untilGet(file, { a: 2 })).toBeLessThan(1000);
    } finally {
      clearInterval(timer);
    }
  });

  test("that a person is in the middle of saving is not read half-written", async () => {
    const { file, path } = watch("a: 1\nb: 2");
    file.get();
    await Bun.sleep(300); // Longer than between two looks, so that the next get does look.
    writeFileSync(path, "");
    expect(file.get()).toEqual({ a: 1, b: 2 });
    writeFileSync(path, "a: 1\nb: 3");
    expect(await untilGet(file, { a: 1, b: 3 })).toBeLessThan(1000);
  });

  test("made by renaming another file into place is seen, whatever its age", async () => {
    const { file, path } = watch("a: 1");
    file.get();
    writeFileSync(`${path}.new`, "a: 2");
    renameSync(`${path}.new`, path);
    expect(await untilGet(file, { a: 2 })).toBeLessThan(1000);
  });

  test("of the same length in the same instant is seen by refresh", () => {
    const { file, path } = watch("a: 1");
    for (let value = 2; value < 10; value += 1) {
      writeFileSync(path, `a: ${value}`);
      expect(file.refresh()).toEqual({ a: value });
    }
  });

  test("that creates or deletes the file is seen", async () => {
    const { file, path } = watch();
    file.get();
    writeFileSync(path, "a: 1");
    expect(await untilGet(file, { a: 1 })).toBeLessThan(1000);
    rmSync(path);
    expect(await untilGet(file, "nothing")).toBeLessThan(1000);
  });
});

describe("a file that cannot be used", () => {
  const broken: [what: string, breakIt: (path: string) => void, reason: string][] = [
    ["broken YAML", (path) => writeFileSync(path, "a: [1,\nb: 'x"), "line 2 is no YAML: "],
    ["refused content", (path) => writeFileSync(path, "unusable"), "It must be a map"],
    ["a folder", replaceByFolder, "It is not a file"],
  ];

  test.each(broken)("%s leaves the last good value in use", (_, breakIt, reason) => {
    const { file, path, lines } = watch("a: 1");
    file.get();
    breakIt(path);
    expect(file.refresh()).toEqual({ a: 1 });
    expect(file.problem()).toContain(reason);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toStartWith("ERROR things.yaml cannot be used");
    expect(lines[0]).toContain(path);
  });

  test("is logged once, not with every look, and parsed once", () => {
    const { file, path, lines, parsed } = watch("a: 1");
    file.get();
    writeFileSync(path, "unusable");
    for (let look = 0; look < 5; look += 1) file.refresh();
    expect(lines).toHaveLength(1);
    expect(parsed()).toBe(2);
  });

  test("is in use again once it is mended, also with the text it had before", () => {
    const { file, path, lines } = watch("a: 1");
    file.get();
    replaceByFolder(path);
    file.refresh();
    rmSync(path, { recursive: true });
    writeFileSync(path, "a: 1");
    expect(file.refresh()).toEqual({ a: 1 });
    expect(file.problem()).toBeNull();
    writeFileSync(path, "unusable");
    file.refresh();
    writeFileSync(path, "a: 2");
    expect(file.refresh()).toEqual({ a: 2 });
    expect(file.problem()).toBeNull();
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["ERROR", "ERROR", "INFO"]);
  });

  test("at the first look gives the value for a missing file, and says that there is a problem", () => {
    const { file } = watch("unusable");
    expect(file.get()).toBe("nothing");
    expect(file.problem()).toBe("It must be a map");
  });
});
