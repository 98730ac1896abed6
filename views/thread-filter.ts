/** What the list of chats shows: all, those of a tag, or archived ones. A menu of links, so that it works without script. */

import type { Html, ThreadFilter, ThreadListData, Words } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export function filterMenu({ filter, tags }: ThreadListData, words: Words): Html {
  const shown = filter.archived ? words.list.archived : (filter.tag ?? words.list.all);
  const link = (to: ThreadFilter, label: string) => {
    const isChosen = to.archived === filter.archived && to.tag === filter.tag;
    const query = queryOf(to, {}) || "?";
    return html`<li><a href="${query}" hx-get="/threads${query}" hx-include="#threads [name=current]" hx-target="#threads" hx-swap="outerHTML" hx-push-url="${query}" class="${isChosen ? "chosen" : ""}"><span dir="auto">${label}</span></a></li>`;
  };
  return html`<details class="filter"><summary aria-label="${words.list.show}: ${shown}"><span dir="auto">${shown}</span>${icon("chevron")}</summary><ul>${link({ archived: false, tag: null }, words.list.all)}${tags.map(
    (tag) => link({ archived: false, tag }, tag),
  )}${link({ archived: true, tag: null }, words.list.archived)}</ul></details>`;
}

/** The address of the same page with this filter; empty when there is nothing to say. */
export function queryOf({ archived, tag }: ThreadFilter, more: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams({ ...(archived && { archived: "true" }), ...(tag !== null && { tag }) });
  for (const [name, value] of Object.entries(more)) if (value !== "") query.set(name, value);
  return query.size === 0 ? "" : `?${query}`;
}
