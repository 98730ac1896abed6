/** The chat: the sidebar with the thread list, and `#main` with all that belongs to one thread. */

import type { ChatData, Html, StatusData, Thread, User, ViewsProtocol, Words } from "../src/protocols";
import { composer } from "./composer";
import { html } from "./html";
import { icon } from "./icon";
import { layout } from "./page";
import { viewer } from "./part";
import { searchForm } from "./thread-list";

export function chatPage(chat: ChatData, words: Words, views: ViewsProtocol): Html {
  return layout({
    page: chat,
    words,
    name: "chat",
    title: views.pageTitle(chat.thread, words),
    // Without script, a reply is read on the page that it is written into. What waits for the person keeps its page.
    head: html`${mustMove(chat) && html`<noscript><meta http-equiv="refresh" content="0; url=/t/${chat.thread?.id}?stream=1"></noscript>`}`,
    body: html`<a class="skip-link primary" href="#text">${words.chat.skip}</a>
<aside id="sidebar" class="sidebar" popover aria-label="${words.chat.chats}">
<a class="new-chat" href="/" accesskey="n">${icon("plus")} ${words.chat.newChat}</a>
${searchForm(chat.threads, words)}
${views.threadList(chat.threads, words)}
${account(chat.user, words)}
</aside>
${views.main(chat, words)}
${keys(words)}
${viewer(words)}`,
  });
}

function mustMove({ composer, messages: { messages }, menu }: ChatData): boolean {
  if (composer.liveTurnId === null || composer.isStreamed) return false;
  const isWaiting = messages.at(-1)?.parts.some((part) => part.isWaiting) ?? false;
  const isEdited = composer.draft !== "" || messages.some(({ draft }) => draft !== undefined);
  return !isWaiting && !isEdited && !menu;
}

/** Everything that changes with the thread. */
export function main(chat: ChatData, words: Words, views: ViewsProtocol): Html {
  // A streamed page has its composer first, because the messages take long to come; the style puts it below them.
  const scroll = html`<div id="scroll" class="scroll" tabindex="-1">${views.messages(chat.messages, words)}</div>`;
  const dock = html`<div class="dock">${jump(chat, words)}${views.status(chat.status, words)}${views.messageMenu(chat.menu, words)}${composer(chat.composer, words, views)}</div>`;
  return html`<main id="main" class="main">
<header class="bar">
<button class="icon-button menu" type="button" popovertarget="sidebar" aria-label="${words.chat.chats}">${icon("menu")}</button>
${views.title(chat.thread, words)}
<div class="actions">
${chat.thread && (chat.thread.archived ? restoreForm(chat.thread, words) : archiveForm(chat.thread, words))}
<a class="icon-button" href="/" aria-label="${words.chat.newChat}" title="${words.chat.newChat}">${icon("plus")}</a>
</div>
</header>
${chat.composer.isStreamed ? [dock, scroll] : [scroll, dock]}
<form id="act" method="post"></form>
<form id="attach" enctype="multipart/form-data"></form>
${live(chat)}
</main>`;
}

/** On a page of other messages than the latest it leads there; else the script scrolls, and shows it where it is of use. */
function jump({ messages: { threadId, isLatest } }: ChatData, { messages: words }: Words): Html {
  if (!isLatest)
    return html`<a class="icon-button jump away" href="/t/${threadId}" aria-label="${words.jump}" title="${words.jump}">${icon("arrowDown")}</a>`;
  return html`<button class="icon-button jump" type="button" aria-label="${words.jump}" title="${words.jump}">${icon("arrowDown")}</button>`;
}

export function title(thread: Thread | null, words: Words): Html {
  if (!thread) return html`<div id="title" class="title"><h1>${words.chat.newChat}</h1></div>`;
  return html`<form id="title" class="title" method="post" action="/t/${thread.id}/title" hx-post="/t/${thread.id}/title" hx-trigger="change, submit" hx-swap="none" hx-sync="this:drop"><h1><input name="title" value="${thread.title}" aria-label="${words.chat.title}" maxlength="500" autocomplete="off" dir="auto"></h1></form>`;
}

export function pageTitle(thread: Thread | null, words: Words): Html {
  return html`${thread?.title || words.chat.newChat}`;
}

/** The data are for the script, which alone can tell that the server is away, and that a formula was copied. */
export function status({ text, kind, link }: StatusData, words: Words): Html {
  const way = link && html` <a href="${link.path}">${link.label}</a>`;
  return html`<p id="status" class="status ${kind}" role="status" data-offline="${words.status.offline}" data-copied="${words.status.copied}">${text}${way}</p>`;
}

function archiveForm(thread: Thread, words: Words): Html {
  return html`<form method="post" action="/t/${thread.id}/archive"><button class="icon-button" aria-label="${words.chat.archiveThis}" title="${words.chat.archive}">${icon("archive", words.chat.archiveThis)}</button></form>`;
}

function restoreForm(thread: Thread, words: Words): Html {
  return html`<form class="archived" method="post" action="/t/${thread.id}/restore"><span>${words.chat.archived}</span><button class="quiet">${words.chat.restore}</button></form>`;
}

function account(user: User, words: Words): Html {
  return html`<form class="account" method="post" action="/logout"><span dir="auto">${user.username}</span>${
    user.role === "admin" &&
    html`<a class="icon-button" href="/_plugin/admin/" aria-label="${words.admin.title}" title="${words.admin.title}">${icon("plug")}</a>`
  }<button class="icon-button" type="button" popovertarget="keys" aria-label="${words.keys.title}" title="${words.keys.title} (?)">${icon("keyboard")}</button><button class="icon-button" aria-label="${words.chat.signOut}" title="${words.chat.signOut}">${icon("signOut", words.chat.signOut)}</button></form>`;
}

/**
 * What the page is told. The script has it come from the one connection of the browser, where there is a worker for that. It asks again
 * every 10 s, because htmx does not retry the first try.
 */
function live({ thread, cursor, factCursor, user, asset }: ChatData): Html {
  const followed = cursor !== null && thread ? { t: thread.id, after: cursor } : {};
  const query = new URLSearchParams({ ...followed, facts: factCursor, user: user.username });
  return html`<div id="live" data-worker="${asset("live-worker.js")}" hx-sse:connect="/live?${query.toString()}" hx-sse:close="signed-out" hx-trigger="load, again, every 10s, online from:window, visibilitychange from:document" hx-config="sse.reconnectDelay:200ms, sse.reconnectMaxDelay:5s" hx-sync="this:drop" hx-swap="none"></div>`;
}

/** The list of keys. The letters are access keys, which browsers know without a script; the others are the script's. */
function keys({ keys: words, chat, composer }: Words): Html {
  const list: readonly (readonly [keys: readonly string[], does: string])[] = [
    [[words.enter], composer.send],
    [[words.shift, words.enter], words.newLine],
    [[words.alt, "S"], words.sendOrStop],
    [[words.alt, "M"], words.messageBox],
    [[words.alt, "K"], words.search],
    [[words.alt, "N"], chat.newChat],
    [["?"], words.thisList],
    [[words.escape], words.closeOpen],
  ];
  return html`<dialog id="keys" class="keys" popover aria-labelledby="keys-title">
<header><h2 id="keys-title">${words.title}</h2><button class="icon-button" type="button" popovertarget="keys" popovertargetaction="hide" aria-label="${words.close}" autofocus>${icon("cross")}</button></header>
<dl>${list.map(([names, does]) => html`<div><dt>${names.map((name, at) => html`${at > 0 && " + "}<kbd>${name}</kbd>`)}</dt><dd>${does}</dd></div>`)}</dl>
<p>${words.elsewhere}</p>
</dialog>`;
}
