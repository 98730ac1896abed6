import { describe, expect, test } from "bun:test";
import { openMarkdown as openIn } from "../../../views/markdown";
import { en } from "../../../views/words/en";
import { cpuMs } from "../../support/cpu";

const openMarkdown = (text: string) => openIn(text, en);

const tail = (text: string) => openMarkdown(text).tail.markup.trim();

describe("Markdown that is still being written", () => {
  test.each([
    ["a\n\n", 3],
    ["a\n", 0],
    ["# a\n", 4],
    ["# a", 0],
    ["# a | b\n", 0],
    ["a\n---\n", 6],
    ["***\n", 4],
    ["```\na\n```\n", 10],
    ["```\na\n\nb\n", 0],
    ["$$\na\n$$\n", 8],
    ["|a|\n|-|\n|b|\n\nc", 13],
    ["    a\n\n", 0],
    ["- a\n\n- b\n", 0],
    ["- a\n\nb", 0],
    ["- a\n\nb\n", 5],
  ])("%p is finished up to %d", (text, finished) => {
    expect(openMarkdown(text).finished).toBe(finished);
  });

  test.each([
    ["a **b", "<p>a <strong>b</strong></p>"],
    ["a **", "<p>a</p>"],
    ["a **b*", "<p>a <strong>b</strong></p>"],
    ["a **b**", "<p>a <strong>b</strong></p>"],
    ["a **b *c", "<p>a <strong>b <em>c</em></strong></p>"],
    ["a ~~b", "<p>a <s>b</s></p>"],
    ["a_b", "<p>a_b</p>"],
    ["2 * 3", "<p>2 * 3</p>"],
    ["a `b **c", "<p>a <code>b **c</code></p>"],
    ["a `", "<p>a</p>"],
    ["see [the docs](http", "<p>see</p>"],
    ["see [x] now", "<p>see [x] now</p>"],
    ["see ![x](y", "<p>see</p>"],
    ["a &am", "<p>a</p>"],
    ["a <https://e", "<p>a</p>"],
    ["a $x", "<p>a</p>"],
    ["a $5 b", "<p>a $5 b</p>"],
    ["a\n$$\nx", "<p>a</p>"],
    ["a\n\\[\n\nx\n", "<p>a</p>"],
    ["- a\n\n  \\[\n\n  x\n", '<ul dir="auto">\n<li>a</li>\n</ul>'],
    ["\\begin{align}\nx\n\ny\n", ""],
    ["\\beg", ""],
    ["a\nb", "<p>a<br>\nb</p>"],
    ["**结论：", "<p><strong>结论：</strong></p>"],
    ["**结论：**该", "<p><strong>结论：</strong>该</p>"],
    ["a <s", "<p>a</p>"],
    ["a <sub", "<p>a</p>"],
    ["a <sub>b **c", "<p>a <sub>b <strong>c</strong></sub></p>"],
    ["a <sub>b</su", "<p>a <sub>b</sub></p>"],
    ["a <sub>b</sub> c", "<p>a <sub>b</sub> c</p>"],
    ["a <br styl", "<p>a</p>"],
    ["a <!-- not said", "<p>a</p>"],
    ["<!-- not\nsaid", ""],
    ["a\n\n<!-- not\n\nsaid\n", ""],
    ["so \\begin{pmatrix} 1", "<p>so</p>"],
    ["<deta", ""],
    ["<details><summary>A *b", '<details dir="auto">\n<summary>A <em>b</em></summary>\n</details>'],
    [
      '<details dir="auto">\n<summary>A</summary>\n\n- b\n',
      '<details dir="auto">\n<summary>A</summary>\n<ul>\n<li>b</li>\n</ul>\n</details>',
    ],
    ["a | b\n", ""],
    ["a | b", ""],
    ["a | b\n--", ""],
    ["text\na | b\n---|", "<p>text</p>"],
    ["- | a | b |\n", ""],
    ["the set {x | x > 1}\nand", "<p>the set {x | x &gt; 1}<br>\nand</p>"],
    ["`a | b` is", "<p><code>a | b</code> is</p>"],
    ["a\n-", "<p>a</p>"],
    ["a\n1.", "<p>a</p>"],
    ["a\n- [ ", "<p>a</p>"],
    ["a\n```ty", "<p>a</p>"],
    ["|a|b|\n", ""],
    ["|a|b|\n|-", ""],
    ["#", ""],
  ])("%p shows nothing that would be taken back", (text, markup) => {
    expect(tail(text)).toBe(markup);
  });

  test("a row of a table shows when it is whole", () => {
    const table = "|a|b|\n|-|-|\n";
    expect(tail(table)).toContain("<th>b</th>");
    expect(tail(`${table}|c|`)).toBe(tail(table));
    expect(tail(`${table}|c|d|\n`)).toContain("<td>d</td>");
  });

  test("code that is open is shown as it is, but for what may be its end", () => {
    const opened = openMarkdown("```js\nlet *a\n``");
    expect(opened.openFence).toBe("```");
    expect(opened.tail.markup).toContain("<code>let *a\n</code>");
    expect(openMarkdown("- ```js\n  let *a\n").openFence).toBeNull();
    expect(tail("- ```js\n  let **a\n")).toContain("let **a\n</code>");
  });

  test("costs little whatever it holds", () => {
    for (const piece of [
      "*a ",
      "[",
      "![",
      "`",
      "`` ` ",
      "$a ",
      "\\(",
      "<",
      "&",
      "_a",
      "~~a",
      "- ",
      "> ",
      "|",
      "1. ",
      "[^",
      " ",
      "\t",
      "# ",
      "**a *b ",
    ]) {
      const text = piece.repeat(20_000 / piece.length);
      const ms = cpuMs(() => {
        openMarkdown(text);
        openMarkdown(`a\n${text}`);
      });
      expect(`${piece} ${ms < 400 ? "little" : ms}`).toBe(`${piece} little`);
    }
  });

  test("shows a list or table of very many lines as plain text until it is finished, and code as code", () => {
    const list = "- item\n".repeat(700);
    expect(openMarkdown(list).tail.markup).toStartWith('<pre class="as-written">');
    expect(openMarkdown(`${list}\nA paragraph.\n`).finished).toBe(list.length + 1);
    expect(openMarkdown("- item\n".repeat(500)).tail.markup).toStartWith('<ul dir="auto">');
    expect(openMarkdown(`\`\`\`\n${"line\n".repeat(5000)}`)).toMatchObject({ openFence: "```" });
  });
});
