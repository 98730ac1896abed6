/** One part of a reply: text, thinking, a tool call with its outcome, a file, or a plugin's remark. */

import type { Html, Message, PartData, ViewsProtocol } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export function part(data: PartData, views: ViewsProtocol): Html {
  switch (data.message.type) {
    case "text":
      return html`<div id="${data.id}" class="part text" dir="auto">${data.body}${tail(data)}</div>`;
    case "thinking":
      return html`<details id="${data.id}" class="part thinking">${views.partSummary(data)}<div class="inside" dir="auto">${data.body}${tail(data)}</div></details>`;
    case "tool":
      return tool(data, views);
    case "file":
      return html`<ul id="${data.id}" class="part files">${(data.message.files ?? []).map((file) => html`<li><a href="/api/v1/files/${file.id}" download="${file.name}">${file.name}</a></li>`)}</ul>`;
    case "notice":
      return html`<p id="${data.id}" class="part notice" dir="auto">${data.message.content}</p>`;
  }
}

export function partSummary({ id, message, tail }: PartData): Html {
  if (message.type === "thinking") {
    return html`<summary id="${id}-summary">${icon("chevron")}${tail ? "Thinking…" : `Thought${forTime(message.durationMs)}`}</summary>`;
  }
  if (message.type !== "tool") return html``;
  return html`<summary id="${id}-summary">${icon("chevron")}${icon("tool")}<code>${message.name}</code><span class="state">${stateOf(message, tail !== null)}</span></summary>`;
}

/** Not announced while it changes; the finished blocks before it are. */
function tail({ id, tail: markup }: PartData): Html | null {
  return markup && html`<div id="${id}-tail" class="tail" aria-live="off">${markup}</div>`;
}

function tool(data: PartData, views: ViewsProtocol): Html {
  const { id, message, progress } = data;
  const state = data.tail ? "running" : message.error === undefined ? "done" : "failed";
  return html`<details id="${id}" class="part tool ${state}">${views.partSummary(data)}<div class="inside"><h3>Arguments</h3><pre tabindex="0">${indented(message.arguments ?? "")}</pre>${
    data.tail && html`<h3>Progress</h3><pre id="${id}-progress" tabindex="0">${progress}</pre>`
  }${state === "done" && html`<h3>Result</h3><pre tabindex="0">${message.content}</pre>`}${
    state === "failed" && html`<h3>Error</h3><pre class="error" tabindex="0">${message.error}</pre>`
  }</div></details>`;
}

function stateOf(message: Message, isRunning: boolean): string {
  if (isRunning) return "running…";
  return `${message.error === undefined ? "done" : "failed"}${message.durationMs === undefined ? "" : ` · ${duration(message.durationMs)}`}`;
}

function forTime(durationMs: number | undefined): string {
  return durationMs === undefined ? "" : ` for ${duration(durationMs)}`;
}

function duration(ms: number): string {
  if (ms < 950) return `${Math.round(ms)} ms`;
  return ms < 59_500 ? `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s` : `${Math.round(ms / 60_000)} min`;
}

/** A model writes its arguments as JSON on one line, or as something that is not JSON. */
function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
