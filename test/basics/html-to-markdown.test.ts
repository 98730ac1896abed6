import { expect, test } from "bun:test";
import { htmlToMarkdown } from "../../src/basics/html-to-markdown";

const BASE = "https://a.test/docs/";

test.each([
  [
    "headings, links and lists",
    '<h2>One</h2><p><a href="x">two</a></p><ol start=3><li>a<li>b<ul><li>c</ul></ol>',
    "## One\n\n[two](https://a.test/docs/x)\n\n3. a\n4. b\n   - c",
  ],
  ["a table", "<table><tr><th>a|b<th>c<tr><td>1<td><p>2</p></table>", "| a\\|b | c |\n| --- | --- |\n| 1 | 2 |"],
  ["code", '<pre><code class="language-js">a `b`\n c</code></pre>', "```js\na `b`\n c\n```"],
])("it writes %s as Markdown", async (_, html, markdown) => {
  expect(await htmlToMarkdown(html, BASE)).toBe(markdown);
});

test("what people do not see and what is no web address stay out", async () => {
  const html = "<p hidden>a</p><script>b</script><p style='display:none'>c</p><p><a href='javascript:d'>e</a></p>";
  expect(await htmlToMarkdown(html, BASE)).toBe("e");
});

test("it stops when it is told to", async () => {
  const reading = htmlToMarkdown("<p>a</p>".repeat(10_000), BASE, AbortSignal.abort(new Error("enough")));
  expect(reading).rejects.toThrow("enough");
});

test("code that is full of fences has a longer one around it, however many there are", async () => {
  const fences = [...Array(1_200_000).fill("```"), "````"].join("\n");
  const text = await htmlToMarkdown(`<pre>${fences}</pre>`, "http://e.com/");
  expect(text.startsWith("`````\n```")).toBe(true);
  expect(text.endsWith("\n`````")).toBe(true);
}, 30_000);
