import { describe, expect, test } from "bun:test";
import { markdown as renderIn } from "../../../views/markdown";
import { en } from "../../../views/words/en";
import { cpuMs } from "../../support/cpu";

const markdown = (text: string) => renderIn(text, en);

const render = (text: string) => markdown(text).markup.trim();

describe("formulas", () => {
  test.each(["$x^2$", "\\(x^2\\)"])("%p stands in its line", (text) => {
    expect(render(`a ${text}, b`)).toMatch(/^<p>a <math [^>]*><semantics>.*<msup>.*<\/math>, b<\/p>$/);
  });

  test.each(["$$x^2$$", "\\[x^2\\]", "$$\nx^2\n$$", "\\[\n x^2\n\\]"])("%p stands alone", (text) => {
    expect(render(`a\n${text}\nb`)).toMatch(
      /^<p>a<\/p>\n<div class="formula" tabindex="0"><math [\s\S]*display="block"[\s\S]*<\/div>\n<p>b<\/p>$/,
    );
  });

  test.each([
    "It costs $5 and $10.",
    "from $5 to 10$ at most",
    "$5-$10",
    "US$5 or US$6",
    "a $ b $ c",
    "\\$x\\$ and `$x$`",
    "$x\n\ny$",
    "$$\nx\n\ny\n$$",
  ])("%p is none", (text) => {
    expect(render(text)).not.toContain("<math");
  });

  test("are shown as they were written when they cannot be drawn, or define macros", () => {
    expect(render("$\\frac{1}$")).toBe('<p><code class="formula">\\frac{1}</code></p>');
    expect(render("$\\def\\a{\\b\\b}\\a$")).toContain("<code");
    expect(render(`$${"x".repeat(990)}$`)).toContain("<math");
    expect(render(`$${"x".repeat(1001)}$`)).not.toContain("<math");
  });

  test("bring no style, no address and no markup of their own", () => {
    for (const source of [
      "\\color{red}{x} \\colorbox{red}{y} \\rule{1em}{9999em} \\cancel{x}",
      "\\href{javascript:alert(1)}{x}",
      "\\includegraphics{https://e.com/x.png}",
      "\\htmlStyle{color:red}{x}",
      "\\text{</math><script>alert(1)</script>}",
      "\\unicode{x3c}script>",
    ])
      expect(render(`$$${source}$$`)).not.toMatch(/ style=| href=| src=|<script|height="9999/);
  });

  test("cost little whatever they hold", () => {
    markdown("$x$");
    const sources = [
      "{".repeat(450) + "}".repeat(450),
      `${"\\frac{".repeat(90)}1${"}{1}".repeat(90)}`,
      "x'''".repeat(240),
      `\\begin{matrix}${"&".repeat(900)}\\end{matrix}`,
      `${"\\hat{".repeat(140)}x${"}".repeat(140)}`,
      "\\left(".repeat(70) + "\\right)".repeat(70),
      "a_{".repeat(200) + "}".repeat(200),
    ];
    for (const source of sources) {
      expect(cpuMs(() => void markdown(`$$${source}$$`))).toBeLessThan(200);
    }
    expect(
      render(Array.from({ length: 4000 }, (_, n) => `$x_{${n}} + y$`).join(" ")).split("<math").length,
    ).toBeLessThan(3000);
  });
});
