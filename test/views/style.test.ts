/** The style and the views agree: no rule for what no view shows, and no class that is there for nothing. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../support/project";
import { readSources } from "../support/sources";

/** Classes without a rule of ours. */
const HOOKS: Readonly<Record<string, string>> = {
  again: "the buttons that have a reply written anew",
  earlier: "where the page loads upwards: the script keeps the reader's place",
  part: "any part of a reply",
  waiting: "a call that waits for an answer",
  denied: "a call that was not allowed",
};

const read = (path: string) => readFileSync(join(projectFolder, path), "utf8");
const style = read("public/style.css").replace(/\/\*[\s\S]*?\*\//g, "");
const script = read("public/chat.js") + read("public/copy.js");
const views = readSources("views").filter(({ path }) => !path.startsWith("views/words/"));

const selectors = [...style.matchAll(/([^{};]+)\{/g)].map(([, selector = ""]) => selector);
const styled = new Set(
  selectors.flatMap((selector) => [...selector.matchAll(/\.([a-z][\w-]*)/g)].map((it) => it[1] ?? "")),
);

/** Those that stand in an attribute, also as a choice there. */
function writtenIn(text: string): string[] {
  const values = [...text.matchAll(/class="((?:[^"$]|\$\{[^}]*\})*)"/g)].map(([, value = ""]) => value);
  return values.flatMap((value) => {
    const choices = [...value.matchAll(/\$\{[^}]*\}/g)].flatMap(([code]) => [...code.matchAll(/"([^"]*)"/g)]);
    return [...choices.map((it) => it[1] ?? ""), value.replace(/\S*\$\{[^}]*\}/g, " ")].join(" ").trim().split(/\s+/);
  });
}

const written = new Set(views.flatMap(({ text }) => writtenIn(text)).filter((name) => /^[a-z][\w-]*$/.test(name)));

describe("the style", () => {
  test("has a rule for each class that a view writes, or it is known what else that is for", () => {
    const others = [...written].filter((name) => !styled.has(name));
    expect(others.sort()).toEqual(Object.keys(HOOKS).sort());
  });

  test("has no rule for a class that no view and no script writes", () => {
    // Some are put together: a state, a kind of code, a page's name. They stand somewhere as a word of their own.
    const sources = [
      ...views.map(({ text }) => text),
      script,
      ...readSources("src/protocols", "src/formulas").map(({ text }) => text),
    ].join("\n");
    const isKnown = (name: string) => new RegExp(`["'\`(|\\s]${name.replace(/^hl-/, "")}["'\`)|\\s:]`).test(sources);
    expect([...styled].filter((name) => !written.has(name) && !isKnown(name))).toEqual([]);
  });

  test("uses each of its colours and measures, and no other", () => {
    const names = (pattern: RegExp) => new Set([...style.matchAll(pattern)].map((it) => it[1]));
    const [defined, used] = [names(/^\s*(--[\w-]+):/gm), names(/var\((--[\w-]+)/g)];
    expect(used).toEqual(defined);
  });

  test("has sides by where text begins and ends, but in formulas, which have a left and a right", () => {
    const rules = [...style.matchAll(/([^{};]+)\{([^{}]*)\}/g)].filter(
      ([, selector = ""]) => !selector.includes(".tml-"),
    );
    const sided =
      /(?:^|[\s;])((?:(?:margin|padding|border|scroll-margin)-)?(?:left|right)\b[^;]*|text-align:\s*(?:left|right)|float: (?:left|right))/g;
    expect(rules.length).toBeGreaterThan(100);
    const found = rules.flatMap(([, selector = "", body = ""]) =>
      [...body.matchAll(sided)].map(([, declaration]) => `${selector.trim()}: ${declaration}`),
    );
    expect(found.filter((it) => !it.includes("center /"))).toEqual([]);
  });

  test("says the same of nothing twice", () => {
    const rules = [...style.matchAll(/(?<=^|\}\n|\{\n)\s*([^{}@;]+)\{([^{}]*)\}/g)].map(
      ([, selector = "", body = ""]) => ({
        selector: selector.trim(),
        body: body.replace(/\s+/g, " ").trim(),
      }),
    );
    expect(rules.length).toBeGreaterThan(100);
    const long = rules.filter(({ body }) => body.split(";").length > 3);
    const twice = [...Map.groupBy(long, ({ body }) => body).values()].filter((alike) => alike.length > 1);
    expect(twice.map((alike) => alike.map(({ selector }) => selector))).toEqual([]);
  });
});
