import { describe, expect, test } from "bun:test";
import { chat as chatOf } from "../../src/contracts/views/data";
import { fragments, pages } from "../../src/contracts/views/fragments";
import type { Words } from "../../src/protocols";
import { languages } from "../../views/words";
import { en } from "../../views/words/en";
import { testViews } from "../support/chat-data";
import { readSources } from "../support/sources";

const SIGN = "§";

/** The catalogue with a sign in the place of every text. */
const wordless = replaced(en) as Words;

function replaced(words: object): object {
  return Object.fromEntries(
    Object.entries(words).map(([key, value]) => {
      if (key === "language") return [key, value];
      if (typeof value === "object") return [key, replaced(value)];
      return [key, typeof value === "function" ? () => SIGN : SIGN];
    }),
  );
}

/** What a person reads or hears: text, and the attributes that are texts. */
async function textsOf(markup: string): Promise<string[]> {
  const texts: string[] = [];
  const rewriter = new HTMLRewriter().on("*", {
    element(element) {
      for (const [name, value] of element.attributes) {
        if (/^(?:aria-label|aria-description|title|placeholder|alt|label)$/.test(name)) texts.push(value);
        // Ids, paths and names of things are no texts: those hold a space or begin with a capital.
        if (/^(?:data-|aria-)/.test(name) && /^\p{Lu}|\s/u.test(value)) texts.push(value);
      }
    },
    text: ({ text }) => void texts.push(text),
  });
  await rewriter.transform(new Response(markup)).text();
  // A capital alone is the name of a key.
  return texts.filter((text) => /\p{L}/u.test(text) && !/^[A-Z]$/.test(text));
}

describe("the words of the page", () => {
  test("come from the catalogue, wherever they stand", async () => {
    const views = testViews();
    const all = [...fragments(views, wordless, SIGN), ...pages(views, wordless, SIGN)];
    for (const [name, { markup }] of all) expect({ name, texts: await textsOf(markup) }).toEqual({ name, texts: [] });
  });

  test("stand in no template of a view, also where the data for them are rare", () => {
    const wrong = readSources("views")
      .filter(({ path }) => !path.startsWith("views/words/"))
      .flatMap(({ path, text }) => textsInTemplates(text).map((words) => `${path}: ${words}`));
    expect(wrong).toEqual([]);
  });

  test("are the reader's in each language, and differ from one to the other", () => {
    const views = testViews();
    const markup = languages.map((words) => views.chatPage(chatOf(views, words, "text"), words).markup);
    expect(new Set(markup).size).toBe(languages.length);
    for (const [index, words] of languages.entries())
      expect(markup[index]).toContain(`<html lang="${words.language}" dir="ltr">`);
  });

  test("tell numbers, times and amounts as the language does", () => {
    const [english, german] = ["en", "de"].map((tag) => languages.find(({ language }) => language === tag) ?? en);
    expect([english?.messages.tokens(1), english?.messages.tokens(1234)]).toEqual(["1 token", "1,234 tokens"]);
    expect(german?.messages.tokens(1234)).toBe("1.234 Token");
    expect([20, 3240, 30_400, 300_000].map((ms) => german?.duration(ms))).toEqual(["20 ms", "3,2 s", "30 s", "5 min"]);
    expect(english?.moment("2026-03-01T10:00:00.000Z")).toBe("1 Mar 2026, 10:00 UTC");
    expect(german?.moment("2026-03-01T10:00:00.000Z")).toBe("01.03.2026, 10:00 UTC");
    expect(english?.moment("not a time")).toBe("");
  });
});

/** A template that is put into a tag: one attribute or several. */
const ATTRIBUTE = /^(?:(?:selected|checked|open|hidden|disabled|required|[a-z-]+="[^"]*")(?: (?!$)|$))+$/;

/** Letters between tags, or in an attribute that is read out, that the source itself gives. */
function textsInTemplates(source: string): string[] {
  const templates = templatesOf(source).filter((template) => !ATTRIBUTE.test(template));
  return templates.flatMap((template) => {
    const attributes = [...template.matchAll(/\s(?:aria-label|title|placeholder|alt|label)="([^"]*)"/g)].map(
      (it) => it[1] ?? "",
    );
    const between = template.replace(/<(?:"[^"]*"|[^">])*>/g, SIGN).split(SIGN);
    return [...between, ...attributes].map((text) => text.trim()).filter((text) => /\p{L}/u.test(text));
  });
}

/** The text of each `html` template, with nothing where a value stands; those inside values are templates of their own. */
function templatesOf(source: string): string[] {
  const found: string[] = [];
  let open: { text: string; isHtml: boolean; depth: number }[] = [];
  let depth = 0;
  for (let at = 0; at < source.length; at++) {
    const top = open.at(-1);
    const isInText = top !== undefined && top.depth === depth;
    const character = source[at];
    if (isInText && character === "\\") at++;
    else if (isInText && character === "`") {
      if (top.isHtml) found.push(top.text);
      open = open.slice(0, -1);
    } else if (isInText && source.startsWith("${", at)) {
      depth++;
      at++;
    } else if (isInText) top.text += character;
    else if (character === "`") open.push({ text: "", isHtml: source.slice(0, at).endsWith("html"), depth });
    else if (character === "{") depth++;
    else if (character === "}") depth--;
  }
  return found;
}

describe("what the page says of an error", () => {
  test("has a sentence for each reason that the code gives, and for no other", () => {
    const given = readSources("src").flatMap(({ text }) => [...text.matchAll(/\breason: "(\w+)"/g)].map((it) => it[1]));
    // What a turn's end is for is another kind of reason.
    const ofErrors = new Set(
      given.filter((reason) => !/^(?:stop|length|stopped|toolCalls?|filter)$/.test(reason ?? "")),
    );
    expect([...ofErrors].sort()).toEqual(Object.keys(en.errors.reasons).sort());
  });
});
