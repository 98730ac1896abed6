/**
 * `bun test/support/generate-client.ts DOCUMENT FOLDER` makes a typed client of an API document. The generator builds its files by the
 * interface of the compiler, which TypeScript 7 does not have; it is given that of 6.
 */

import typescript from "@typescript/typescript6";

const [input = "", output = ""] = process.argv.slice(2);

Bun.plugin({
  name: "typescript 6",
  setup: (build) =>
    void build.module("typescript", () => ({ exports: { ...typescript, default: typescript }, loader: "object" })),
});
const { createClient } = await import("@hey-api/openapi-ts");

await createClient({ input, output, plugins: ["@hey-api/client-fetch"], logs: { level: "silent", file: false } });
