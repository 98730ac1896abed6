import { expect, test } from "bun:test";
import { fragment } from "../../../src/routes/http/respond";

test("a fragment names its place by an id, whatever is in it", () => {
  expect(fragment("r-1", "beforeend", { markup: "<p>a</p>" })).toBe(
    '<hx-partial hx-target="#r-1" hx-swap="beforeend"><p>a</p></hx-partial>',
  );
  expect(fragment('1"]><script>', "outerHTML", { markup: "" })).toBe(
    '<hx-partial hx-target="[id=&quot;1]&gt;&lt;script&gt;&quot;]" hx-swap="outerHTML"></hx-partial>',
  );
});
