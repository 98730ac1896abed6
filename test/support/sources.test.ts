import { expect, test } from "bun:test";
import { findCircle, functionsOf, importsOf, membersOf } from "./sources";

test("imports are found in every form, with what they lead to", () => {
  const text = [
    'import type { Core } from "../protocols";',
    'import {\n  AppError,\n  messageOf,\n} from "../basics/errors";',
    'export type * from "./absent";',
    'import "node:fs";',
    'const lazy = await import("openai");',
    '// import { x } from "commented";',
  ].join("\n");
  const found = importsOf({ path: "src/core/example.ts", text });
  expect(found.map(({ to, isPackage, isType }) => [to, isPackage, isType])).toEqual([
    ["src/protocols/index.ts", false, true],
    ["src/basics/errors.ts", false, false],
    ["src/core/absent", false, true],
    ["node:fs", true, false],
    ["openai", true, false],
  ]);
});

test("a circle is named in order, and a tree has none", () => {
  const edges = (...pairs: string[]) =>
    pairs.map((pair) => ({ from: pair[0] ?? "", to: pair[1] ?? "", isPackage: false, isType: false }));
  expect(findCircle(edges("ab", "bc", "cd", "db"))).toEqual(["b", "c", "d", "b"]);
  expect(findCircle(edges("ab", "ac", "bd", "cd"))).toBeNull();
});

test("functions are measured from name to closing brace, methods and arrows too, each without those inside it", () => {
  const text = `export function outer(
  a: string,
): void {
  const inner = async () => {
    a;
  };
  for (const x of a) {
    x;
  }
  return {
    async *method(b) {
      b;
    },
    short: (b) => {
      b;
    },
  };
}
const value = {
  a: 1,
};
const oneLine = () => 1;
`;
  expect(functionsOf({ path: "x.ts", text })).toEqual([
    { name: "outer", lines: 9 },
    { name: "inner", lines: 3 },
    { name: "method", lines: 3 },
    { name: "short", lines: 3 },
  ]);
});

test("members of an interface are its own, and not those of types inside it", () => {
  const text = `export interface Part extends Other {
  /** list(): of the comment. */
  list(): Promise<string[]>;

  describe?(model: string): void;
  find(
    owner: string,
    range?: { readonly from?: number },
  ): void;
  readonly provide?: { readonly [P in Name]?: string };
}
`;
  expect(membersOf([{ path: "x.ts", text }], "Part")).toEqual(["list", "describe", "find", "provide"]);
  expect(membersOf([{ path: "x.ts", text }], "Other")).toEqual([]);
});
