/** A page of a plugin in the look of the others: a bar with the way back and the title, and below it whatever the plugin shows. */

import type { Html, PluginPageData, Words } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";
import { layout } from "./page";

export function pluginPage(page: PluginPageData, words: Words): Html {
  const { title, body, head } = page;
  return layout({
    page,
    words,
    title,
    name: "sheet",
    ...(head && { head }),
    body: html`<header class="bar"><a class="back" href="/">${icon("chevron")}${words.chat.chats}</a><h1>${title}</h1></header>
<main class="content">${body}</main>`,
  });
}
