import { describe, expect, test } from "bun:test";
import type { Core } from "../../../src/protocols";
import { createGrowingText, endTags } from "../../../src/routes/reply/growing-text";
import { rendered } from "../../../src/routes/reply/markup";
import { en } from "../../../views/words/en";
import { SAMPLE, testViews } from "../../support/chat-data";
import { createRandom } from "../../support/random";

const views = testViews();
const core = { views, counts: {} as Core["counts"] } as Core;

/** A page that does as the fragments say: what stands before the tail, and what is in it. */
function createPage() {
  let [body, tail] = ["", ""];
  return {
    end(rest: string): void {
      [body, tail] = [body + rest, ""];
    },
    apply(told: string): void {
      const fragments = [
        ...told.matchAll(/<hx-partial hx-target="#t((?:&gt;:last-child)*)" hx-swap="(\w+)">([\s\S]*?)<\/hx-partial>/g),
      ];
      expect(fragments.map(([whole]) => whole).join("")).toBe(told);
      for (const [, path = "", swap, markup = ""] of fragments) {
        if (swap === "beforebegin") body += markup;
        else if (swap === "innerMorph") tail = markup;
        else {
          const ends = endTags(tail);
          const at = ends[ends.length - path.length / "&gt;:last-child".length] ?? tail.length;
          tail = tail.slice(0, at) + markup + tail.slice(at);
        }
      }
    },
    markup: () => body + tail,
  };
}

interface Streamed {
  readonly markup: string;
  /** Whether the page had to be given the whole anew. */
  readonly isResent: boolean;
  readonly bytes: number;
}

/** Streams a text in chunks; after each one the page must show what one that joins now is shown. */
function stream(text: string, lengths: () => number, isChecked = true): Streamed {
  const growing = createGrowingText(core, en);
  const page = createPage();
  let bytes = 0;
  for (let at = 0; at < text.length; ) {
    const length = lengths();
    growing.push(text.slice(at, at + length));
    at += length;
    const told = growing.takeChanges("t") ?? "";
    bytes += told.length;
    page.apply(told);
    if (!isChecked) continue;
    const { body, tail } = growing.shown();
    if (body.markup + tail.markup !== page.markup())
      throw new Error(
        `${JSON.stringify(text.slice(0, at))}\nshows ${page.markup()}\ninstead of ${body.markup}${tail.markup}`,
      );
  }
  const whole = views.markdown(text, en);
  const end = growing.end(text);
  page.end(end.rest.markup);
  if (end.whole) expect(end.whole.markup).toBe(whole.markup);
  return { markup: end.whole?.markup ?? page.markup(), isResent: end.whole !== null, bytes };
}

const DOCUMENTS = [
  SAMPLE,
  "a\nb\n\nc\n===\n\nd\n- - -\n",
  "- a\n\n- b\n\n  c\n\n      code\n\n1. d\n\ne",
  "> a\nlazy\n\n> b\n\n```\n\n# no heading\n\n```\n    code\n\n    more\n\nend",
  "|a|b|\n|-|-|\n|1|2|\nno table\n\n~~~\nopen fence\n\n- x",
  "a\r\n\r\nb\r\n\r\n- c\r\n",
  "\n\n\n# a\n# b\n# c\n",
  "- a\n - b\n  - c\n\ttab\n\n***\n* d",
  "text\n<div>\n\nhtml\n</div>\n\n[a]: <x>\n",
  "The area is $\\pi r^2$, or \\(2\\).\n\n$$\n\\frac{a}{b}\n$$\n\n\\[ x \\]\nand $5 and $10, $x$.\n",
  "```js\nlet a = `x`;\n``\n  ``\n``` no\n```\n\n````md\n```\nx\n```\n````\nend",
  "- a\n  ```py\n  x = 1\n  ```\n- **bold** ~~no~~ _yes_ `code` [l](https://e.com) <https://e.com>\n",
  "Some *emphasis **and strong* text** \\* &amp; &lt; ***x*** a_b_c 2 * 3 ![i](u) [x] [y][z]",
  "a\n\\[\n\nx\n\n\\]\n\nb\n$$\ny\n\nz\n$$\nc\n\n\\begin{align}\na\n\nb\n\\end{align}\n\n$$\n\nno end\n\nc\n",
  "H<sub>2</sub>O<br>b\n\n<!-- c -->\n\n<!-- d\n\n<details>\n<summary>e</summary>\n\n- f\n\n```js\nx\n```\n\n</details>\n\ng <sup>h\n",
  "text\na | b\n--|--\n1 | 2\n\n**结论：**该 **「青い傘」**だけ\n\n- $$\n\n  x\n",
];

/** What is called where it is not written yet. */
const LATE = ["[a] b\n\n[a]: https://e.com\n", "a[^1]\n\nb\n\n[^1]: note\n\n    more\n\nend\n"];

describe("a text that grows", () => {
  test.each(DOCUMENTS)(
    "ends as a reload shows it, without being told twice, however it comes (%#)",
    (text) => {
      const random = createRandom(7);
      for (const lengths of [() => 1, () => 2, () => 7, () => random.integer(1, 40)]) {
        const { markup, isResent } = stream(text, lengths);
        expect(markup).toBe(views.markdown(text, en).markup);
        expect(isResent).toBe(false);
      }
    },
    30_000,
  );

  test.each([...DOCUMENTS, ...LATE])("is by finished blocks alone what a reload shows (%#)", (text) => {
    for (const length of [1, 2, 7, 40]) {
      const growing = createGrowingText(core, en);
      let told = "";
      for (let at = 0; at < text.length; at += length) {
        growing.push(text.slice(at, at + length));
        told += growing.takeBlocks();
      }
      const { rest, whole } = growing.end(text);
      expect(whole?.markup ?? told + rest.markup).toBe(views.markdown(text, en).markup);
      if (!LATE.includes(text)) expect(whole).toBeNull();
    }
  });

  test.each(LATE)("is told anew at its end when that changes the beginning (%#)", (text) => {
    // One that joins in between is shown more than was told.
    expect(stream(text, () => 1, false)).toMatchObject({ markup: views.markdown(text, en).markup, isResent: true });
  });

  test("the same holds for whatever a model may make up", () => {
    const pieces =
      "a|b c|\n|\n\n|# |- |  - |1. |> |```|~~~\n|    |&a&b&\n&-&-&\n|&1&2&|---|===|*x*|**|_|~~|`|\t|[l](u)|[|](|\r\n|- [ ] t|<b>|2) |$x$|$$|\\(y\\)|\\[|\\]|!|&lt;|é|😀|\\[\n\n|$$\n|\n$$\n|\\begin{align}|\n\\end{align}\n|<br>|<sub>|</sub>|<details>\n|<summary>s</summary>|\n</details>\n|<!--|-->|漢|「"
        .split("|")
        .map((piece) => piece.replaceAll("&", "|").replace("|lt;", "&lt;"));
    const random = createRandom(11);
    for (let round = 0; round < 1300; round++) {
      const text = Array.from({ length: 3 + (round % 25) }, () => random.pick(pieces as [string, ...string[]])).join(
        "",
      );
      const { markup } = stream(text, round % 2 === 0 ? () => 1 : () => random.integer(1, 6));
      if (markup !== views.markdown(text, en).markup) throw new Error(`It differs: ${JSON.stringify(text)}`);
    }
  }, 60_000);

  test("a formula that takes long is told when it is made, and the text goes on meanwhile", async () => {
    const made = Promise.withResolvers<void>();
    const growing = createGrowingText(core, en, made.resolve);
    const slow = `$$\nx${"+x".repeat(500)}\n$$\n\n`;
    growing.push(`before\n\n${slow}after\n\n`);
    const told = growing.takeChanges("t") ?? "";
    expect(told).toContain('<code class="formula">x+x');
    expect(told).toContain("<p>after</p>");
    expect(growing.takeChanges("t")).toBe("");
    await made.promise;
    growing.push("more\n\n");
    expect(growing.takeChanges("t")).toBeNull();
    const { body } = growing.shown();
    expect(body.markup).toMatch(
      /^<p>before<\/p>\n<div class="formula" tabindex="0"><math display="block">[\s\S]*<p>more<\/p>\n$/,
    );
    growing.push("end");
    expect(growing.takeChanges("t")).toContain("<p>end</p>");
    const end = growing.end(`before\n\n${slow}after\n\nmore\n\nend`);
    expect([end.rest.markup, end.whole]).toEqual(["<p>end</p>\n", null]);
  });

  test("views that are exchanged meanwhile show the whole as they do, now and later", () => {
    const text = "# Old\n\nExchanged while it is written.\n";
    const exchanged = { ...core };
    const growing = createGrowingText(exchanged, en);
    growing.push(text);
    growing.takeChanges("t");
    const plain = { ...views, markdown: () => views.markdown("new", en) };
    Object.assign(exchanged, { views: plain });
    expect(growing.end(text).whole?.markup).toBe("<p>new</p>\n");
    expect(rendered(exchanged, en, text).markup).toBe("<p>new</p>\n");
  });

  test("what was added is sent, and not the block that it was added to", () => {
    const line = "A paragraph of *many* words that comes word by word, and `code` too. ";
    for (const [text, limit] of [
      [line.repeat(40), 16],
      [`\`\`\`js\n${"let a = 1 < 2;\n".repeat(200)}`, 20],
      [`- item ${line}\n`.repeat(30), 30],
    ] as const) {
      const { bytes } = stream(text, () => 20, false);
      expect(bytes / text.length).toBeLessThan(limit);
    }
  });

  test("what is looked at again does not grow with the text", () => {
    let longest = 0;
    const watched = {
      counts: {},
      views: {
        ...views,
        openMarkdown: (text: string) => {
          longest = Math.max(longest, text.length);
          return views.openMarkdown(text, en);
        },
      },
    } as unknown as Core;
    const growing = createGrowingText(watched, en);
    for (let index = 0; index < 2000; index++) {
      growing.push(`Paragraph ${index}\n\n`);
      growing.takeChanges("t");
    }
    growing.push("```\n");
    for (let index = 0; index < 2000; index++) {
      growing.push(`line ${index}\n`);
      growing.takeChanges("t");
    }
    expect(longest).toBeLessThan(60);
  });
});
