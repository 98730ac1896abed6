/** `bun run check`: format, lint, types, layers, documentation and lock file, at once and in seconds. Run it before a commit. */

import { join } from "node:path";
import { installDependencies } from "./install";
import { type CommandOutcome, projectFolder, runBun, runTool } from "./project";

await installDependencies(projectFolder);

const checks: Record<string, Promise<CommandOutcome>> = {
  "format and lint (`bun run format` mends most)": runTool("biome", "check", "--error-on-warnings", "."),
  types: runTool("tsc", "--noEmit"),
  architecture: runBun("test", "./test/architecture.test.ts"),
  documentation: runBun("test", "./test/docs.test.ts"),
  "lock file": checkLockFile(),
};

let isGood = true;
for (const [name, check] of Object.entries(checks)) {
  const { code, output } = await check;
  console.log(`${code === 0 ? "ok    " : "FAILED"} ${name}`);
  if (code !== 0) console.log(output);
  isGood &&= code === 0;
}
process.exit(isGood ? 0 : 1);

/** A host in the lock file would tie everybody to the registry of whoever wrote it. */
async function checkLockFile(): Promise<CommandOutcome> {
  const lines = (await Bun.file(join(projectFolder, "bun.lock")).text()).split("\n");
  const bad = lines.filter((line) => line.includes("://"));
  return { code: bad.length > 0 ? 1 : 0, output: ["bun.lock names a host:", ...bad].join("\n") };
}
