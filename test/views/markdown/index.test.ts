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

  test("has task lists", () => {
    expect(render("- [x] a\n- [ ] b\n- c")).toBe(
      '<ul>\n<li class="task done">a</li>\n<li class="task">b</li>\n<li>c</li>\n</ul>',
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
