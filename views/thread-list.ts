/** `#threads`: the list of chats, or what a search found. It fetches itself again, with the search, when chats changed. */

import type { Html, ThreadItemData, ThreadListData, ViewsProtocol, Words } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export function threadList(list: ThreadListData, words: Words, views: ViewsProtocol): Html {
  return html`<nav id="threads" class="threads" aria-label="${words.chat.chats}" hx-get="/threads" hx-include="#search, #threads [name=current]" hx-trigger="threads-changed from:body" hx-swap="outerMorph">
<input type="hidden" name="current" value="${list.currentId}" form="search">
${list.query ? found(list, words, views) : html`<ul>${views.threadItems(list, words)}</ul>`}
</nav>`;
}

/** A page of the list and the way to the next. */
export function threadItems(list: ThreadListData, words: Words, views: ViewsProtocol): Html {
  const items = list.threads.map((thread) =>
    views.threadItem({ thread, isCurrent: thread.id === list.currentId, hit: null }, words),
  );
  const next = `?list=${encodeURIComponent(list.before ?? "")}&current=${encodeURIComponent(list.currentId ?? "")}`;
  return html`${items}${
    list.before &&
    html`<li class="more" hx-get="/threads${next}" hx-trigger="revealed" hx-swap="outerHTML"><a href="${next}">${words.list.more}</a></li>`
  }`;
}

export function threadItem({ thread, isCurrent, hit }: ThreadItemData, words: Words): Html {
  return html`<li><a href="/t/${thread.id}" ${isCurrent && html`aria-current="page"`}><span class="name" dir="auto">${thread.title || words.chat.newChat}</span>${
    hit && hit.messageId !== undefined && html`<span class="snippet" dir="auto">${snippet(hit.snippet)}</span>`
  }</a></li>`;
}

export function searchForm({ query }: ThreadListData, words: Words): Html {
  return html`<form id="search" class="search" role="search" method="get" hx-get="/threads" hx-trigger="input delay:150ms, submit" hx-target="#threads" hx-swap="outerMorph" hx-sync="this:replace">${icon("search")}<input type="search" name="q" accesskey="k" value="${query}" placeholder="${words.list.search}" aria-label="${words.list.searchInChats}" maxlength="500" autocomplete="off"></form>`;
}

function found({ hits, currentId, query }: ThreadListData, words: Words, views: ViewsProtocol): Html {
  if (hits.length === 0) return html`<p class="nothing">${words.list.nothingFound(query)}</p>`;
  return html`<ul>${hits.map((hit) => views.threadItem({ thread: hit.thread, isCurrent: hit.thread.id === currentId, hit }, words))}</ul>`;
}

/** The words found stand between U+0002 and U+0003. */
function snippet(text: string): readonly Html[] {
  return text.split("\u0002").map((piece, index) => {
    const [word = "", rest = ""] = piece.split("\u0003");
    return index === 0 ? html`${piece}` : html`<mark>${word}</mark>${rest}`;
  });
}
