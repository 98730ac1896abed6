/** What every `views` promises: the ids that the live channel looks for, and that nothing in the data leaves its place. */

import { deepEqual, doesNotMatch, equal, fail } from "node:assert/strict";
import type { Html, ViewsProtocol, Words } from "../../protocols";
import { type ContractCase, holds } from "../contract";
import { chat, message, part, reply } from "./data";
import { fragments, pages } from "./fragments";

export const viewsContract: readonly ContractCase[] = [
  {
    name: "every language has a tag of its own and all the texts of the first",
    async run({ views }) {
      const tags = views.languages.map(({ language }) => language.toLowerCase());
      deepEqual(tags, [...new Set(tags)]);
      for (const words of views.languages) {
        deepEqual(Intl.getCanonicalLocales(words.language), [words.language]);
        deepEqual(shapeOf(words), shapeOf(firstOf(views)), words.language);
      }
    },
  },
  {
    name: "each fragment is one element of its id",
    async run({ views }) {
      const words = firstOf(views);
      for (const [id, fragment] of fragments(views, words, "text")) {
        const [root, ...others] = parse(fragment).filter(({ depth }) => depth === 0);
        deepEqual([root?.id, others.length], [id, 0], fragment.markup);
      }
    },
  },
  {
    name: "the page holds each of the fragments that change once",
    async run({ views }) {
      const words = firstOf(views);
      const ids = parse(views.chatPage(chat(views, words, "text"), words)).map(({ id }) => id);
      for (const id of [
        "main",
        "title",
        "page-title",
        "threads",
        "messages",
        "go",
        "status",
        "live",
        "m-1",
        "r-1",
        "r-1-foot",
      ])
        equal(ids.filter((other) => other === id).length, 1, id);
    },
  },
  {
    name: "a reply has a place for its parts, and one that grows has a tail",
    async run({ views }) {
      const words = firstOf(views);
      const has = (fragment: Html, id: string) => idsOf(fragment).filter((other) => other === id);
      deepEqual(has(views.message(reply(views, words, "text"), words), "r-1-parts"), ["r-1-parts"]);
      for (const type of ["text", "thinking"] as const) {
        const growing = part(views, words, message({ type, role: type === "text" ? "assistant" : type, content: "x" }));
        deepEqual(has(views.part(growing, words), "p-1-tail"), [], type);
        const tailed = views.part({ ...growing, tail: views.markdown("y", words) }, words);
        deepEqual(has(tailed, "p-1-tail"), ["p-1-tail"], type);
      }
    },
  },
  {
    name: "no text of people, models, tools or endpoints becomes markup",
    async run({ views }) {
      const words = firstOf(views);
      for (const [id, fragment] of [...fragments(views, words, HOSTILE), ...pages(views, words, HOSTILE)]) {
        const wrong = parse(fragment).filter(
          ({ tag, attributes }) => tag === "x-evil" || attributes.includes("x-evil"),
        );
        deepEqual(wrong, [], id);
      }
    },
  },
  {
    name: "no link of a model can run code",
    async run({ views }) {
      const words = firstOf(views);
      for (const address of [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "&#106;avascript:x",
      ]) {
        const { markup } = views.markdown(`[here](${address}) ![here](${address}) <${address}>`, words);
        doesNotMatch(markup, /(?:href|src)="\s*(?:javascript|data|vbscript)/i);
      }
    },
  },
  {
    name: "blocks of Markdown look alike alone and together",
    async run({ views }) {
      const words = firstOf(views);
      const blocks = [
        "# Title\n\n",
        "Text with **words**\nof two lines.\n\n",
        "- one\n- two\n\n",
        "```ts\nlet a;\n\n\n```\n\n",
        "> said\n",
      ];
      const apart = blocks.map((block) => views.markdown(block, words).markup).join("");
      equal(views.markdown(blocks.join(""), words).markup, apart);
    },
  },
  {
    name: "what is finished of open Markdown, and then its tail, is the whole once all is there",
    async run({ views }) {
      const text = "# Title\n\nText with **words**\nof two lines.\n\n- one\n- two\n\n> said\n\n```\nlet a;\n```\n\n";
      const words = firstOf(views);
      let [finished, markup] = [0, ""];
      for (let end = 1; end <= text.length; end++) {
        const opened = views.openMarkdown(text.slice(finished, end), words);
        const most = end - finished;
        holds(opened.finished, `0 to ${most}`, (count) => count >= 0 && count <= most);
        markup += views.markdown(text.slice(finished, finished + opened.finished), words).markup;
        finished += opened.finished;
      }
      equal(markup + views.markdown(text.slice(finished), words).markup, views.markdown(text, words).markup);
    },
  },
  {
    name: "the same data give the same markup",
    async run({ views }) {
      const words = firstOf(views);
      const all = () =>
        [...fragments(views, words, "text"), ...pages(views, words, "text")].map(([, { markup }]) => markup);
      deepEqual(all(), all());
    },
  },
];

function firstOf({ languages }: ViewsProtocol): Words {
  return languages[0] ?? fail("there is no catalogue of words");
}

/** Each text by its path, with its kind; an empty one is of none. */
function shapeOf(words: object, path = ""): string[] {
  return Object.entries(words)
    .flatMap(([key, value]) =>
      typeof value === "object"
        ? shapeOf(value, `${path}${key}.`)
        : [`${path}${key} ${value === "" ? "" : typeof value}`],
    )
    .sort();
}

const HOSTILE = `"' x-evil="1"><x-evil></textarea></title><x-evil>&lt;x-evil&gt;`;

interface Element {
  readonly tag: string;
  readonly id: string | null;
  readonly attributes: readonly string[];
  readonly depth: number;
}

const VOID = new Set(["input", "link", "meta", "br", "hr", "img"]);

/** Every element, as a browser's parser finds them. */
function parse({ markup }: Html): Element[] {
  const elements: Element[] = [];
  let depth = 0;
  const rewriter = new HTMLRewriter().on("*", {
    element(element) {
      const attributes = [...element.attributes].map(([name]) => name);
      elements.push({ tag: element.tagName, id: element.getAttribute("id"), attributes, depth });
      if (!element.canHaveContent || element.selfClosing || VOID.has(element.tagName)) return;
      depth++;
      element.onEndTag(() => void depth--);
    },
  });
  rewriter.transform(markup);
  return elements;
}

function idsOf(fragment: Html): (string | null)[] {
  return parse(fragment).map(({ id }) => id);
}
