/**
 * The `html` template: markup in which every value is escaped unless it is Html already. It also knows where in the markup a
 * value stands: an unquoted attribute, a script, a style or an event handler is refused when the template first runs, and
 * an address whose scheme is not on the list becomes "#". Given to plugins as it is.
 */

import type { Html } from "../src/protocols";

export type HtmlValue = Html | string | number | null | undefined | false | readonly HtmlValue[];

/**
 * Markup in which every value is escaped, unless it is Html already; null, undefined and false are nothing, and of a list each is shown.
 *
 * @example
 * ```ts
 * const title = "<b>";
 * const heading = html`<h1>${title}</h1>`; // <h1>&lt;b&gt;</h1>
 * ```
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const places = known.getOrInsertComputed(strings, placesOf);
  let markup = strings[0] ?? "";
  for (let index = 0; index < values.length; index++) {
    markup += render(values[index], places[index] ?? "text") + (strings[index + 1] ?? "");
  }
  return new Markup(markup);
}

/**
 * Vouches for markup that was made elsewhere.
 *
 * @example
 * ```ts
 * const icon = raw('<svg viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>');
 * const button = html`<button type="submit">${icon} Draw</button>`;
 * ```
 */
export function raw(markup: string): Html {
  return new Markup(markup);
}

export function escapeHtml(text: string): string {
  return Bun.escapeHTML(text);
}

/** Whether a link may lead there: a path, a fragment, or one of the schemes that cannot run code. */
export function isSafeUrl(url: string): boolean {
  // Browsers drop control characters inside an address, so a relative one may hold none before its first "/", "?" or "#".
  return /^(?:https?:|mailto:|[/?#]|[^\p{Cc}\s:\\/?#]+(?:[/?#]|$)|$)/iu.test(url);
}

/** A class, so that data which merely looks like Html (JSON with a `markup` in it) is not taken for it. */
class Markup implements Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

type MarkupPosition = "text" | "attributes" | "attribute" | "url";

function render(value: HtmlValue, place: MarkupPosition): string {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Markup) {
    if (place === "attribute" || place === "url")
      throw new TypeError("html: markup cannot be the value of an attribute.");
    return value.markup;
  }
  if (Array.isArray(value)) return value.map((item) => render(item, place)).join("");
  if (typeof value !== "string" && typeof value !== "number")
    throw new TypeError("html: the value is not text or Html.");
  if (place === "attributes") throw new TypeError("html: quote the attribute that the value is for.");
  return escapeHtml(place === "url" && !isSafeUrl(String(value)) ? "#" : String(value));
}

const known = new WeakMap<TemplateStringsArray, readonly MarkupPosition[]>();

function placesOf(strings: TemplateStringsArray): readonly MarkupPosition[] {
  return strings.slice(0, -1).map((_, index) => placeAfter(strings.slice(0, index + 1).join("x")));
}

const WHOLE_TAG = /<(?:!--[\s\S]*?-->|[!/]?[a-z](?:"[^"]*"|'[^']*'|[^"'>])*>)/gi;
const URL_ATTRIBUTE =
  /^(?:href|src|action|formaction|poster|cite|(?:data-)?hx-(?:get|post|put|patch|delete|action|sse:connect|push-url))$/i;
const CODE_ATTRIBUTE = /^(?:on.*|style|srcdoc|(?:data-)?hx-(?:on|vals|vars|headers|config|confirm).*)$/i;

/** Where a value stands that comes after this markup. Throws where no escaping would make it safe. */
function placeAfter(markup: string): MarkupPosition {
  const lastTag = markup.match(WHOLE_TAG)?.findLast((tag) => !tag.startsWith("<!"));
  if (lastTag && /^<(?:script|style)\b/i.test(lastTag)) throw new TypeError("html: a value in a script or style.");
  const open = markup.replace(WHOLE_TAG, "");
  const tag = open.match(/<([!/]?[a-z][\s\S]*|!--[\s\S]*|[!/]?)$/i)?.[1];
  if (tag === undefined) return "text";
  const [, name = "", value = ""] = tag.match(/[\s"']([^\s"'<>=/]+)=((?:"[^"]*|'[^']*))$/) ?? [];
  if (name === "") {
    if (/^[a-z][^\s]*\s(?:"[^"]*"|'[^']*'|[^"'])*$/i.test(tag) && /[\s]$/.test(tag)) return "attributes";
    throw new TypeError(`html: a value in a tag outside of quotes, after <${tag}`);
  }
  if (CODE_ATTRIBUTE.test(name)) throw new TypeError(`html: a value in ${name}.`);
  if (!URL_ATTRIBUTE.test(name)) return "attribute";
  if (value.length === 1) return "url";
  if (!isSafeUrl(value.slice(1)) || /^.[a-z]+$/i.test(value))
    throw new TypeError(`html: the address in ${name} must start with a path.`);
  return "attribute";
}
