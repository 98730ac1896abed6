import { describe, expect, test } from "bun:test";
import { markdown as renderIn } from "../../../views/markdown";
import { highlight } from "../../../views/markdown/code";
import { en } from "../../../views/words/en";
import { cpuMs } from "../../support/cpu";

const markdown = (text: string) => renderIn(text, en);

const CODE = `/* "x" */ const a = f('<b>', 1.5); // it's\n@D class Foo {}\n`;

describe("code", () => {
  test("has its comments, strings, numbers and words coloured", () => {
    expect(highlight(CODE, "ts")).toBe(
      '<span class="hl-comment">/* &quot;x&quot; */</span> <span class="hl-keyword">const</span> a = ' +
        '<span class="hl-title">f</span>(<span class="hl-string">&#x27;&lt;b&gt;&#x27;</span>, <span class="hl-number">1.5</span>); ' +
        '<span class="hl-comment">// it&#x27;s</span>\n<span class="hl-meta">@D</span> <span class="hl-keyword">class</span> <span class="hl-type">Foo</span> {}\n',
    );
    expect(highlight("+ a\n- b\n@@ c", "diff")).toMatch(/hl-addition.*\n.*hl-deletion.*\n.*hl-meta/);
    expect(highlight('{"a": "b", "c": true}', "json")).toMatch(/hl-attr.*hl-string.*hl-attr.*hl-keyword/);
    expect(highlight('<a href="x">&amp;</a><!-- c -->', "html")).toMatch(
      /hl-keyword.*hl-attr.*hl-string.*hl-number.*hl-keyword.*hl-comment/,
    );
    expect(highlight("select A from b -- c", "SQL")).toMatch(/keyword">select<.*keyword">from<.*hl-comment/);
    expect(highlight("let x: &'a str = 'b';", "rust")).toMatch(/&amp;&#x27;a <.*string">&#x27;b&#x27;</);
  });

  test("says what it said before, whatever the language", () => {
    const rewriter = (markup: string) => markup.replace(/<\/?span[^>]*>/g, "");
    for (const language of "js java c csharp go rust swift kotlin php python ruby perl bash yaml json css sql lua graphql diff markdown html".split(
      " ",
    ))
      for (const code of [CODE, "\"'`/*<!--", "a\\", "'''\n\"\"\"\n`b`\n#x\n<a b='c", "é$_ 😀 0x1F 1e9"])
        expect(rewriter(highlight(code, language))).toBe(Bun.escapeHTML(code));
  });

  test("is left plain while its fence is open, in a language nobody knows, and when it is long", () => {
    expect(markdown("```js\nlet a\n```").markup).toContain("hl-keyword");
    expect(markdown("```js\nlet a\n").markup).not.toContain("hl-");
    expect(markdown("- ```js\n  let a\n  ```").markup).toContain("hl-keyword");
    expect(highlight("let a", "klingon")).toBe("let a");
    expect(highlight("let a ".repeat(4000), "js")).not.toContain("hl-");
  });

  test("costs in proportion to its length, however hostile", () => {
    for (const piece of [
      "`\\",
      '"\\',
      "'''",
      "/*",
      "<a ",
      "<a \"'",
      "${",
      "a ",
      "[a](",
      "_",
      "1_",
      "\n",
      "<!--",
      "$",
      "--a",
    ]) {
      for (const language of ["js", "java", "python", "bash", "html", "css", "yaml", "sql", "markdown", "php"]) {
        const code = piece.repeat(20_000 / piece.length);
        highlight(code, language);
        expect(cpuMs(() => void highlight(code, language))).toBeLessThan(100);
      }
    }
  });
});
