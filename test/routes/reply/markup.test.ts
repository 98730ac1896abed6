import { beforeEach, expect, test } from "bun:test";
import { createViews } from "../../../src/core/views";
import type { Core, ViewsProtocol, Words } from "../../../src/protocols";
import { renderAll, rendered } from "../../../src/routes/reply/markup";
import { en } from "../../../views/words/en";

const SECTION =
  "## A part\n\nText with **words**\nof two lines.\n\n- one\n  - two\n\n```ts\nlet a = 1;\n\nlet b;\n```\n\n";

/** Lengths of the texts that were rendered. */
let looked: number[];
let views: ViewsProtocol;
let core: Core;

beforeEach(() => {
  looked = [];
  core = { counts: {} as Core["counts"] } as Core;
  const base = createViews(core);
  const noted = (text: string, words: Words) => {
    looked.push(text.length);
    return base.markdown(text, words);
  };
  views = { ...base, markdown: noted };
  Object.assign(core, { views });
});

test("a long text is rendered in slices that leave room between them, and looks as in one go", async () => {
  const text = SECTION.repeat(600);
  const whole = createViews(core).markdown(text, en).markup;
  let turns = 0;
  let isDone = false;
  const count = () => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  count();
  const [slices] = await renderAll(core, en, [text]);
  isDone = true;
  expect(slices?.markup).toBe(whole);
  expect(Math.max(...looked)).toBeLessThanOrEqual(8000);
  expect(looked.reduce((sum, length) => sum + length)).toBe(text.length);
  expect(turns).toBeGreaterThan(1);
});

test("a block that is longer than a slice is found all the same, and is not looked at again and again", async () => {
  const text = `${SECTION}\`\`\`\n${"code\n".repeat(10_000)}\`\`\`\n\n${SECTION}`;
  const [slices] = await renderAll(core, en, [text]);
  expect(slices?.markup).toBe(createViews(core).markdown(text, en).markup);
  expect(looked.length).toBeLessThan(6);
});

test("a text in which one block may define what another one uses is rendered as a whole", async () => {
  const text = `A [link].\n\n${SECTION.repeat(100)}[link]: https://example.com\n`;
  const [whole] = await renderAll(core, en, [text]);
  expect(whole?.markup).toContain('<a href="https://example.com"');
  expect(looked).toEqual([text.length]);
});

test("a long text is rendered in slices whatever it defines, at once and by and by alike", async () => {
  const text = `A [link].\n\n${SECTION.repeat(600)}[link]: https://example.com\n`;
  const [slices] = await renderAll(core, en, [text]);
  expect(slices?.markup).toStartWith("<p>A [link].</p>");
  expect(Math.max(...looked)).toBeLessThanOrEqual(8000);
  Object.assign(core, { views: { ...views, markdown: (it: string, words: Words) => views.markdown(it, words) } });
  expect(rendered(core, en, text).markup).toBe(slices?.markup ?? "");
});

test("views that are exchanged while a text is rendered are given none of what those before made of it", async () => {
  const text = SECTION.repeat(600);
  const rendering = renderAll(core, en, [text]);
  const markdown = () => createViews(core).markdown("new", en);
  Object.assign(core, { views: { ...views, markdown } });
  const [before] = await rendering;
  expect(before?.markup.slice(0, 4)).toBe("<h4>");
  const [after] = await renderAll(core, en, [text]);
  expect(after?.markup.slice(0, 10)).toBe("<p>new</p>");
});

test("what was rendered is not rendered again, as long as others are not asked for more often", async () => {
  await renderAll(core, en, ["one", "two", "one"]);
  expect(looked).toHaveLength(2);
  expect(rendered(core, en, "two").markup).toBe("<p>two</p>\n");
  expect(looked).toHaveLength(2);
  const long = "word ".repeat(50_000);
  for (let index = 0; index < 20; index++) {
    rendered(core, en, `${index} ${long}`);
    rendered(core, en, "one");
  }
  expect(looked).toHaveLength(22);
  rendered(core, en, "two");
  expect(looked).toHaveLength(23);
});

test("a slice has few lines too, as each may be a block", async () => {
  const text = "# a\n".repeat(3000);
  const [slices] = await renderAll(core, en, [text]);
  expect(slices?.markup).toBe("<h3>a</h3>\n".repeat(3000));
  expect(Math.max(...looked)).toBeLessThanOrEqual(400 * 4);
});
