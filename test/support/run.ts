/**
 * `bun run test`: installs what is missing, runs every test file, says what was left out and which files took longest, and ends with
 * `N passed, N failed`. Some files share a process, since loading the server takes longer than most of them; when one of them fails, each runs
 * once more by itself, so that what is said of a file is said of it alone.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findChromium } from "./chromium";
import { installDependencies } from "./install";
import { projectFolder, TEST_LIMIT_MS } from "./project";

export interface Outcome {
  readonly passed: number;
  readonly skipped: number;
  /** One line for each file with tests that were skipped. */
  readonly leftOut: readonly string[];
  /** One line for each failure. */
  readonly failures: readonly string[];
  /** The end of what `bun test` said of each file with a failure. */
  readonly said: readonly string[];
  /** Seconds that the tests of each file took. */
  readonly seconds: ReadonlyMap<string, number>;
}

/** Whatever `bun test` takes for a test file, so that none is overlooked here. */
const TEST_FILES = new Bun.Glob("test/**/*{.,_}{test,spec}.{ts,tsx,mts,cts,js,jsx,mjs,cjs}");

const FOR_WANT_OF_BROWSER = ", for want of a browser";
const HOW_TO_GET_BROWSER = "Install Chromium, or name one in CHROMIUM, to run what was left out for want of a browser.";

const TOGETHER = 10; // Files in a process. What is left open of each stays so until the last has run.
const BROWSER_TOGETHER = 2; // Fewer, because each takes long, and all lanes shall have something to do to the end.
const SLOWEST = 10;
const SAID_LINES = 60; // Two or three failures with their stacks.
const PROCESS_LIMIT_MS = 10 * 60_000; // The slowest takes a minute or two; one that hangs must not take CI's half hour.

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
  const slowest = [...outcome.seconds].sort(([, one], [, other]) => other - one).slice(0, SLOWEST);
  console.log(`The slowest: ${slowest.map(([file, seconds]) => `${file} ${seconds.toFixed(1)} s`).join(", ")}.`);
  console.log(`${outcome.passed} passed, ${outcome.failures.length} failed`);
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

/** Runs the test files of a project in three lanes, and then those that need the machine alone, and says how each went. */
export async function runFiles(run: TestRun): Promise<Outcome> {
  const { root, words } = run;
  const names = [...TEST_FILES.scanSync({ cwd: root })]
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort();
  const files = await Promise.all(names.map((name) => readFile(root, name)));
  const outcomes: FileOutcome[] = [];
  const inLane = async (next: () => readonly TestFile[] | undefined) => {
    for (let group = next(); group; group = next()) outcomes.push(...(await runGroup(group, run)));
  };

  const groups = groupsOf(files.filter(({ isAlone }) => !isAlone));
  // Three for two processors: a browser takes more than one of them, and most other tests wait most of their time. They come from
  // both ends, so that as long as there is anything else, one browser runs and not two; three never do.
  const lastButBrowser = () => (groups.at(-1)?.some(({ isOfBrowser }) => isOfBrowser) ? undefined : groups.pop());
  await Promise.all([inLane(() => groups.shift()), inLane(() => groups.pop()), inLane(lastButBrowser)]);
  const alone = files.filter(({ isAlone }) => isAlone).map((file) => [file]);
  await inLane(() => alone.shift());

  const inOrder = outcomes.sort((one, other) => (one.file < other.file ? -1 : 1));
  return {
    passed: inOrder.reduce((sum, { passed }) => sum + passed, 0),
    skipped: inOrder.reduce((sum, { skipped }) => sum + skipped, 0),
    leftOut: inOrder.flatMap(({ leftOut }) => leftOut),
    failures: files.length > 0 ? inOrder.flatMap(({ failures }) => failures) : ["no test file was found"],
    said: inOrder.flatMap(({ said }) => said),
    seconds: new Map(inOrder.map(({ file, seconds }) => [file, seconds])),
  };
}

interface TestFile {
  readonly name: string;
  /** Its opening comment says so, with the reason. */
  readonly isAlone: boolean;
  readonly isOfBrowser: boolean;
}

async function readFile(root: string, name: string): Promise<TestFile> {
  const text = await Bun.file(join(root, name)).text();
  const [opening = ""] = text.split("*/", 1);
  // Tests of the page ask for `noBrowser` of browser.ts.
  return { name, isAlone: opening.includes("Needs the machine alone"), isOfBrowser: /\bnoBrowser\b/.test(text) };
}

/** What runs in a process each: the browser's first, since they take longest. The same files give the same groups. */
function groupsOf(files: readonly TestFile[]): (readonly TestFile[])[] {
  const inGroups = (chosen: readonly TestFile[], size: number) =>
    Array.from({ length: Math.ceil(chosen.length / size) }, (_, at) => chosen.slice(at * size, (at + 1) * size));
  const [others = [], ofBrowser = []] = [false, true].map((is) =>
    files.filter(({ isOfBrowser }) => isOfBrowser === is),
  );
  return [...inGroups(ofBrowser, BROWSER_TOGETHER), ...inGroups(others, TOGETHER)];
}

interface FileOutcome extends Omit<Outcome, "seconds"> {
  readonly file: string;
  readonly seconds: number;
}

/** What tests print shows at once; what `bun test` says of them shows only when something failed. */
async function runGroup(group: readonly TestFile[], run: TestRun): Promise<FileOutcome[]> {
  const { reports, stdout, stderr } = await runProcess(group, run);
  const isGood = reports.every(({ failures }) => failures.length === 0);
  if (!isGood && group.length > 1) return runEachAlone(group, reports, stderr, run);
  run.print(stdout.replace(/^bun test v.*\n/, ""));
  if (!isGood) run.print(`${stderr}\n`);
  const said = isGood ? [] : [stderr.trimEnd().split("\n").slice(-SAID_LINES).join("\n")];
  return reports.map((report, at) => {
    const { file, passed, skipped, failures, seconds } = report;
    const failed = failures.length > 0 ? `, ${failures.length} FAILED` : "";
    run.print(`${file}: ${passed} passed${failed} (${seconds.toFixed(1)} s)\n`);
    const why = group[at]?.isOfBrowser && !run.hasBrowser ? FOR_WANT_OF_BROWSER : "";
    return { ...report, said, leftOut: skipped > 0 ? [`${file}: ${skipped}${why}`] : [] };
  });
}

/** One that fails beside others and not alone is a failure all the same: either of its own, or of one that leaves something behind. */
async function runEachAlone(
  group: readonly TestFile[],
  reports: readonly Report[],
  stderr: string,
  run: TestRun,
): Promise<FileOutcome[]> {
  const outcomes: FileOutcome[] = [];
  for (const file of group) outcomes.push(...(await runGroup([file], run)));
  const [first, ...rest] = outcomes;
  if (!first || outcomes.some(({ failures }) => failures.length > 0)) return outcomes;
  run.print(`${stderr}\n`);
  const files = group.map(({ name }) => name).join(" ");
  const failures = reports.flatMap((report) => report.failures.map((it) => `${it} (only in one process: ${files})`));
  return [{ ...first, failures, said: [stderr.trimEnd().split("\n").slice(-SAID_LINES).join("\n")] }, ...rest];
}

type Report = Omit<FileOutcome, "said" | "leftOut">;

async function runProcess(group: readonly TestFile[], { root, env }: TestRun) {
  const folder = mkdtempSync(join(tmpdir(), "skeleton-report-"));
  const report = join(folder, "junit.xml");
  const files = group.map(({ name }) => name);
  try {
    const child = Bun.spawn(
      [
        ...[
          process.execPath,
          "test",
          "--no-orphans",
          `--timeout=${TEST_LIMIT_MS}`,
          "--reporter=junit",
          `--reporter-outfile=${report}`,
        ],
        ...files.map((file) => `./${file}`),
      ],
      { cwd: root, env, stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: PROCESS_LIMIT_MS },
    );
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const xml = await Bun.file(report)
      .text()
      .catch(() => "");
    return { reports: readReports(files, xml, child.signalCode ?? code), stdout, stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The report alone is not believed: it lacks files that did not load and errors between tests, and is missing after an exit. */
function readReports(files: readonly string[], xml: string, ended: number | NodeJS.Signals): Report[] {
  const cases = [...xml.matchAll(/<testcase name="([^"]*)"([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)].map(
    ([, name = "", attributes = "", inner = ""]) => ({
      name: plain(name),
      file: plain(/ file="([^"]*)"/.exec(attributes)?.[1] ?? ""),
      seconds: Number(/ time="([\d.]+)"/.exec(attributes)?.[1] ?? 0),
      end: inner.includes("<failure") ? "failed" : inner.includes("<skipped") ? "skipped" : "passed",
    }),
  );
  const reports = files.map((file) => {
    const own = cases.filter((it) => it.file === file);
    const ending = (end: string) => own.filter((it) => it.end === end);
    const failures = ending("failed").map(({ name }) => `${file}: ${name}`);
    if (own.length === 0 && ended === 0)
      failures.push(`${file}: ended without a report; does it have a test, or does one exit?`);
    const seconds = own.reduce((sum, it) => sum + it.seconds, 0);
    return { file, passed: ending("passed").length, skipped: ending("skipped").length, failures, seconds };
  });
  const [first] = reports;
  if (ended !== 0 && first && reports.every(({ failures }) => failures.length === 0))
    first.failures.push(`${first.file}: an error outside the tests (${ended})`);
  return reports;
}

function plain(xml: string): string {
  const names: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return xml
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/&(\w+);/g, (all, name) => names[name] ?? all);
}
