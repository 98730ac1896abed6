import { describe, expect, test } from "bun:test";
import type { Core, Plugin, User } from "../../src/protocols";
import { createGrowingText } from "../../src/routes/reply/growing-text";
import { escapeHtml } from "../../views/html";
import { markdown, openMarkdown } from "../../views/markdown";
import { en } from "../../views/words/en";
import { atEnd } from "../support/at-end";
import { testViews } from "../support/chat-data";
import { costsOf } from "../support/cost";
import { createRandom, type Random } from "../support/random";
import { readSse } from "../support/read-sse";
import { startServer } from "../support/server";
import { gate, startUpstream } from "../support/upstream";

const LEAVES: readonly [string, ...string[]] = [
  "a",
  "b *c* `d`",
  "[^1]",
  "# h",
  "---",
  "===",
  "| a | b |\n|---|:-:|\n| 1 | [^2] |",
  "```js\nx\n```",
  "~~~\ny",
  "    code",
  "\tcode",
  "$$\nx\n$$",
  "$$x",
  "\\[ y \\]",
  "\\[\n\ny\n\n\\]",
  "$$\n\nz",
  "\\begin{align}\nx\n\\end{align}",
  "\\begin{cases}",
  "<details>\n<summary>s *t*</summary>\n\nx",
  "</details>",
  "<!-- c -->",
  "<!-- d",
  "e<br><sub>*f*</sub> <sup>g",
  "[r]: https://e.com",
  "[^1]: note",
  "[^2]:",
  "[^3]:\n\n    more",
  "[^1]: - > [^2]: x",
  "<div>",
  "- [ ] t",
  " ",
  "1.",
  "-",
  ">",
  "|-|",
];

/** Puts the lines into a block of its kind: lists, quotes, notes, tables and fences, well indented or not. */
const WRAPS: readonly [Wrap, ...Wrap[]] = [
  (lines) => begun(lines, "- ", "  "),
  (lines) => begun(lines, "10. ", "    "),
  (lines) => begun(lines, "* ", ""),
  (lines) => begun(lines, "> ", "> "),
  (lines) => begun(lines, ">", ""),
  (lines) => begun(lines, "[^1]: ", "    "),
  (lines) => begun(lines, "[^2]:", " "),
  (lines) => ["[^3]:", "", ...begun(lines, "    ", "    ")],
  (lines) => begun(lines, "  ", "  "),
  (lines) => begun(lines, "\t", "\t"),
  (lines) => ["```", ...lines, "```"],
  (lines) => lines.map((line) => `| ${line} |`),
];

type Wrap = (lines: readonly string[]) => string[];

function begun(lines: readonly string[], first: string, others: string): string[] {
  return lines.map((line, at) => (at === 0 ? first : others) + line);
}

function nested(random: Random, depth: number): string[] {
  if (depth === 0 || random.chance(0.2)) return random.pick(LEAVES).split("\n");
  const inner: string[] = [];
  for (let count = random.integer(1, 3); count > 0; count--) {
    inner.push(...nested(random, depth - 1), ...(random.chance(0.3) ? [""] : []));
  }
  return random.pick(WRAPS)(inner);
}

describe("blocks in blocks in blocks", () => {
  test("are rendered, whatever stands in what, and so is every beginning of them", () => {
    const random = createRandom(5);
    let beginnings = 0;
    for (let round = 0; round < 30_000; round++) {
      const text = nested(random, random.integer(1, 6)).join("\n");
      const looks: (() => unknown)[] = [() => markdown(text, en)];
      if (round % 100 === 0) {
        for (let at = 1; at < text.length; at += random.integer(1, 9))
          looks.push(() => openMarkdown(text.slice(0, at), en));
      }
      beginnings += looks.length - 1;
      for (const look of looks) {
        try {
          look();
        } catch (error) {
          throw new Error(`${JSON.stringify(text)} throws`, { cause: error });
        }
      }
    }
    expect(beginnings).toBeGreaterThan(5000);
  }, 60_000);

  test("end as a reload shows them when they come bit by bit", () => {
    const random = createRandom(6);
    const views = testViews();
    for (let round = 0; round < 400; round++) {
      const text = nested(random, random.integer(1, 5)).join("\n");
      const growing = createGrowingText({ views, counts: {} as Core["counts"] } as Core, en);
      for (let at = 0; at < text.length; ) {
        const length = random.integer(1, 12);
        growing.push(text.slice(at, at + length));
        growing.takeChanges("t");
        at += length;
      }
      const { body } = growing.shown();
      const { rest, whole } = growing.end(text);
      const shown = whole?.markup ?? body.markup + rest.markup;
      if (shown !== markdown(text, en).markup) throw new Error(`It differs: ${JSON.stringify(text)}`);
      // Whether what comes later changes what was told can be said only where a reference is.
      if (whole && !text.includes("]:")) throw new Error(`It is told twice: ${JSON.stringify(text)}`);
    }
  }, 60_000);

  test("notes stand in lists and in notes", () => {
    const { markup } = markdown("- a [^1]\n  [^1]: b [^2]\n\n      [^2]: c", en);
    expect(markup).toMatch(/<li>a <sup[\s\S]*<li id="fn-[^"]*">\s*<p>b [\s\S]*<p>c<\/p>/);
  });
});

describe("what would hold up the server", () => {
  const big: readonly (readonly [what: string, text: string])[] = [
    ["a list of many pages", "- item **b**\n".repeat(3000)],
    ["a long table", `| a | b |\n|---|---|\n${"| **1** | 2 |\n".repeat(3000)}`],
    ["a long quote", `> ${"word ".repeat(9000)}\n`],
    ["a paragraph of too many brackets", `${"[".repeat(500)} **b**\n`],
  ];

  test.each(big)("%s is shown as it was written, whole, and what follows is rendered", (_what, text) => {
    const { markup } = markdown(`*before*\n\n${text}\n*after*\n`, en);
    expect(markup).toMatch(/^<p><em>before<\/em>[\s\S]*<p><em>after<\/em><\/p>\n$/);
    expect(markup.includes("<strong>")).toBe(false);
    expect(markup.includes(escapeHtml(text.trim()))).toBe(true);
  });

  test("code has no end", () => {
    const { markup } = markdown(`\`\`\`\n${"let a;\n".repeat(10_000)}\`\`\`\n`, en);
    expect(markup).toStartWith('<figure class="code">');
  });

  test("nothing is lost of what nests deeper than anybody reads", () => {
    for (const text of [`${"> ".repeat(200)}deep`, `${"- ".repeat(90)}deep`, `${"[^1]: ".repeat(90)}deep\n\n[^1]`])
      expect(markdown(text, en).markup).toContain("deep");
  });

  test("costs no more than a few times what an ordinary text of that length does", async () => {
    const ordinary =
      "## A part\n\nText with **words** and [a link](https://e.com).\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n";
    const hostile = [
      `${"![".repeat(30)}\n\n`,
      `${"[a](".repeat(50)}\n\n`,
      `${"mailto:a@b.c![".repeat(140)}\n\n`,
      `${"http://a.b/".repeat(600)}\n\n`,
      `${"//a.b/".repeat(2500)}\n\n`,
      "\\[\n",
      "[^1]: > - a\n",
      "\\[\n\n",
      "$$\n\n",
      "\\begin{align}\n\n",
      `${"\\begin{align}\n".repeat(100)}\\end{align}\n`,
      "<details>\n",
      "<details>\n<details>\n</details>\n",
      "<details>a<details>b</details>\n",
      "<!-- a\n",
      "a <!-- b ",
      `${"<sub>".repeat(300)}\n\n`,
      `${"<sub>".repeat(150)}${"</sub>".repeat(150)}\n\n`,
      `${"$ ".repeat(200)}\n\n`,
      "a | b\n",
      "- a\n",
    ];
    const texts = [ordinary, ...hostile].map((piece) => piece.repeat(Math.ceil(60_000 / piece.length)));
    // Lines that belong to each of so many quotes without saying so.
    texts.push(`${"> ".repeat(90)}a\n${"b\n".repeat(20_000)}`, `|a|b|\n|-|-|\n${"|\n".repeat(30_000)}`);
    const [harmless = 0, ...costs] = await costsOf(...texts.map((text) => () => markdown(text, en)));
    expect(costs.map((cost) => cost / harmless).filter((times) => times > 4)).toEqual([]);
  }, 60_000);

  test("paragraphs that each cost little are shown as they were written from where they cost much together", () => {
    const { markup } = markdown(`*first*\n\n${`${"![".repeat(100)}\n\n`.repeat(300)}*last*\n`, en);
    expect(markup).toStartWith("<p><em>first</em></p>");
    expect(markup).toEndWith("<p>*last*</p>\n");
    expect(markup.split("![").length).toBe(30_001);
  });
});

const BOOM = "BOOM <b>";

/** Throws on texts and titles that say so, in each of the views that show what somebody wrote. */
const failing: Plugin = {
  name: "failing",
  provide: {
    views: (_core, base) => {
      const failOn = (text: string | undefined): void => {
        if (text?.includes("BOOM")) throw new Error("It cannot be shown.");
      };
      return {
        ...base,
        markdown(text, words) {
          failOn(text);
          return base.markdown(text, words);
        },
        openMarkdown(text, words) {
          failOn(text);
          return base.openMarkdown(text, words);
        },
        title(thread, words) {
          failOn(thread?.title);
          return base.title(thread, words);
        },
        pageTitle(thread, words) {
          failOn(thread?.title);
          return base.pageTitle(thread, words);
        },
        threadItem(item, words) {
          failOn(item.thread.title);
          return base.threadItem(item, words);
        },
        // Gives nothing at all.
        messageFoot: () => undefined as unknown as ReturnType<typeof base.messageFoot>,
      };
    },
  },
};

describe("a view that throws", () => {
  test("is shown plainly and logged once, and the page, the live channel and the page without script go on", async () => {
    const upstream = startUpstream();
    atEnd(() => upstream.stop());
    const logged: string[] = [];
    const config = { openaiBaseUrl: upstream.baseUrl };
    const { core, signIn } = await startServer({ config, plugins: [failing], logged });
    const ann = await signIn();
    const user: User = { username: "ann", role: "admin" };
    const page = async (path: string) => (await ann.fetch(path, { headers: { accept: "text/html" } })).text();
    const [told, more, end] = [gate(), gate(), gate()];
    upstream.script({
      parts: [
        { reasoning: "*Hm*" },
        "Good *one*.\n\n",
        { wait: told.opened },
        BOOM,
        { wait: more.opened },
        " and more",
        { wait: end.opened },
        "\n\n*last*",
      ],
    });
    const turn = await core.turns.start(user, { content: BOOM });
    const path = `/t/${turn.threadId}`;
    const address = /hx-sse:connect="([^"]+)"/.exec(await page(path))?.[1]?.replaceAll("&amp;", "&") ?? "";
    const live = readSse(await ann.fetch(address));
    const until = async (words: string) => {
      let data = "";
      while (!data.includes(words)) data += (await live.next()).value?.data ?? `${words} never came${words}`;
      return data;
    };
    const streamed = page(`${path}?stream=1`);
    expect(await until("Good")).toContain("<em>one</em>");
    told.open();
    await until("BOOM &lt;b&gt;");
    more.open();
    await until(" and more");
    end.open();
    await until('hx-target="#go"');
    await live.return(undefined);
    const shown = await page(path);
    const wanted = [
      "<em>Hm</em>",
      "<em>one</em>",
      "BOOM &lt;b&gt; and more\n\n*last*</pre>",
      'value="BOOM &lt;b&gt;"',
      'class="icon-button again"',
      '<span class="name" dir="auto">BOOM &lt;b&gt;</span>',
    ];
    expect(wanted.filter((words) => !shown.includes(words))).toEqual([]);
    expect(shown.includes("BOOM <b>")).toBe(false);
    expect(await streamed).toMatch(/<em>one<\/em>[\s\S]*BOOM &lt;b&gt; and more[\s\S]*<\/html>/);
    const failed = logged.filter((line) => line.includes("A view failed"));
    const views = failed.map((line) => /view=(\w+)/.exec(line)?.[1]).sort();
    expect(views).toEqual(["markdown", "messageFoot", "openMarkdown", "pageTitle", "threadItem", "title"]);
    expect(failed[0]).toContain("plugin=failing");
    expect(logged.filter((line) => /error/i.test(line) && !line.includes("A view failed"))).toEqual([]);
  }, 15_000);
});
