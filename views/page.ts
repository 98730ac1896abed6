/** The document around every page: head, files, warnings. No inline script or style: the policy of the page refuses both. */

import type { Html, PageData, PluginPageData, Words } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export interface LayoutData {
  readonly page: PageData;
  readonly words: Words;
  readonly title: Html | string;
  /** Class of the body: which page it is. */
  readonly name: string;
  readonly head?: Html;
  readonly body: Html;
}

export function layout({ page: { asset, ephemeral }, words, title, name, head, body }: LayoutData): Html {
  return html`<!doctype html>
<html lang="${words.language}" dir="${RIGHT_TO_LEFT.test(words.language) ? "rtl" : "ltr"}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
<meta name="color-scheme" content="light dark">
${htmxConfig}
<title id="page-title">${title}</title>
<meta name="theme-color" content="#fdfdfc" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#141519" media="(prefers-color-scheme: dark)">
<link rel="icon" href="${asset("favicon.svg")}" type="image/svg+xml">
<link rel="apple-touch-icon" href="${asset("icon-192.png")}">
<link rel="manifest" href="${asset("manifest.json")}">
<link rel="stylesheet" href="${asset("style.css")}">
<script src="${asset("page.js")}" defer></script>
${head}
</head>
<body class="${name}">
${ephemeral && html`<p class="ephemeral" role="note"><strong>${words.page.ephemeral}</strong> ${words.page.ephemeralDetail}</p>`}
${body}
</body>
</html>
`;
}

const RIGHT_TO_LEFT = /^(?:ar|arc|ckb|dv|fa|he|ks|ps|sd|syr|ug|ur|yi)\b/i;

// `open` and `selected` are the reader's: a change of a <details> must not close it, nor one of a list change the choice. The style of htmx's indicator is not used.
const htmxConfig = html`<meta name="htmx-config" content="${JSON.stringify({
  morphIgnore: ["data-htmx-powered", "open", "selected"],
  includeIndicatorCSS: false,
})}">`;

/** A page of a plugin in the look of the others: a bar with the way back and the title, and below it whatever the plugin shows. */
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
