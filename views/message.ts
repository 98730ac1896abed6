/** A user's message, which can become a form to edit it, or a reply with its parts. */

import type { Html, MessageData, MessagesData, PartData, ViewsProtocol, Words } from "../src/protocols";
import { fileItems } from "./files";
import { html } from "./html";

export function messages(data: MessagesData, words: Words, views: ViewsProtocol): Html {
  const { threadId, next, isLatest, isThreadsBranch } = data;
  const path = `/t/${threadId}`;
  const { later, latest, otherBranch, unprinted } = words.messages;
  return html`<div id="messages" class="messages" role="log" aria-label="${words.messages.messages}">${
    data.messages.length === 0 ? welcome(words) : views.messageItems(data, words)
  }${next && html`<a class="more-messages" href="${path}?at=${next}#m-${next}" data-unprinted="${unprinted}">${later}</a>`}${
    !isThreadsBranch && html`<p class="other-branch">${otherBranch}</p>`
  }${!isLatest && html`<a class="more-messages" href="${path}">${latest}</a>`}</div>`;
}

/** Some messages and the way to those before them, which are fetched before a reader who scrolls up gets there. */
export function messageItems(
  { threadId, messages: list, before }: MessagesData,
  words: Words,
  views: ViewsProtocol,
): Html {
  const way = `before=${encodeURIComponent(before ?? "")}`;
  return html`${
    before &&
    html`<a class="more-messages earlier" href="/t/${threadId}?${way}" data-unprinted="${words.messages.unprinted}" hx-get="/t/${threadId}/earlier?${way}" hx-trigger="intersect root:#scroll rootMargin:1000px, click" hx-swap="outerHTML" hx-sync="this:drop">${words.messages.earlier}</a>`
  }${list.map((item) => views.message(item, words))}`;
}

function welcome({ messages: { welcome, welcomeDetail } }: Words): Html {
  return html`<div class="welcome"><h2>${welcome}</h2><p>${welcomeDetail}</p></div>`;
}

export function message(data: MessageData, words: Words, views: ViewsProtocol): Html {
  if (data.role === "user") return userMessage(data, words, views);
  const parts = data.parts.map((part) => [
    isTarget(data, part) && html`<span id="m-${part.message.id}" class="target"></span>`,
    views.part(part, words),
  ]);
  return html`<article id="${data.id}" class="message reply"><h2 class="for-reader">${words.messages.reply}</h2><div id="${data.id}-parts" class="parts">${parts}</div>${views.messageFoot(data, words)}</article>`;
}

function userMessage(data: MessageData, words: Words, views: ViewsProtocol): Html {
  const { id, draft, threadId, parts } = data;
  const bubbles = parts.map((part) => [
    isTarget(data, part) && html`<span class="target"></span>`,
    html`<div class="bubble" dir="auto">${part.message.content}</div>`,
    part.message.files?.length ? html`<ul class="files">${fileItems(part.message.files, words)}</ul>` : null,
  ]);
  const content =
    draft === undefined ? html`${bubbles}${views.messageFoot(data, words)}` : editForm(id, threadId, draft, words);
  return html`<article id="${id}" class="message user"><h2 class="for-reader">${words.messages.you}</h2>${content}</article>`;
}

function editForm(id: string, threadId: string, draft: string, { messages: words }: Words): Html {
  const message = encodeURIComponent(id.slice(2));
  const path = `/t/${threadId}/edit?message=${message}`;
  return html`<form class="edit" method="post" action="${path}" hx-post="${path}" hx-swap="none" hx-sync="this:drop"><textarea id="${id}-edit" name="content" aria-label="${words.editMessage}" dir="auto" required autofocus>
${draft}</textarea><p>${words.editDetail}</p><a class="quiet" href="/t/${threadId}?at=${message}#${id}" hx-get="/t/${threadId}/message?message=${message}" hx-target="closest .message" hx-swap="outerHTML">${words.cancel}</a><button class="primary send">${words.send}</button></form>`;
}

/** Whether to mark the part. Of a reply, the mark is also where the address leads; a message of the user has the id itself. */
function isTarget({ targetId }: MessageData, { message: { id } }: PartData): boolean {
  return id === targetId;
}
