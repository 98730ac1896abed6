/** Installs the dependencies when they are not there, so that the commands of the README work on a fresh clone. */

import { existsSync } from "node:fs";
import { join } from "node:path";

export async function installDependencies(root: string): Promise<void> {
  const missing = await missingDependencies(root);
  if (missing.length === 0) return;
  console.log(`Installing dependencies (missing: ${missing.join(", ")})`);
  const child = Bun.spawn([process.execPath, "install", "--frozen-lockfile"], {
    cwd: root,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  if ((await child.exited) !== 0) throw new Error("`bun install --frozen-lockfile` failed; see above.");
}

async function missingDependencies(root: string): Promise<string[]> {
  const { dependencies, devDependencies } = await Bun.file(join(root, "package.json")).json();
  return Object.keys({ ...dependencies, ...devDependencies }).filter(
    (name) => !existsSync(join(root, "node_modules", name, "package.json")),
  );
}
