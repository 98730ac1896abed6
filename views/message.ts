/**
 * A user's message, which can become a form to edit it, or a reply with its parts; and what stands below: how a reply ended, its other
 * versions, and what can be done with it.
 */

import { pageIds, recordOf } from "../src/basics/page-ids";
import type {
  Html,
  MessageData,
  MessageMenuData,
  MessagesData,
  PartData,
  Siblings,
  TurnFault,
  TurnInfo,
  ViewsProtocol,
  Words,
} from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";
import { fileItems } from "./part";

export function messages(data: MessagesData, words: Words, views: ViewsProtocol): Html {
  const { threadId, next, isLatest, isThreadsBranch } = data;
  const path = `/t/${threadId}`;
  const { later, latest, otherBranch, unprinted } = words.messages;
  return html`<div id="messages" class="messages" role="log" aria-label="${words.messages.messages}">${
    data.messages.length === 0 ? welcome(words) : views.messageItems(data, words)
  }${next && html`<a class="more-messages" href="${path}?at=${next}#${pageIds.message(next)}" data-unprinted="${unprinted}">${later}</a>`}${
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
    isTarget(data, part) && html`<span id="${pageIds.message(part.message.id)}" class="target"></span>`,
    views.part(part, words),
  ]);
  return html`<article id="${data.id}" class="message reply"><h2 class="for-reader">${words.messages.reply}</h2><div id="${pageIds.parts(data.id)}" class="parts">${parts}</div>${views.messageFoot(data, words)}</article>`;
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
  const message = encodeURIComponent(recordOf(id));
  const path = `/t/${threadId}/edit?message=${message}`;
  return html`<form class="edit" method="post" action="${path}" hx-post="${path}" hx-swap="none" hx-sync="this:drop"><textarea id="${id}-edit" name="content" aria-label="${words.editMessage}" dir="auto" required autofocus>
${draft}</textarea><p>${words.editDetail}</p><a class="quiet" href="/t/${threadId}?at=${message}#${id}" hx-get="/t/${threadId}/message?message=${message}" hx-target="closest .message" hx-swap="outerHTML">${words.cancel}</a><button class="primary send">${words.send}</button></form>`;
}

/** Whether to mark the part. Of a reply, the mark is also where the address leads; a message of the user has the id itself. */
function isTarget({ targetId }: MessageData, { message: { id } }: PartData): boolean {
  return id === targetId;
}

export function messageFoot(data: MessageData, words: Words): Html {
  const content = data.role === "user" ? userFoot(data, words) : replyFoot(data, words);
  return html`<footer id="${pageIds.foot(data.id)}" class="message-foot">${content}</footer>`;
}

function userFoot(data: MessageData, words: Words): Html {
  return html`${copyButton(data, words)}${editLink(data, words)}${data.siblings && switcher(data.threadId, data.siblings, words)}`;
}

function replyFoot(data: MessageData, words: Words): Html {
  const { turn, parts, siblings, threadId } = data;
  if (turn?.status === "running")
    return html`<span class="writing">${words.messages.writing}</span>${copyButton(data, words)}`;
  const outcome = turn && outcomeOf(turn, words);
  const isWhole = !turn || (turn.status === "done" && !turn.ending);
  return html`${outcome && html`<p class="outcome ${turn?.status}">${turn?.status === "failed" && icon("warning")} <span>${outcome}${turn?.fault && faultLine(turn.fault, words)}</span></p>`}${!isWhole && goOn(data, words)}${siblings && switcher(threadId, siblings, words)}${
    parts.length > 0 && copyButton(data, words)
  }${isWhole && againButton(data, words)}${menuButton(data, words)}${
    turn && html`<span class="facts">${facts(turn, words)} · ${time(turn.started, words)}</span>`
  }`;
}

function outcomeOf({ status, error, ending }: TurnInfo, { messages: words }: Words): string {
  if (ending && status === "failed") return words.endedSilent[ending];
  if (ending === "length" || ending === "filtered") return words.ended[ending];
  return error ?? (status === "done" || status === "running" ? "" : words[status]);
}

function faultLine({ endpoint, address, status }: TurnFault, { messages: words }: Words): Html {
  return html`<small class="fault">${words.fault(endpoint, address ?? null, status ?? null)}</small>`;
}

function facts({ model, usage }: TurnInfo, words: Words): string {
  return usage ? `${model} · ${words.messages.tokens(usage.outputTokens)}` : model;
}

/** The Markdown is asked for when somebody is about to copy it: a page has many messages. */
function copyButton({ id, threadId, role, parts, turn }: MessageData, { messages: words }: Words): Html {
  // A part that is being written is not in the thread yet.
  const isRunning = turn?.status === "running";
  const label = role === "user" ? words.copyMessage : words.copyReply;
  const source =
    role === "user"
      ? sourcePath(threadId, recordOf(id))
      : `${sourcePath(threadId, lastId(id, isRunning ? [] : parts))}&reply=1`;
  return html`<button class="icon-button copy" type="button" data-source="${source}" aria-label="${label}" title="${words.copy}">${icon("copy")}</button>`;
}

function sourcePath(threadId: string, messageId: string): string {
  return `/t/${threadId}/source?message=${encodeURIComponent(messageId)}`;
}

/** A message that tells the reply from its other versions; while it is being written, the one that it answers. */
function lastId(id: string, parts: MessageData["parts"]): string {
  return parts.at(-1)?.message.id ?? recordOf(id);
}

/** The field for the text takes over the id, and gives it back: htmx moves the focus along. */
function editLink({ id, threadId }: MessageData, { messages: words }: Words): Html {
  const messageId = encodeURIComponent(recordOf(id));
  return html`<a id="${id}-edit" class="icon-button" href="/t/${threadId}?edit=${messageId}#${id}" hx-get="/t/${threadId}/edit?message=${messageId}" hx-target="closest .message" hx-swap="outerHTML" aria-label="${words.editMessage}" title="${words.edit}">${icon("edit")}</a>`;
}

/** Ids by the place, which stays while the message in it changes, so that the focus stays too. */
function switcher(threadId: string, siblings: Siblings, { messages: words }: Words): Html {
  const { parentId, position, count, previousId, nextId } = siblings;
  const place = `v-${parentId ?? "first"}`;
  return html`<span class="versions" role="group" aria-label="${words.versions}">${step(threadId, `${place}-previous`, previousId, words.previousVersion)}<span aria-label="${words.version(position, count)}">${position}/${count}</span>${step(threadId, `${place}-next`, nextId, words.nextVersion)}</span>`;
}

function step(threadId: string, id: string, messageId: string | null, label: string): Html {
  if (messageId === null)
    return html`<button id="${id}" class="icon-button version" aria-label="${label}" title="${label}" type="button" aria-disabled="true">${icon("chevron")}</button>`;
  const path = `/t/${threadId}/head?message=${encodeURIComponent(messageId)}`;
  return html`<button id="${id}" class="icon-button version" aria-label="${label}" title="${label}" form="act" formaction="${path}" hx-post="${path}" hx-swap="none">${icon("chevron")}</button>`;
}

function againButton({ id, threadId }: MessageData, { messages: words }: Words): Html {
  const path = `/t/${threadId}/retry?parent=${encodeURIComponent(recordOf(id))}`;
  return html`<button class="icon-button again" form="act" formaction="${path}" hx-post="${path}" hx-swap="none" aria-label="${words.regenerateReply}" title="${words.regenerate}">${icon("again")}</button>`;
}

/** What another call would only repeat is not gone on from. */
function canGoOn({ turn, parts }: MessageData): boolean {
  if (turn?.ending === undefined || turn.ending === "length") return parts.length > 0;
  return turn.ending !== "filtered" && parts.some(({ message }) => message.type === "tool");
}

/** Of a reply that did not come to its end. */
function goOn(data: MessageData, { messages: words }: Words): Html {
  const { id, threadId, turn } = data;
  const retry = `/t/${threadId}/retry?parent=${encodeURIComponent(recordOf(id))}`;
  const on = `/t/${threadId}/continue?turn=${encodeURIComponent(turn?.id ?? "")}`;
  return html`${
    canGoOn(data) &&
    html`<button class="quiet again" form="act" formaction="${on}" hx-post="${on}" hx-swap="none">${words.continue}</button>`
  }<button class="quiet again" form="act" formaction="${retry}" hx-post="${retry}" hx-swap="none">${words.retry}</button>`;
}

/** The menu is the page's one, asked for when it is opened: a page has many messages, and there may be many models. */
function menuButton({ id, threadId, parts }: MessageData, { messages: words }: Words): Html {
  const messageId = encodeURIComponent(lastId(id, parts));
  return html`<button class="icon-button" type="button" popovertarget="message-menu" hx-get="/t/${threadId}/menu?message=${messageId}" hx-target="#message-menu" hx-swap="outerMorph" aria-label="${words.menu}" title="${words.more}">${icon("more")}</button><a class="without-script" href="/t/${threadId}?menu=${messageId}#message-menu">${words.more}</a>`;
}

export function messageMenu(menu: MessageMenuData | null, { messages: words }: Words): Html {
  if (!menu) return html`<div id="message-menu" class="message-menu" popover="auto"></div>`;
  const { threadId, parentId, messageId, models } = menu;
  const retry = `/t/${threadId}/retry?parent=${encodeURIComponent(parentId)}`;
  const choices = models.map((model, index) => {
    const path = `${retry}&model=${encodeURIComponent(model)}`;
    return html`<button class="again" form="act" formaction="${path}" hx-post="${path}" hx-swap="none" ${index === 0 && html`autofocus="autofocus"`}>${model}</button>`;
  });
  const fork = `/t/${threadId}/fork?message=${encodeURIComponent(messageId ?? "")}`;
  return html`<div id="message-menu" class="message-menu" ${!menu.isInPage && html`popover="auto"`}>${
    models.length > 0 && html`<p>${words.regenerateWith}</p>${choices}`
  }${messageId !== null && html`<button class="fork" form="act" formaction="${fork}">${icon("fork")} ${words.fork}</button><a class="fork" href="${sourcePath(threadId, messageId)}&amp;reply=1" target="_blank">${icon("file")} ${words.source}</a>`}</div>`;
}

/** A moment: readable as it is, and shown by the page's script in the zone and the way of the person's browser. */
function time(iso: string, words: Words): Html {
  return html`<time datetime="${iso}">${words.moment(iso)}</time>`;
}
