/**
 * `bun run test`: installs what is missing, runs every test file, says what was left out and ends with `N passed, N failed`. Each file gets a process
 * of its own, because one that exits with 0 in the middle of a test would otherwise pass for a success of all.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findChromium } from "./chromium";
import { installDependencies } from "./install";
import { projectFolder } from "./project";

export interface Outcome {
  readonly passed: number;
  readonly skipped: number;
  /** One line for each file with tests that were skipped. */
  readonly leftOut: readonly string[];
  /** One line for each failure. */
  readonly failures: readonly string[];
  /** The end of what `bun test` said of each file with a failure. */
  readonly said: readonly string[];
}

/** Whatever `bun test` takes for a test file, so that none is overlooked here. */
const TEST_FILES = new Bun.Glob("test/**/*{.,_}{test,spec}.{ts,tsx,mts,cts,js,jsx,mjs,cjs}");

const FOR_WANT_OF_BROWSER = ", for want of a browser";
const HOW_TO_GET_BROWSER = "Install Chromium, or name one in CHROMIUM, to run what was left out for want of a browser.";

const LANES = 2; // As many as the processors of a small machine.
const SAID_LINES = 60; // Two or three failures with their stacks.
const FILE_LIMIT_MS = 10 * 60_000; // The slowest file takes a minute or two; one that hangs must not take CI's half hour.

if (import.meta.main) process.exit(await main(process.argv.slice(2)));

/** Runs the files whose path contains one of the words (all, without words). */
async function main(words: readonly string[]): Promise<number> {
  await installDependencies(projectFolder);
  const chromium = findChromium();
  if (!chromium) console.log("No Chromium here (set CHROMIUM to its path): the browser tests are left out.");
  const env = { ...process.env, ...(chromium ? { CHROMIUM: chromium } : {}) };

  const print = (text: string) => void process.stdout.write(text);
  const outcome = await runFiles({ root: projectFolder, words, env, hasBrowser: chromium !== null, print });
  // Once more: who reads the end of a long log finds out why, and not only what.
  for (const said of outcome.said) console.log(said);
  for (const failure of outcome.failures) console.log(`FAILED ${failure}`);
  for (const line of outcome.leftOut) console.log(`LEFT OUT ${line}`);
  if (outcome.leftOut.some((line) => line.includes(FOR_WANT_OF_BROWSER))) console.log(HOW_TO_GET_BROWSER);
  const skipped = outcome.skipped > 0 ? `, ${outcome.skipped} skipped` : "";
  console.log(`${outcome.passed} passed, ${outcome.failures.length} failed${skipped}`);
  return outcome.failures.length === 0 ? 0 : 1;
}

export interface TestRun {
  /** The folder with `test/`. */
  readonly root: string;
  readonly words: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly hasBrowser: boolean;
  print(text: string): void;
}

/** Runs the test files of a project, two at a time and then those that need the machine alone, and says how each went. */
export async function runFiles(run: TestRun): Promise<Outcome> {
  const { root, words } = run;
  const files = [...TEST_FILES.scanSync({ cwd: root })]
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort();
  const outcomes = new Map<string, Outcome>();
  const isAlone = await Promise.all(files.map((file) => needsMachineAlone(join(root, file))));
  const inLanes = async (chosen: readonly string[], lanes: number) => {
    const left = chosen.values();
    const lane = async () => {
      for (const file of left) outcomes.set(file, await runShown(file, run));
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  };
  await inLanes(
    files.filter((_, at) => !isAlone[at]),
    LANES,
  );
  await inLanes(
    files.filter((_, at) => isAlone[at]),
    1,
  );
  const inOrder = files.flatMap((file) => outcomes.get(file) ?? []);
  return {
    passed: inOrder.reduce((sum, { passed }) => sum + passed, 0),
    skipped: inOrder.reduce((sum, { skipped }) => sum + skipped, 0),
    leftOut: inOrder.flatMap(({ leftOut }) => leftOut),
    failures: files.length > 0 ? inOrder.flatMap(({ failures }) => failures) : ["no test file was found"],
    said: inOrder.flatMap(({ said }) => said),
  };
}

/** Tests of the page ask for `noBrowser` of browser.ts. */
async function whyLeftOut(path: string, hasBrowser: boolean): Promise<string> {
  const asksForBrowser = /\bnoBrowser\b/.test(await Bun.file(path).text());
  return asksForBrowser && !hasBrowser ? FOR_WANT_OF_BROWSER : "";
}

/** A file says so in its opening comment, with the reason: it measures, or a browser in it waits for the processor. */
async function needsMachineAlone(path: string): Promise<boolean> {
  const [opening = ""] = (await Bun.file(path).text()).split("*/", 1);
  return opening.includes("Needs the machine alone");
}

async function runShown(file: string, run: TestRun): Promise<Outcome> {
  const begun = performance.now();
  const outcome = await runFile(file, run);
  const { skipped } = outcome;
  const leftOut = skipped > 0 ? [`${file}: ${skipped}${await whyLeftOut(join(run.root, file), run.hasBrowser)}`] : [];
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const failed = outcome.failures.length > 0 ? `, ${outcome.failures.length} FAILED` : "";
  run.print(`${file}: ${outcome.passed} passed${failed} (${seconds} s)\n`);
  return { ...outcome, leftOut };
}

/** What tests print shows at once; what `bun test` says of them shows only when something failed. */
async function runFile(file: string, { root, env, print }: TestRun): Promise<Omit<Outcome, "leftOut">> {
  const folder = mkdtempSync(join(tmpdir(), "skeleton-report-"));
  const report = join(folder, "junit.xml");
  try {
    const child = Bun.spawn(
      [process.execPath, "test", "--no-orphans", "--reporter=junit", `--reporter-outfile=${report}`, `./${file}`],
      { cwd: root, env, stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: FILE_LIMIT_MS },
    );
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const outcome = await readReport(file, report, child.signalCode ?? code);
    print(stdout.replace(/^bun test v.*\n/, ""));
    if (outcome.failures.length === 0) return { ...outcome, said: [] };
    print(`${stderr}\n`);
    return { ...outcome, said: [stderr.trimEnd().split("\n").slice(-SAID_LINES).join("\n")] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The report alone is not believed: it lacks a file that did not load and errors between tests, and is missing after an exit. */
async function readReport(
  file: string,
  report: string,
  ended: number | NodeJS.Signals,
): Promise<Omit<Outcome, "said" | "leftOut">> {
  const xml = await Bun.file(report)
    .text()
    .catch(() => "");
  const cases = [...xml.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs)];
  const failures = cases.filter((it) => it[2]?.includes("<failure")).map((it) => `${file}: ${plain(it[1] ?? "")}`);
  const skipped = cases.filter((it) => it[2]?.includes("<skipped")).length;
  const passed = cases.length - failures.length - skipped;
  if (ended !== 0 && failures.length === 0) failures.push(`${file}: an error outside the tests (${ended})`);
  if (ended === 0 && cases.length === 0)
    failures.push(`${file}: ended without a report; does it have a test, or does one exit?`);
  return { passed, skipped, failures };
}

function plain(xml: string): string {
  const names: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return xml
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/&(\w+);/g, (all, name) => names[name] ?? all);
}
