/** The `html` template: markup in which every value is escaped unless it is Html already. */

import type { Html } from "../src/protocols";

export type HtmlValue = Html | string | number | null | undefined | false | readonly HtmlValue[];

export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let markup = strings[0] ?? "";
  for (const [index, value] of values.entries()) markup += render(value) + (strings[index + 1] ?? "");
  return { markup };
}

/** Vouches for markup that was made elsewhere. */
export function raw(markup: string): Html {
  return { markup };
}

export function escapeHtml(text: string): string {
  return Bun.escapeHTML(text);
}

function render(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return "";
  if (typeof value === "string") return escapeHtml(value);
  if (typeof value === "number") return String(value);
  if ("markup" in value) return value.markup;
  return value.map(render).join("");
}
