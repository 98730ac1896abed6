/** One part of a reply: text, thinking, a tool call with its outcome, a file, or a plugin's remark. */

import type { Html, Message, PartData, ViewsProtocol, Words } from "../src/protocols";
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
      return html`<ul id="${data.id}" class="part files">${(data.message.files ?? []).map((file) => html`<li><a href="/api/v1/files/${file.id}" download="${file.name}">${file.name}</a></li>`)}</ul>`;
    case "notice":
      return html`<p id="${data.id}" class="part notice" dir="auto">${data.message.content}</p>`;
  }
}

export function partSummary({ id, message, tail }: PartData, words: Words): Html {
  if (message.type === "thinking") {
    return html`<summary id="${id}-summary">${icon("chevron")}${tail ? words.part.thinking : thought(message, words)}</summary>`;
  }
  if (message.type !== "tool") return html``;
  return html`<summary id="${id}-summary">${icon("chevron")}${icon("tool")}<code>${message.name}</code><span class="state">${stateOf(message, tail !== null, words)}</span></summary>`;
}

/** Not announced while it changes; the finished blocks before it are. */
function tail({ id, tail: markup }: PartData): Html | null {
  return markup && html`<div id="${id}-tail" class="tail" aria-live="off">${markup}</div>`;
}

function tool(data: PartData, words: Words, views: ViewsProtocol): Html {
  const { id, message, progress } = data;
  const state = data.tail ? "running" : message.error === undefined ? "done" : "failed";
  return html`<details id="${id}" class="part tool ${state}">${views.partSummary(data, words)}<div class="inside"><h3>${words.part.arguments}</h3><pre tabindex="0">${indented(message.arguments ?? "")}</pre>${
    data.tail && html`<h3>${words.part.progress}</h3><pre id="${id}-progress" tabindex="0">${progress}</pre>`
  }${state === "done" && html`<h3>${words.part.result}</h3><pre tabindex="0">${message.content}</pre>`}${
    state === "failed" && html`<h3>${words.part.error}</h3><pre class="error" tabindex="0">${message.error}</pre>`
  }</div></details>`;
}

function stateOf(message: Message, isRunning: boolean, words: Words): string {
  if (isRunning) return words.part.running;
  const state = message.error === undefined ? words.part.done : words.part.failed;
  return message.durationMs === undefined ? state : `${state} · ${words.duration(message.durationMs)}`;
}

function thought({ durationMs }: Message, { part, duration }: Words): string {
  return durationMs === undefined ? part.thought : part.thoughtFor(duration(durationMs));
}

/** A model writes its arguments as JSON on one line, or as something that is not JSON. */
function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
