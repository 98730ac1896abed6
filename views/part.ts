/**
 * One part of a reply: text, thinking, a tool call with its outcome, a file, or a plugin's remark; and files wherever they stand: in a
 * message or a reply, and attached to what is not sent yet.
 */

import { parseJson } from "../src/basics/json";
import { pageIds } from "../src/basics/page-ids";
import type { ChipData, FileInfo, FileText, Html, Message, PartData, ViewsProtocol, Words } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export function part(data: PartData, words: Words, views: ViewsProtocol): Html {
  switch (data.message.type) {
    case "text":
      return html`<div id="${data.id}" class="part text" dir="auto">${data.body}${tail(data)}</div>`;
    case "thinking":
      return html`<details id="${data.id}" class="part thinking">${views.partSummary(data, words)}<div class="inside" dir="auto">${data.body}${tail(data)}</div></details>`;
    case "tool":
      return tool(data, words, views);
    case "file":
      return html`<ul id="${data.id}" class="part files">${fileItems(data.message.files, words)}</ul>`;
    case "notice":
      return html`<p id="${data.id}" class="part notice" dir="auto">${data.message.content}</p>`;
  }
}

export function partSummary(data: PartData, words: Words): Html {
  const { id, message, tail } = data;
  if (message.type === "thinking") {
    return html`<summary id="${pageIds.summary(id)}">${icon("chevron")}${tail ? words.part.thinking : thought(message, words)}</summary>`;
  }
  if (message.type !== "tool") return html``;
  return html`<summary id="${pageIds.summary(id)}">${icon("chevron")}${icon("tool")}<code>${message.name}</code><span class="state">${stateOf(data, words)}</span></summary>`;
}

/** Not announced while it changes; the finished blocks before it are. */
function tail({ id, tail: markup }: PartData): Html | null {
  return markup && html`<div id="${pageIds.tail(id)}" class="tail" aria-live="off">${markup}</div>`;
}

function tool(data: PartData, words: Words, views: ViewsProtocol): Html {
  const { id, message, progress, isWaiting } = data;
  if (isWaiting) return html`<div id="${id}" class="part tool waiting">${question(data, words)}</div>`;
  const state = data.tail ? "running" : message.error === undefined ? "done" : "failed";
  return html`<div id="${id}" class="part tool ${message.approved === false ? "denied" : state}"><details id="${id}-details">${views.partSummary(data, words)}<div class="inside"><h3>${words.part.arguments}</h3>${box(indented(message.arguments ?? ""), words)}${
    data.tail && html`<h3>${words.part.progress}</h3><pre id="${id}-progress" tabindex="0">${progress}</pre>`
  }${state === "done" && html`<h3>${words.part.result}</h3>${box(message.content, words)}`}${
    state === "failed" && html`<h3>${words.part.error}</h3>${box(message.error ?? "", words, html`class="error"`)}`
  }</div></details></div>`;
}

/** In the place of the details, because nobody should say yes to what they do not see. */
function question({ id, message }: PartData, words: Words): Html {
  const { part } = words;
  const path = `/t/${message.threadId}/approve`;
  return html`<form class="question" method="post" action="${path}" hx-post="${path}" hx-swap="none" aria-labelledby="${id}-question"><p id="${id}-question">${icon("tool")}<code>${message.name}</code> ${part.mayRun}</p>${box(unhidden(indented(message.arguments ?? "")), words, html`aria-label="${part.arguments}"`, ASKED_MAX)}<input type="hidden" name="turn" value="${message.turnId}"><input type="hidden" name="call" value="${message.callId}"><div class="answers"><button class="primary" name="approve" value="yes">${part.allow}</button><button class="quiet" name="approve" value="no">${part.deny}</button></div></form>`;
}

/** Characters that turn the order of others around, or cannot be seen, could make a call look like another one. */
function unhidden(text: string): string {
  return text.replace(/[\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/gu, (character) => {
    const units = character.split("");
    return units.map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
  });
}

function stateOf({ message, tail, isWaiting }: PartData, words: Words): string {
  if (isWaiting) return words.part.waiting;
  if (tail) return words.part.running;
  if (message.approved === false) return words.part.denied;
  const state = message.error === undefined ? words.part.done : words.part.failed;
  return message.durationMs === undefined ? state : `${state} · ${words.duration(message.durationMs)}`;
}

const WORTH_SAYING_MS = 1000; // What took no longer was hardly thought.

function thought({ durationMs }: Message, { part, duration }: Words): string {
  return durationMs === undefined || durationMs < WORTH_SAYING_MS
    ? part.thought
    : part.thoughtFor(duration(durationMs));
}

const SHOWN_MAX = 20_000; // Characters. Nobody reads more in a box; the API gives the whole.
const ASKED_MAX = 100_000; // Characters of what somebody shall say yes to: more is cut only so that the page can be shown at all.

/** What a tool is given or gives. Whatever is left out is told below it. */
function box(text: string, { part, number }: Words, attributes: Html | null = null, most = SHOWN_MAX): Html {
  const isCut = text.length > most;
  return html`<pre ${attributes} tabindex="0">${isCut ? text.slice(0, most) : text}</pre>${
    isCut && html`<p class="cut">${part.cut(number(most), number(text.length))}</p>`
  }`;
}

/**
 * A model writes its arguments as JSON on one line, or as something that is not JSON. The space in front of a line grows with its depth:
 * what becomes long or nests deep stays as it was written.
 */
function indented(text: string): string {
  if (text.length > SHOWN_MAX) return text;
  try {
    const lines = JSON.stringify(parseJson(text), null, 2);
    return lines.length > SHOWN_MAX ? text : lines;
  } catch {
    return text;
  }
}

/** Each file as a link that downloads it, a picture as one that shows it. */
export function fileItems(files: readonly FileInfo[] | undefined, words: Words): Html {
  return html`${(files ?? []).map((file) => html`<li>${item(file, words)}</li>`)}`;
}

function item(file: FileInfo, words: Words): Html {
  if (file.isRemoved)
    return html`<span class="file"><s class="name" dir="auto">${file.name}</s> ${words.part.removed}</span>`;
  return isPicture(file) ? picture(file) : download(file, words);
}

/** By the type that an upload got from the bytes. */
function isPicture({ type }: FileInfo): boolean {
  return /^image\/(?:png|jpeg|gif|webp|avif)$/.test(type);
}

function picture({ id, name }: FileInfo): Html {
  return html`<a class="picture" href="/files/${id}"><img src="/files/${id}?small=1" alt="${name}" loading="lazy"></a>`;
}

function download({ id, name, size }: FileInfo, words: Words): Html {
  return html`<a class="file" href="/api/v1/files/${id}" download="${name}">${icon("file")}<span class="name" dir="auto">${name}</span><span class="size">${words.files.size(size)}</span></a>`;
}

/** Where the script shows a picture that is clicked. Without it the picture has the window for itself. */
export function viewer({ files: words }: Words): Html {
  return html`<dialog id="viewer" class="viewer"><form method="dialog"><button class="icon-button" aria-label="${words.close}" title="${words.close}">${icon("cross")}</button></form><img alt=""></dialog>`;
}

/** What the form sends of the file is its id. */
export function fileChip({ file, isPasted }: ChipData, words: Words): Html {
  const { id, name, size } = file;
  return html`<li id="${pageIds.chip(id)}" class="chip"><input type="hidden" name="files" value="${id}">${
    isPicture(file) ? html`<img src="/files/${id}?small=1" alt="">` : icon("file")
  }<span class="name" dir="auto">${name}</span><span class="size">${words.files.size(size)}</span><span id="${pageIds.report(pageIds.chip(id))}" class="report" hx-get="/files/${id}/report" hx-trigger="load" hx-swap="outerHTML">${words.files.reading}</span>${
    isPasted &&
    html`<button class="quiet as-text" type="button" data-from="/api/v1/files/${id}">${words.files.asText}</button>`
  }<button class="icon-button detach" type="button" aria-label="${words.files.remove(name)}" title="${words.files.remove(name)}" hx-post="/files/${id}/remove" hx-target="closest .chip" hx-swap="delete">${icon("cross")}</button></li>`;
}

export function fileReport(id: string, read: FileText, words: Words): Html {
  return html`<span id="${pageIds.report(pageIds.chip(id))}" class="${read.fault ? "report error" : "report"}">${words.files.report(read)}</span>`;
}
