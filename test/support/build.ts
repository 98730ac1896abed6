/**
 * `bun run build`: dist/skeleton, one executable with everything inside. Identifiers are never minified: Elysia compares
 * constructor names, and with shortened ones its validation lets raw values through.
 */

import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { createDeclarations } from "./declarations";
import { installDependencies } from "./install";
import { projectFolder, runBun } from "./project";

const FLAGS = [
  "--compile",
  "--splitting", // What is imported when it is needed is not read before.
  "--minify-syntax",
  "--minify-whitespace",
  "--bytecode",
  "--format=esm", // Bytecode alone means CommonJS, which has no top-level await.
  "--sourcemap",
  "--define=process.env.NODE_ENV='production'",
  "--no-compile-autoload-bunfig", // A bunfig.toml in somebody's current folder could run code before ours.
  "--asset=public",
  "--asset=dist/types", // What `skeleton types` writes.
];

/** The later ones are of Workers, which nothing imports. */
const ENTRIES = ["src/main.ts", "src/formulas/worker.ts", "src/core/store/worker.ts"];

if (import.meta.main) {
  const begun = performance.now();
  await installDependencies(projectFolder);
  const path = join(projectFolder, "dist/skeleton");
  await build(path);
  const megabytes = (statSync(path).size / 1e6).toFixed(0);
  console.log(`dist/skeleton: ${megabytes} MB in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
}

/** Writes the executable. Throws with the compiler's words when it cannot be built. */
export async function build(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  await Bun.write(join(projectFolder, "dist/types/skeleton.d.ts.zst"), Bun.zstdCompressSync(createDeclarations()));
  const { code, output } = await runBun("build", ...FLAGS, ...ENTRIES, `--outfile=${path}`);
  if (code !== 0) throw new Error(`The build failed.\n${output}`);
  // The compiler leaves a map beside each part; the executable has them inside.
  for (const name of readdirSync(dirname(path))) if (name.endsWith(".map")) rmSync(join(dirname(path), name));
}
