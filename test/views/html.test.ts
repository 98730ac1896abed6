import { describe, expect, test } from "bun:test";
import { html, isSafeUrl, raw } from "../../views/html";

const HOSTILE = `"'><script>alert(1)</script>&amp;`;

describe("the html template", () => {
  test("escapes text and quoted attributes", () => {
    expect(html`<p title="${HOSTILE}" class='${HOSTILE}'>${HOSTILE}</p>`.markup).not.toMatch(/<script|[^=]"'>/);
    expect(html`<b>${"a < b"}</b>`.markup).toBe("<b>a &lt; b</b>");
  });

  test("takes nothing, numbers, lists and markup", () => {
    expect(html`<i>${null}${undefined}${false}${0}${[html`<b>${"&"}</b>`, "<"]}</i>`.markup).toBe(
      "<i>0<b>&amp;</b>&lt;</i>",
    );
    expect(html`<i>${raw("<br>")}</i>`.markup).toBe("<i><br></i>");
  });

  test("takes whole attributes only as markup", () => {
    expect(html`<option value="${1}" ${html`selected`}>`.markup).toBe('<option value="1" selected>');
    expect(html`<option ${false}>`.markup).toBe("<option >");
    expect(() => html`<option ${"onclick=alert(1)"}>`).toThrow("quote the attribute");
  });

  test.each([
    ["an unquoted attribute", () => html`<a href=${HOSTILE}>`],
    ["a tag's name", () => html`<${HOSTILE}>`],
    ["a script", () => html`<script>${HOSTILE}</script>`],
    ["a style", () => html`<style>${HOSTILE}</style>`],
    ["an event handler", () => html`<a onclick="${HOSTILE}">`],
    ["an inline style", () => html`<a style="${HOSTILE}">`],
    ["a document in an attribute", () => html`<iframe srcdoc="${HOSTILE}">`],
    ["an attribute that htmx evaluates", () => html`<a hx-vals="${HOSTILE}">`],
    ["a comment", () => html`<!-- ${HOSTILE} -->`],
    ["an address without a start", () => html`<a href="java${HOSTILE}">`],
    ["markup in an attribute", () => html`<a title="${html`<b>`}">`],
  ])("refuses a value in %s", (_place, make) => {
    expect(make).toThrow("html:");
  });

  test("knows where a tag ends, whatever its attributes hold", () => {
    expect(html`<a title="a > b" class="${HOSTILE}">${"x"}</a> < ${"y"}`.markup).toEndWith(">x</a> < y");
    expect(html`<script src="${"/s.js"}"></script>${"text"}`.markup).toBe('<script src="/s.js"></script>text');
  });

  test("does not take data that looks like markup for markup", () => {
    const data = JSON.parse('{"markup":"<script>"}');
    expect(() => html`${data}`).toThrow("not text or Html");
  });

  test("replaces an address that could run code", () => {
    expect(html`<a href="${"javascript:alert(1)"}">`.markup).toBe('<a href="#">');
    expect(html`<form action="${"JaVaScRiPt:alert(1)"}">`.markup).toBe('<form action="#">');
    expect(html`<a href="${"https://example.com/?a=1&b=2"}">`.markup).toBe(
      '<a href="https://example.com/?a=1&amp;b=2">',
    );
  });
});

test.each(["https://e.com", "HTTP://e.com", "mailto:a@e.com", "/a", "a/b", "a.html", "?q=a:b", "#f", "", "é/x"])(
  "%p is an address to go to",
  (url) => expect(isSafeUrl(url)).toBe(true),
);

test.each([
  "javascript:alert(1)",
  " javascript:alert(1)",
  "\u0001javascript:alert(1)",
  "java\nscript:alert(1)",
  "java\tscript:alert(1)",
  "data:text/html,x",
  "vbscript:x",
  "blob:https://e.com/1",
  "\\\\e.com",
  "x:y",
])("%p is not", (url) => expect(isSafeUrl(url)).toBe(false));
