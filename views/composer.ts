/** Where a message is written: text, model, system prompt, and Send, which is Stop while a turn runs. */

import type { ComposerData, GoData, Html, ViewsProtocol, Words } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export function composer(data: ComposerData, words: Words, views: ViewsProtocol): Html {
  const path = data.threadId ? `/t/${data.threadId}/messages` : "/t";
  return html`<form id="composer" class="composer" method="post" action="${path}" ${data.isLive && html`hx-post="${path}"`} hx-swap="none" hx-sync="this:drop">
${data.parentId && html`<input type="hidden" name="parent" value="${data.parentId}">`}
<label class="for-reader" for="text">${words.composer.message}</label>
<textarea id="text" name="content" rows="1" maxlength="100000" placeholder="${words.composer.placeholder}" dir="auto" required autofocus enterkeyhint="enter">${data.draft}</textarea>
<div class="choices">
${modelSelect(data, words)}
${promptSelect(data, words)}
${views.go(data, words)}
</div>
</form>`;
}

export function go({ threadId, liveTurnId }: GoData, words: Words): Html {
  if (!liveTurnId)
    return html`<button id="go" class="go send" aria-label="${words.composer.send}" title="${words.composer.send}">${icon("arrowUp")}</button>`;
  const path = `/t/${threadId}/stop?turn=${encodeURIComponent(liveTurnId)}`;
  return html`<button id="go" class="go stop" formaction="${path}" formnovalidate hx-post="${path}" hx-swap="none" aria-label="${words.composer.stop}" title="${words.composer.stop}">${icon("stop")}</button>`;
}

function modelSelect({ models, model }: ComposerData, words: Words): Html {
  if (models.length === 0) return html`<span class="no-model">${words.composer.noModel}</span>`;
  return html`<select name="model" aria-label="${words.composer.model}">${models.map((id) => option(id, id, id === model))}</select>`;
}

function promptSelect({ prompts, systemPrompt }: ComposerData, words: Words): Html {
  if (prompts.length < 2) return html`<input type="hidden" name="system_prompt" value="${systemPrompt}">`;
  return html`<select name="system_prompt" aria-label="${words.composer.systemPrompt}">${prompts.map((prompt) =>
    option(prompt.name, prompt.description || prompt.name, prompt.name === systemPrompt),
  )}</select>`;
}

function option(value: string, label: string, isChosen: boolean): Html {
  return html`<option value="${value}" ${isChosen && html`selected`}>${label}</option>`;
}
