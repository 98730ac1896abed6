/** A user's message, or a reply with its parts and what stands below it. */

import type { Html, MessageData, MessagesData, PartData, TurnInfo, ViewsProtocol, Words } from "../src/protocols";
import { fileItems } from "./files";
import { html } from "./html";
import { icon } from "./icon";
import { time } from "./time";

export function messages(data: MessagesData, words: Words, views: ViewsProtocol): Html {
  const { threadId, messages: list, before, next, isLatest, isThreadsBranch } = data;
  const path = `/t/${threadId}`;
  const { earlier, later, latest, otherBranch } = words.messages;
  return html`<div id="messages" class="messages" role="log" aria-label="${words.messages.messages}">${
    before && html`<a class="earlier" href="${path}?before=${before}">${earlier}</a>`
  }${list.length === 0 ? welcome(words) : list.map((item) => views.message(item, words))}${
    next && html`<a class="earlier" href="${path}?at=${next}#m-${next}">${later}</a>`
  }${!isThreadsBranch && html`<p class="other-branch">${otherBranch}</p>`}${
    !isLatest && html`<a class="earlier" href="${path}">${latest}</a>`
  }</div>`;
}

function welcome({ messages: { welcome, welcomeDetail } }: Words): Html {
  return html`<div class="welcome"><h2>${welcome}</h2><p>${welcomeDetail}</p></div>`;
}

export function message(data: MessageData, words: Words, views: ViewsProtocol): Html {
  if (data.role === "user") return userMessage(data, words);
  const parts = data.parts.map((part) => [
    isTarget(data, part) && html`<span id="m-${part.message.id}" class="target"></span>`,
    views.part(part, words),
  ]);
  return html`<article id="${data.id}" class="message reply"><h2 class="for-reader">${words.messages.reply}</h2><div id="${data.id}-parts" class="parts">${parts}</div>${views.messageFoot(data, words)}</article>`;
}

function userMessage(data: MessageData, words: Words): Html {
  const bubbles = data.parts.map((part) => [
    isTarget(data, part) && html`<span class="target"></span>`,
    html`<div class="bubble" dir="auto">${part.message.content}</div>`,
    part.message.files?.length ? html`<ul class="files">${fileItems(part.message.files)}</ul>` : null,
  ]);
  return html`<article id="${data.id}" class="message user"><h2 class="for-reader">${words.messages.you}</h2>${bubbles}</article>`;
}

/** Whether to mark the part. Of a reply, the mark is also where the address leads; a message of the user has the id itself. */
function isTarget({ targetId }: MessageData, { message: { id } }: PartData): boolean {
  return id === targetId;
}

export function messageFoot(data: MessageData, words: Words): Html {
  return html`<footer id="${data.id}-foot" class="message-foot">${footContent(data, words)}</footer>`;
}

function footContent(data: MessageData, words: Words): Html {
  const { turn, parts } = data;
  if (!turn) return html`${copyButton(words)}`;
  if (turn.status === "running") return html`<span class="writing">${words.messages.writing}</span>`;
  const outcome = outcomeOf(turn, words);
  return html`${(outcome || turn.error) && html`<p class="outcome ${turn.status}">${turn.status === "failed" && icon("warning")} ${turn.error ?? outcome}</p>`}${
    parts.length > 0 && copyButton(words)
  }${turn.status !== "done" && html`${parts.length > 0 && action(data, "continue", words.messages.continue)}${action(data, "retry", words.messages.retry)}`}<span class="facts">${facts(turn, words)} · ${time(turn.started, words)}</span>`;
}

function outcomeOf({ status }: TurnInfo, { messages: words }: Words): string {
  return status === "done" || status === "running" ? "" : words[status];
}

function copyButton({ messages: { copy, copyReply } }: Words): Html {
  return html`<button class="icon-button copy" type="button" aria-label="${copyReply}" title="${copy}">${icon("copy")}</button>`;
}

function action({ threadId, turn, id }: MessageData, verb: "continue" | "retry", label: string): Html {
  const path = `/t/${threadId}/${verb}`;
  return html`<form method="post" action="${path}" hx-post="${path}" hx-swap="none"><input type="hidden" name="turn" value="${turn?.id}"><input type="hidden" name="parent" value="${id.slice(2)}"><button class="quiet">${label}</button></form>`;
}

function facts({ model, usage }: TurnInfo, words: Words): string {
  return usage ? `${model} · ${words.messages.tokens(usage.outputTokens)}` : model;
}
