import { describe, expect, test } from "bun:test";
import { openMarkdown, markdown as renderIn } from "../../../views/markdown";
import { en } from "../../../views/words/en";
import { cpuMs } from "../../support/cpu";

const markdown = (text: string) => renderIn(text, en);

const render = (text: string) => markdown(text).markup.trim();

const texOf = (markup: string) =>
  [...markup.matchAll(/<annotation encoding="application\/x-tex">([^<]*)</g)].map(([, tex]) => tex);

describe("formulas", () => {
  test.each([
    ["the $n$th of the $k$s and $x$-axes", ["n", "k", "x"]],
    ["let $ x = 1 $ and $ n $, $ \\alpha + 2 $, $ 2x = 4 $, $ f(x) = \\text{if odd} $", 5],
    ["$$\na\n\n= b\n$$\n\nand\n\n\\[\n\na + b\n\n= c\n\n\\]\n\nend", 2],
    ["so\n\\begin{align}\na &= b \\\\\n\nc &= d\n\\end{align}\nend", 1],
    ["- item\n\n  \\begin{cases}\n  a \\\\ b\n  \\end{cases}\n", 1],
    ["\\begin{equation*}x\\end{equation*}", 1],
    ["The matrix \\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix} is one.", 1],
    ["\\[ a\n\n= b \\]\n\n$$ \\text{if this is so}\n\n= c $$", 2],
  ])("%p is as many as it has", (text, wanted) => {
    const found = texOf(render(text));
    expect(typeof wanted === "number" ? found.length : found).toEqual(wanted as never);
    expect(render(text).replace(/<annotation[\s\S]*?<\/annotation>/g, "")).not.toMatch(/\$|\\\[|begin/);
  });

  test("are what a block of code in the language math holds, once it is closed", () => {
    const text = "so\n\n```math\na + b\n\n= c\n```\n\n- in a list\n  ~~~Math\n  d\n  ~~~\n";
    expect(texOf(render(text))).toEqual(["a + b\n\n= c", "d"]);
    for (const code of ["```math\na + b", "```math\n```", "```mathematica\na + b\n```"]) {
      expect(render(code)).toContain('<figure class="code">');
      expect(texOf(render(code))).toEqual([]);
    }
    expect(openMarkdown("```math\na + b\n", en).openFence).toBe("```");
    expect(openMarkdown("```math\na + b\n```\n", en)).toMatchObject({ finished: 18, openFence: null });
  });

  test.each([
    ["\\mathbb{R} \\mathbf{E}", ["ℝ", "𝐄"]],
    ["\\left( \\frac{a}{b} \\right)", ['fence="true"', "<mfrac>"]],
    ["\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}", ['class="tml-right tml-left-none', 'class="tml-left tml-']],
    ["\\begin{cases} 1 & x > 0 \\\\ 0 & \\text{else} \\end{cases}", ["{", "<mtr>", "else"]],
    ["\\ce{2H2 + O2 -> 2H2O}", ["<mn>2</mn>", "H", "→"]],
    ["\\begin{array}{c|c} 1 & 2 \\\\ \\hline 3 & 4 \\end{array}", ["tml-line-right", "tml-line-bottom"]],
    ["\\require{cancel} \\cancel{x}", ['class="tml-cancel upstrike"']],
    ["\\begin{align} a &= b \\label{one} \\nonumber \\end{align}", ["<mtable"]],
  ])("%p is drawn with what browsers know", (source, wanted) => {
    const markup = render(`$$${source}$$`);
    expect(wanted.filter((it) => !markup.includes(it))).toEqual([]);
    expect(markup).not.toMatch(/ style=|mathvariant="(?!normal)|columnalign/);
  });

  test("that are drawn elsewhere are looked up by their source, and shown as that until they are there", () => {
    const long = `x${"+x".repeat(400)}`;
    const asked: unknown[] = [];
    const find = (...of: unknown[]) => {
      asked.push(of);
      return null;
    };
    expect(render(`$$${long}$$`)).toBe(`<code class="formula">${long}</code>`);
    expect(renderIn(`\\(${long}\\)`, en, { find }).markup).toContain(`<code class="formula">${long}</code>`);
    expect(asked).toEqual([[long, false]]);
    const drawn = { find: () => ({ markup: "<math>drawn</math>" }) };
    expect(renderIn(`$$${long}$$`, en, drawn).markup).toContain('<div class="formula" tabindex="0"><math>drawn</math>');
    expect(renderIn(`$$${long}$$`, en, { find: () => ({ markup: null }) }).markup).toContain('<code class="formula">');
  });

  test.each(["$x^2$", "\\(x^2\\)"])("%p stands in its line", (text) => {
    expect(render(`a ${text}, b`)).toMatch(/^<p>a <math><semantics>.*<msup>.*<\/math>, b<\/p>$/);
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
    "$ 20 to $ 30 a month; US$ 5 (about A$ 8), $ 1,000 - $ 2,000",
    "a $ so $ b, then $ x and $ y, and $ 5 > $ 4",
    "Rated $$ by some, and others say $$ too.",
    "Rated $$ by some.\n\n$$ is what others say.\n\nAnd $$",
    "PATH=$HOME/bin:$PATH",
    "either 5$ or 10$",
    "$$\n\nSome words.\n\n$$",
    "\\[note\n\nand more words\\]",
    "$AAPL and $TSLA, $AAPL/$TSLA, between $5M and $10M, ($5-$10), **$5**/**$6**, $ 5 = $ 5",
    "$\\alpha$beta",
    "\\$x\\$ and `$x$`",
    "$x\n\ny$",
    "    \\[\n    x\n    \\]",
    "```\n\\[\n\nx\n\n\\]\n\\begin{align}\nx\n\\end{align}\n```",
    "\\begin{itemize}\nx\n\\end{itemize}",
    "\\begin{align}\nx",
  ])("%p is none", (text) => {
    expect(render(text)).not.toContain("<math");
  });

  test("are shown as they were written when they cannot be drawn, or define macros", () => {
    expect(render("$\\frac{1}$")).toBe('<p><code class="formula">\\frac{1}</code></p>');
    expect(render("$\\def\\a{\\b\\b}\\a$")).toContain("<code");
  });

  test("bring no style, no address and no markup of their own", () => {
    for (const source of [
      "\\color{red}{x} \\colorbox{red}{y} \\rule{1em}{9999em} \\cancel{x}",
      "\\href{javascript:alert(1)}{x}",
      "\\includegraphics{https://e.com/x.png}",
      "\\class{copy}{x} \\id{live}{x}",
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
