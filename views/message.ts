/** A user's message, or a reply with its parts and what stands below it. */

import type { Html, MessageData, MessagesData, TurnInfo, ViewsProtocol } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export function messages({ threadId, messages: list, before, isLatest }: MessagesData, views: ViewsProtocol): Html {
  const path = `/t/${threadId}`;
  return html`<div id="messages" class="messages" role="log" aria-label="Messages">${
    before && html`<a class="earlier" href="${path}?before=${before}">Earlier messages</a>`
  }${list.length === 0 ? welcome : list.map((item) => views.message(item))}${!isLatest && html`<a class="earlier" href="${path}">Latest messages</a>`}</div>`;
}

const welcome = html`<div class="welcome"><h2>What is on your mind?</h2><p>Enter sends, Shift + Enter starts a new line.</p></div>`;

export function message(data: MessageData, views: ViewsProtocol): Html {
  if (data.role === "user") return userMessage(data);
  return html`<article id="${data.id}" class="message reply"><h2 class="for-reader">Reply</h2><div id="${data.id}-parts" class="parts">${data.parts.map((part) => views.part(part))}</div>${views.messageFoot(data)}</article>`;
}

function userMessage({ id, parts }: MessageData): Html {
  return html`<article id="${id}" class="message user"><h2 class="for-reader">You</h2><div class="bubble" dir="auto">${parts.map(({ message }) => message.content)}</div></article>`;
}

export function messageFoot(data: MessageData): Html {
  return html`<footer id="${data.id}-foot" class="message-foot">${footContent(data)}</footer>`;
}

function footContent(data: MessageData): Html {
  const { turn, parts } = data;
  if (!turn) return html`${copyButton}`;
  if (turn.status === "running") return html`<span class="writing">Writing…</span>`;
  const outcome = OUTCOME[turn.status];
  return html`${(outcome || turn.error) && html`<p class="outcome ${turn.status}">${turn.status === "failed" && icon("warning")} ${turn.error ?? outcome}</p>`}${
    parts.length > 0 && copyButton
  }${turn.status !== "done" && html`${parts.length > 0 && action(data, "continue", "Continue")}${action(data, "retry", "Retry")}`}<span class="facts">${facts(turn)}</span>`;
}

const OUTCOME = {
  done: "",
  stopped: "Stopped.",
  interrupted: "Interrupted: the server ended while this was written.",
  failed: "Failed.",
};

const copyButton = html`<button class="icon-button copy" type="button" aria-label="Copy the reply" title="Copy">${icon("copy")}</button>`;

function action({ threadId, turn, id }: MessageData, verb: "continue" | "retry", label: string): Html {
  const path = `/t/${threadId}/${verb}`;
  return html`<form method="post" action="${path}" hx-post="${path}" hx-swap="none"><input type="hidden" name="turn" value="${turn?.id}"><input type="hidden" name="parent" value="${id.slice(2)}"><button class="quiet">${label}</button></form>`;
}

function facts({ model, usage }: TurnInfo): string {
  return usage ? `${model} · ${usage.outputTokens} tokens` : model;
}
