import { describe, expect, test } from "bun:test";
import { markdown as renderIn } from "../../../views/markdown";
import { en } from "../../../views/words/en";

const markdown = (text: string) => renderIn(text, en);
const render = (text: string) => markdown(text).markup.trim();

describe("Markdown of a model", () => {
  test("has paragraphs, lists, tables, code and struck text", () => {
    expect(render("a **b** ~~c~~ `d`")).toBe("<p>a <strong>b</strong> <s>c</s> <code>d</code></p>");
    expect(render("- a\n- b")).toContain("<li>a</li>");
    expect(render("|a|b|\n|-|-:|\n|1|2|")).toContain('<td class="right">2</td>');
    expect(render("```\nx < 1\n```")).toContain("<code>x &lt; 1\n</code>");
  });

  test("shows HTML as the text that it is", () => {
    expect(render("<script>alert(1)</script>\n\n<b>x</b>")).not.toMatch(/<script|<b>/);
  });

  test.each([
    ["a<br>b<BR/>c<br />d", "<p>a<br>b<br>c<br>d</p>"],
    ["|a|\n|-|\n|x<br>y|", "<td>x<br>y</td>"],
    [
      "H<sub>2</sub>O, x<sup>**2**</sup>, <kbd>Ctrl</kbd> <mark>m</mark>",
      "<p>H<sub>2</sub>O, x<sup><strong>2</strong></sup>",
    ],
    ['a <sub class="copy" onclick="alert(1)">b</sub> <br style="x">', "<p>a <sub>b</sub> <br></p>"],
    ["<sub>a<sub>b</sub>c</sub>", "<p><sub>a<sub>b</sub>c</sub></p>"],
    ["<sub>a", "<p>&lt;sub&gt;a</p>"],
    ["a</sub>", "<p>a&lt;/sub&gt;</p>"],
    ["<sub>*a</sub>*", "<p><sub>*a</sub>*</p>"],
    ["`<br>` \\<br>", "<p><code>&lt;br&gt;</code> &lt;br&gt;</p>"],
    ["a <!-- b --> c <!-- d", "<p>a  c &lt;!-- d</p>"],
    ["<!-- a\nb -->\nc", "<p>c</p>"],
    ["<!-- a\n\nb\n-->\n\nc", "<p>c</p>"],
    ["a</br>b", "<p>a<br>b</p>"],
    ["<details><summary>A</summary>b</details>", '<details dir="auto">\n<summary>A</summary>\n<p>b</p>\n</details>'],
    ["<details open>\n\n# a\n\n</details>\n\nb", '<details dir="auto">\n<h3>a</h3>\n</details>\n<p>b</p>'],
    ["- <details>\n  <summary>A</summary>\n\n  b\n  </details>\n- c", "<li>c</li>"],
    ["<details>\n<details>\na\n</details>\nb\n</details>\nc", "<p>a</p>\n</details>\n<p>b</p>\n</details>\n<p>c</p>"],
    ["<details>a", '<details dir="auto">\n<p>a</p>\n</details>'],
    ["</details> <summary>a</summary>", "<p>&lt;/details&gt; &lt;summary&gt;a&lt;/summary&gt;</p>"],
  ])("%p has what Markdown has nothing for, without attributes and each with its end", (text, wanted) => {
    expect(render(text)).toContain(wanted);
  });

  test.each([
    ["**注意：**请看", "注意："],
    ["これは**「重要」**です", "「重要」"],
    ["请用**GPT（模型）**来做", "GPT（模型）"],
    ["**서울(Seoul)**은", "서울(Seoul)"],
    ["他说：**“好。”**然后走了", "“好。”"],
    ["𠮷**（野家）**𠮷", "（野家）"],
    ["คำว่า**“สวัสดี”**แปลว่า", "“สวัสดี”"],
    ["ຄຳ**(ສະບາຍດີ)**ແມ່ນ", "(ສະບາຍດີ)"],
    ["ពាក្យ**«សួស្តី»**មាន", "«សួស្តី»"],
    ["စကား**(မင်္ဂလာ)**ဖြစ်", "(မင်္ဂလာ)"],
    ["បាន\u200b**(a)**\u200bបាន", "(a)"],
  ])("%p is strong beside letters that have no spaces between words", (text, wanted) => {
    expect(render(text)).toContain(`<strong>${wanted}</strong>`);
  });

  test("has emphasis as CommonMark has it beside all other letters", () => {
    for (const text of ["a**(b)**c", "a**:** b", "2 ** 3 ** 4", "** a**", "漢_字_漢", "漢 ** 字 ** 漢"])
      expect(render(text)).not.toMatch(/<(?:strong|em)>/);
    expect(render("~~删除：~~文")).toContain("<s>删除：</s>");
  });

  test("keeps the ends of lines", () => {
    expect(render("• rye\n• butter")).toBe("<p>• rye<br>\n• butter</p>");
  });

  test.each([
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "data:text/html,x",
    "&#106;avascript:alert(1)",
    "vbscript:x",
  ])("makes no link to %p", (url) => expect(render(`[a](${url}) <${url}> [b]\n\n[b]: ${url}`)).not.toContain("href"));

  test("opens links to elsewhere apart, and tells them nothing", () => {
    expect(render("[a](https://e.com)")).toContain('target="_blank" rel="noopener noreferrer nofollow"');
    expect(render("see https://e.com and notes.md")).toContain('<a href="https://e.com"');
    expect(render("see notes.md")).not.toContain("<a");
  });

  test("turns an image into a link that shows its address, so that nothing is fetched", () => {
    const markup = render("![a cat](https://e.com/c.png?secret)");
    expect(markup).not.toContain("<img");
    expect(markup).toContain("Image: a cat: https://e.com/c.png?secret");
    expect(render("![x](javascript:alert(1))")).not.toContain("href");
  });

  test("has no inline style, which the page's policy would refuse", () => {
    expect(render("|a|b|c|\n|:-|:-:|-:|\n|1|2|3|")).not.toContain("style");
  });

  test("puts its headings below those of the page", () => {
    expect(render("# a\n###### b")).toBe("<h3>a</h3>\n<h6>b</h6>");
  });

  test("has lists, quotes and tables stand on the side of their own text, and what is in them goes along", () => {
    const markup = render("- a\n  > b\n\n> c\n> - d\n\n1. e\n\n|f|\n|-|\n|g|");
    const opened = [...markup.matchAll(/<(?:[uo]l|blockquote|div)[^>]*>/g)].map(([tag]) => tag);
    expect(opened).toEqual([
      '<ul dir="auto">',
      "<blockquote>",
      '<blockquote dir="auto">',
      "<ul>",
      '<ol dir="auto">',
      '<div class="table" tabindex="0" dir="auto">',
    ]);
  });

  test("has task lists", () => {
    expect(render("- [x] a\n- [ ] b\n- c")).toBe(
      '<ul dir="auto">\n<li class="task done">a</li>\n<li class="task">b</li>\n<li>c</li>\n</ul>',
    );
  });

  test("shows what is too long, or too deeply nested, as plain text", () => {
    expect(render("a *b* ".repeat(60_000))).toStartWith('<pre class="as-written">');
    expect(render("[".repeat(30_000))).toBe(`<p>${"[".repeat(30_000)}</p>`);
    expect(render(`${"*a ".repeat(10_000)}<`)).toEndWith("&lt;</p>");
  });

  test("reads of one paragraph as many marks and addresses as people write, and shows more as it is", () => {
    const link = '<a href="https://e.com"';
    expect(render("https://e.com ".repeat(150)).split(link)).toHaveLength(151);
    expect(render("https://e.com ".repeat(300))).not.toContain("<a");
    expect(render("**a** `b` ".repeat(300)).split("<strong>")).toHaveLength(301);
    expect(render("**a** `b` ".repeat(500))).not.toContain("<strong>");
    expect(render(`${"**a** `b` ".repeat(500)}\n\n**c**`)).toEndWith("<p><strong>c</strong></p>");
  });

  test("renders blocks alone as it renders them together", () => {
    const blocks = ["# a\n\n", "b\n\n", "- c\n  - d\n\n", "```\ne\n```\n\n", "> f\n\n", "|g|\n|-|\n|h|\n"];
    expect(blocks.map((block) => markdown(block).markup).join("")).toBe(markdown(blocks.join("")).markup);
  });

  test("has footnotes at the end, in the order of their calls", () => {
    const markup = render("a[^b] c[^d] e[^b] [^none]\n\n[^d]: D\n\n    more\n[^b]: B *i*\n[^unused]: U\n\nlast");
    expect(markup).toMatch(
      /^<p>a<sup class="footnote-call"><a href="#(fn-\w+-1)" id="fc-\w+-1">1<\/a><\/sup> c.*>2<.*>1<.*\[\^none\]/,
    );
    expect(markup).toMatch(
      /<p>last<\/p>\n<section class="footnotes">\n<ol>\n<li id="fn-\w+-1"><p>B <em>i<\/em><\/p>\n<\/li>\n<li id="fn-\w+-2"><p>D<\/p>\n<p>more<\/p>\n<\/li>\n<\/ol>\n<\/section>$/,
    );
    expect(markup).not.toContain("U<");
  });
});
