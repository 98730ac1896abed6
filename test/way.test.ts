/**
 * Holds the two figures that a newcomer feels: how much code one plain message runs through, and how much CONTRIBUTING's reading list
 * asks to be read. They are raised by a decision record alone, and never met by putting two subjects into one file.
 * Needs the machine alone: a busy one runs lines for what comes late, which would be counted.
 */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "./support/project";
import { temporaryFolder } from "./support/temporary";

// What the code needs, and not the aim: docs/decisions/0054-how-much-one-message-runs.md says why.
const FILES_MAX = 64;
const LINES_MAX = 2350;
const READING_LINES_MAX = 6000;

test(`one plain message runs lines of at most ${FILES_MAX} files, and ${LINES_MAX} lines`, async () => {
  // One after the other: a line that only a busy machine runs would be counted.
  const [unsent, sent] = [await linesRun("unsent"), await linesRun("sent")];
  const own = [...sent].map(([file, lines]) => ({ file, lines: lines.difference(unsent.get(file) ?? new Set()).size }));
  const way = own.filter(({ file, lines }) => /^(?:src|views)\//.test(file) && lines > 0);
  const lines = way.reduce((sum, it) => sum + it.lines, 0);
  console.log(`One plain message runs ${lines} lines of ${way.length} files.`);
  if (process.env.WAY) console.table(way.toSorted((a, b) => b.lines - a.lines));
  expect(way.map(({ file }) => file)).toContain("src/turn/run.ts");
  expect(way.length).toBeLessThanOrEqual(FILES_MAX);
  expect(lines).toBeLessThanOrEqual(LINES_MAX);
}, 30_000);

test(`the reading list of CONTRIBUTING has at most ${READING_LINES_MAX} lines`, () => {
  const guide = readFileSync(join(projectFolder, "CONTRIBUTING.md"), "utf8");
  const [, list = ""] = guide.split(/^## Reading list$/m);
  const paths = [...(list.split(/^## /m)[0] ?? "").matchAll(/`((?:src|views)\/[\w/.-]+)`/g)].map(
    ([, path = ""]) => path,
  );
  const files = [...new Set(paths.flatMap(filesOf))];
  const lines = files.reduce(
    (sum, file) => sum + readFileSync(join(projectFolder, file), "utf8").split("\n").length - 1,
    0,
  );
  console.log(`The reading list has ${lines} lines in ${files.length} files.`);
  expect(files.length).toBeGreaterThan(10);
  expect(lines).toBeLessThanOrEqual(READING_LINES_MAX);
});

/** The files of a folder, or the file itself. */
function filesOf(path: string): string[] {
  if (!path.endsWith("/")) return [path];
  return [...new Bun.Glob("**/*.ts").scanSync(join(projectFolder, path))].map((file) => path + file);
}

/** Numbers of the lines that the scenario ran, by file. */
async function linesRun(kind: "sent" | "unsent"): Promise<Map<string, Set<number>>> {
  const folder = temporaryFolder();
  const options = ["--coverage", "--coverage-reporter=lcov", "--coverage-dir", folder];
  const running = Bun.spawn([process.execPath, "test", ...options, "./test/support/plain-message.ts"], {
    cwd: projectFolder,
    env: { ...process.env, PLAIN_MESSAGE: kind },
    stdout: "ignore",
    stderr: "pipe",
  });
  const [code, output] = [await running.exited, await new Response(running.stderr).text()];
  expect({ code, output: code === 0 ? "" : output }).toEqual({ code: 0, output: "" });
  const lines = new Map<string, Set<number>>();
  let file = new Set<number>();
  for (const entry of readFileSync(join(folder, "lcov.info"), "utf8").split("\n")) {
    const [name, value = ""] = entry.split(":");
    if (name === "SF") {
      file = new Set();
      lines.set(value, file);
    } else if (name === "DA") {
      const [line, count] = value.split(",").map(Number);
      if (line && count) file.add(line);
    }
  }
  return lines;
}
