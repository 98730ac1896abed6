/** The chat: the sidebar with the thread list, and `#main` with all that belongs to one thread. */

import type { ChatData, Html, StatusData, Thread, User, ViewsProtocol } from "../src/protocols";
import { composer } from "./composer";
import { html } from "./html";
import { icon } from "./icon";
import { layout } from "./page";
import { searchForm } from "./thread-list";

export function chatPage(chat: ChatData, views: ViewsProtocol): Html {
  const isRunning = chat.composer.liveTurnId !== null;
  return layout({
    ...chat,
    name: "chat",
    title: views.pageTitle(chat.thread),
    // Without script, a reply that is being written is read by asking again.
    head: html`${isRunning && html`<noscript><meta http-equiv="refresh" content="2"></noscript>`}`,
    body: html`<a class="skip-link" href="#text">Skip to the message box</a>
<aside id="sidebar" class="sidebar" popover aria-label="Chats">
<a class="new-chat" href="/">${icon("plus")} New chat</a>
${searchForm(chat.threads)}
${views.threadList(chat.threads)}
${account(chat.user)}
</aside>
${views.main(chat)}`,
  });
}

/** Everything that changes with the thread. */
export function main(chat: ChatData, views: ViewsProtocol): Html {
  return html`<main id="main" class="main">
<header class="bar">
<button class="icon-button menu" type="button" popovertarget="sidebar" aria-label="Chats">${icon("menu")}</button>
${views.title(chat.thread)}
<div class="actions">
${chat.thread && (chat.thread.archived ? restoreForm(chat.thread) : archiveForm(chat.thread))}
<a class="icon-button" href="/" aria-label="New chat" title="New chat">${icon("plus")}</a>
</div>
</header>
<div id="scroll" class="scroll" tabindex="-1">${views.messages(chat.messages)}</div>
<div class="dock">${views.status(chat.status)}${composer(chat.composer, views)}</div>
${live(chat)}
</main>`;
}

export function title(thread: Thread | null): Html {
  if (!thread) return html`<div id="title" class="title"><h1>New chat</h1></div>`;
  return html`<form id="title" class="title" method="post" action="/t/${thread.id}/title" hx-post="/t/${thread.id}/title" hx-trigger="change, submit" hx-swap="none"><h1><input name="title" value="${thread.title}" aria-label="Title of this chat" maxlength="500" autocomplete="off" required></h1></form>`;
}

export function pageTitle(thread: Thread | null): Html {
  return html`${thread?.title || "New chat"}`;
}

/** `data-offline` is for the script, which alone can tell that the server is away. */
export function status({ text, kind, link }: StatusData): Html {
  const way = link && html` <a href="${link.path}">${link.label}</a>`;
  return html`<p id="status" class="status ${kind}" role="status" data-offline="The server cannot be reached. What you wrote is still here.">${text}${way}</p>`;
}

function archiveForm(thread: Thread): Html {
  return html`<form method="post" action="/t/${thread.id}/archive"><button class="icon-button" aria-label="Archive this chat" title="Archive">${icon("archive")}</button></form>`;
}

function restoreForm(thread: Thread): Html {
  return html`<form class="archived" method="post" action="/t/${thread.id}/restore"><span>Archived</span><button class="quiet">Restore</button></form>`;
}

function account(user: User): Html {
  return html`<form class="account" method="post" action="/logout"><span>${user.username}</span><button class="icon-button" aria-label="Sign out" title="Sign out">${icon("signOut")}</button></form>`;
}

/** The one connection of the page. It asks again every 10 s, because htmx does not retry the first try. */
function live({ thread, cursor }: ChatData): Html {
  const query =
    cursor === null || !thread ? "" : `?t=${encodeURIComponent(thread.id)}&after=${encodeURIComponent(cursor)}`;
  return html`<div id="live" hx-sse:connect="/live${query}" hx-sse:close="signed-out" hx-trigger="load, every 10s, online from:window, visibilitychange from:document" hx-config="sse.reconnectDelay:200ms" hx-sync="this:drop" hx-swap="none"></div>`;
}
