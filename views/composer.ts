/** Where a message is written: text, model, system prompt, and Send, which is Stop while a turn runs. */

import type { ComposerData, GoData, Html, ViewsProtocol } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export function composer(data: ComposerData, views: ViewsProtocol): Html {
  const path = data.threadId ? `/t/${data.threadId}/messages` : "/t";
  return html`<form id="composer" class="composer" method="post" action="${path}" hx-post="${path}" hx-swap="none" hx-sync="this:drop">
<label class="for-reader" for="text">Message</label>
<textarea id="text" name="content" rows="1" maxlength="100000" placeholder="Message…" dir="auto" required autofocus enterkeyhint="enter">${data.draft}</textarea>
<div class="choices">
${modelSelect(data)}
${promptSelect(data)}
${views.go(data)}
</div>
</form>`;
}

export function go({ threadId, liveTurnId }: GoData): Html {
  if (!liveTurnId)
    return html`<button id="go" class="go send" aria-label="Send" title="Send">${icon("arrowUp")}</button>`;
  const path = `/t/${threadId}/stop?turn=${encodeURIComponent(liveTurnId)}`;
  return html`<button id="go" class="go stop" formaction="${path}" formnovalidate hx-post="${path}" hx-swap="none" aria-label="Stop" title="Stop">${icon("stop")}</button>`;
}

function modelSelect({ models, model }: ComposerData): Html {
  if (models.length === 0) return html`<span class="no-model">No model is available now.</span>`;
  return html`<select name="model" aria-label="Model">${models.map((id) => option(id, id, id === model))}</select>`;
}

function promptSelect({ prompts, systemPrompt }: ComposerData): Html {
  if (prompts.length < 2) return html`<input type="hidden" name="system_prompt" value="${systemPrompt}">`;
  return html`<select name="system_prompt" aria-label="System prompt">${prompts.map((prompt) =>
    option(prompt.name, prompt.description || prompt.name, prompt.name === systemPrompt),
  )}</select>`;
}

function option(value: string, label: string, isChosen: boolean): Html {
  return html`<option value="${value}" ${isChosen && html`selected`}>${label}</option>`;
}
