/**
 * Python programs as counterparts. Each set of packages has an environment of its own, for they do not agree on versions of
 * what they need; it is kept beside the packages of npm, where no linter looks, so that the second run is a quick one.
 */

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../support/project";
import { collectOutput, type Output } from "../support/server-process";
import type { Stage } from "./counterpart";

const FOLDER = join(projectFolder, "node_modules/.cache/world");
const INSTALL_LIMIT_MS = 10 * 60_000; // The largest, LiteLLM's proxy, took two minutes.

export type Environment = { readonly python: string } | { readonly obstacle: string };

export async function prepareEnvironment(packages: readonly string[]): Promise<Environment> {
  const system = Bun.which("python3");
  if (!system) return { obstacle: "there is no python3 on this machine" };
  const folder = join(FOLDER, Bun.hash(packages.join(" ")).toString(36));
  const python = join(folder, "bin/python");
  const mark = join(folder, "installed");
  if (existsSync(mark)) return { python };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const made = await runQuietly([system, "-m", "venv", folder]);
  // Debian has pip for environments in a package of its own.
  if (made !== null) return { obstacle: `python3 cannot make an environment (Debian: python3-venv): ${made}` };
  const pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
  const installed = await runQuietly([...pip, ...packages]);
  if (installed !== null) return { obstacle: `pip cannot install ${packages.join(" ")}: ${installed}` };
  writeFileSync(mark, packages.join("\n"));
  return { python };
}

/** Null, or the last thing that it said. */
async function runQuietly(command: readonly string[]): Promise<string | null> {
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: INSTALL_LIMIT_MS,
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code === 0) return null;
  return `${stdout}\n${stderr}`.trim().split("\n").at(-1) || `it ended with ${code}`;
}

const LIFE_MS = 10 * 60_000; // It ends by itself, should nobody end it.
const START_LIMIT_MS = 120_000;

/** A server, which is ended with the stage. Its standard input stays open, so that it can end with this process. */
export function startService(stage: Stage, command: readonly string[], env: Record<string, string> = {}): Output {
  const child = Bun.spawn([...command], {
    cwd: stage.folder,
    env: { ...process.env, ...env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    timeout: LIFE_MS,
  });
  stage.atEnd(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  return collectOutput(START_LIMIT_MS, child.stdout, child.stderr);
}

/** Runs a client: it prints a line `ok WHAT` or `FAIL WHAT: WHY` for each of its checks (checks.py). */
export async function runClient(stage: Stage, script: string, ...args: readonly string[]): Promise<void> {
  const child = Bun.spawn([stage.python, join(import.meta.dir, script), ...args], {
    cwd: stage.folder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: LIFE_MS,
  });
  stage.atEnd(() => child.kill("SIGKILL"));
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  let count = 0;
  for (const line of stdout.split("\n")) {
    const [, verdict, what = "", why] = /^(ok|FAIL) ([^:]*)(?:: (.*))?$/.exec(line) ?? [];
    if (!verdict) continue;
    count++;
    stage.report(what, verdict === "ok" ? null : (why ?? "it does not say why"));
  }
  if (code !== 0 || count === 0)
    throw new Error(`${script} ended with ${code} after ${count} checks: ${stderr.slice(-2000)}`);
}
