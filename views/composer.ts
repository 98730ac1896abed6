/** Where a message is written: text, files, model, system prompt, and Send, which is Stop while a turn runs. */

import type { ComposerData, GoData, Html, JsonObject, SystemPrompt, ViewsProtocol, Words } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export function composer(data: ComposerData, words: Words, views: ViewsProtocol): Html {
  const path = data.threadId ? `/t/${data.threadId}/messages` : "/t";
  return html`<form id="composer" class="composer" method="post" enctype="multipart/form-data" action="${path}" hx-post="${data.isLive ? path : `${path}?whole=1`}" hx-swap="none" hx-sync="this:drop">
${views.sendKey(data.sendKey)}${data.parentId && html`<input type="hidden" name="parent" value="${data.parentId}">`}
<label class="for-reader" for="text">${words.composer.message}</label>
<ul id="chips" class="chips" aria-label="${words.files.attached}"></ul>
<textarea id="text" name="content" rows="1" placeholder="${words.composer.placeholder}" dir="auto" required autofocus accesskey="m" enterkeyhint="enter" data-paste="${data.pasteCharacters}" data-most="${data.maxCharacters}" data-too-long="${words.composer.tooLong}">${data.draft}</textarea>
<div class="choices">
${attachment(words)}
<select id="models" class="models" name="model" aria-label="${words.composer.model}">${views.models(data, words)}</select>
${promptSelect(data, words)}
${ownParameters(data, words)}
${views.go(data, words)}${data.isStreamed && laterSend(words)}
</div>
</form>`;
}

export function go({ threadId, liveTurnId }: GoData, words: Words): Html {
  if (!liveTurnId)
    return html`<button id="go" class="go send primary" accesskey="s" aria-label="${words.composer.send}" title="${words.composer.send}">${icon("arrowUp", words.composer.send)}</button>`;
  const path = `/t/${threadId}/stop?turn=${encodeURIComponent(liveTurnId)}`;
  return html`<button id="go" class="go stop primary" accesskey="s" formaction="${path}" formnovalidate hx-post="${path}" hx-swap="none" aria-label="${words.composer.stop}" title="${words.composer.stop}">${icon("stop", words.composer.stop)}</button>`;
}

/** A browser that comes back to the page must not bring back the key of what was sent before. */
export function sendKey(key: string): Html {
  return html`<input id="send-key" type="hidden" name="key" value="${key}" autocomplete="off">`;
}

/** In a page that is written while it loads: shown once it is complete. */
function laterSend({ composer: words }: Words): Html {
  return html`<button class="go send later primary" aria-label="${words.send}" title="${words.send}">${icon("arrowUp", words.send)}</button>`;
}

/**
 * The browser's own control, which names what was chosen; the style makes an icon of it. With script the files are sent as soon as they
 * are chosen, and become the chips above.
 */
function attachment({ composer: words, files }: Words): Html {
  return html`<span class="attachment"><input id="files" type="file" name="files" multiple aria-label="${words.attach}" title="${words.attach}" data-uploading="${files.uploading}"></span>`;
}

/** Each model has an id, so that those that come or go leave the choice as it is. */
export function models({ models: ids, model }: Pick<ComposerData, "models" | "model">, words: Words): Html {
  if (ids.length === 0) return html`<option value="">${words.composer.noModel}</option>`;
  return html`${ids.map((id) => html`<option id="model-${encodeURIComponent(id)}" value="${id}" ${id === model && html`selected`}>${id}</option>`)}`;
}

function promptSelect({ prompts, systemPrompt }: ComposerData, words: Words): Html {
  if (prompts.length < 2) return html`<input type="hidden" name="system_prompt" value="${systemPrompt}">`;
  return html`<select name="system_prompt" aria-label="${words.composer.systemPrompt}">${prompts.map((prompt) =>
    option(prompt.name, promptLabel(prompt), prompt.name === systemPrompt),
  )}</select>`;
}

function promptLabel({ name, description, parameters = {} }: SystemPrompt): string {
  return [description || name, ...listed(parameters)].join(" · ");
}

/** The parameters that the chat was given by itself; those of a prompt stand beside its name. */
function ownParameters({ parameters, prompts, systemPrompt }: ComposerData, words: Words): Html | null {
  const preset = prompts.find(({ name }) => name === systemPrompt)?.parameters ?? {};
  const own = listed(parameters).filter((parameter) => prompts.length < 2 || !listed(preset).includes(parameter));
  if (own.length === 0) return null;
  return html`<span class="parameters" title="${words.composer.parameters}">${own.join(" · ")}</span>`;
}

const PARAMETER_MAX = 40; // Characters. What is longer is a schema or a list of words, which nobody reads here.

function listed(parameters: JsonObject): string[] {
  return Object.entries(parameters).map(([name, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `${name} ${text.length > PARAMETER_MAX ? "…" : text}`;
  });
}

function option(value: string, label: string, isChosen: boolean): Html {
  return html`<option value="${value}" ${isChosen && html`selected`}>${label}</option>`;
}
