/**
 * `skeleton types [FOLDER]`: writes skeleton.d.ts and a tsconfig.json, so that an editor knows what a plugin may use, also beside the executable,
 * where there is no node_modules. What its owner has changed since is left alone.
 */

import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** In the executable, which has no compiler, as the build made it. */
const BUILT = join(import.meta.dir, "types/skeleton.d.ts.zst");
const PROJECT = join(import.meta.dir, "../");
const MAKER = join(import.meta.dir, "../test/support/declarations.ts");

/** No more than a plugin needs: the runtime reads this file as well. */
const TSCONFIG = {
  compilerOptions: {
    target: "ESNext",
    lib: ["ESNext"],
    module: "Preserve",
    moduleResolution: "bundler",
    types: [], // What the runtime has is in skeleton.d.ts.
    strict: true,
    noUncheckedIndexedAccess: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
  },
  include: ["**/*.ts"],
};

/** Returns the exit code. Throws an Error when the files cannot be made or written. */
export async function writeTypes(
  [folder, ...more]: readonly string[],
  pluginsPath: string,
  print: (line: string) => void,
): Promise<number> {
  if (more.length > 0 || folder?.startsWith("-")) {
    print("Usage: skeleton types [FOLDER]   FOLDER is the plugins folder when it is not given.");
    return 2;
  }
  const into = resolve(folder ?? pluginsPath);
  if (!Bun.isStandaloneExecutable && `${into}/`.startsWith(PROJECT)) {
    print(
      `Nothing is written: ${into} lies in the repository, whose own tsconfig.json gives plugins all of \`skeleton\`.`,
    );
    return 1;
  }
  const files = {
    "skeleton.d.ts": await declarations(),
    "tsconfig.json": `${JSON.stringify(TSCONFIG, null, 2)}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(into, name);
    const isWritten = await write(path, text);
    print(
      isWritten ? `${path} is written.` : `${path} was changed and stays as it is; remove it to have it written anew.`,
    );
  }
  return 0;
}

/** False when there is a file that was not written here, or that was changed since. */
async function write(path: string, text: string): Promise<boolean> {
  const file = Bun.file(path);
  if ((await file.exists()) && !isOurs(await file.text())) return false;
  await Bun.write(path, `${FIRST_LINE}${digest(text)}\n${text}`);
  return true;
}

const FIRST_LINE = "// Written by `skeleton types`, which writes it anew as long as nobody changed it: ";

function isOurs(text: string): boolean {
  const end = text.indexOf("\n");
  return text.slice(0, end) === `${FIRST_LINE}${digest(text.slice(end + 1))}`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** From source the project's compiler makes them of what the code is now. */
async function declarations(): Promise<string> {
  if (Bun.isStandaloneExecutable) {
    const bytes = await Bun.zstdDecompress(await Bun.file(BUILT).bytes());
    return new TextDecoder().decode(bytes);
  }
  const folder = await mkdtemp(join(tmpdir(), "skeleton-types-"));
  try {
    const path = join(folder, "skeleton.d.ts");
    const child = Bun.spawn([process.execPath, MAKER, path], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
    if (code !== 0) throw new Error(`The types cannot be made; are all packages installed? ${said.trim()}`);
    return await Bun.file(path).text();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
