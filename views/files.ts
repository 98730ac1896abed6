/** Files: those of a message or a reply, and those that are attached and not sent yet. */

import type { ChipData, FileInfo, FileText, Html, Words } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

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
  return html`<li id="file-${id}" class="chip"><input type="hidden" name="files" value="${id}">${
    isPicture(file) ? html`<img src="/files/${id}?small=1" alt="">` : icon("file")
  }<span class="name" dir="auto">${name}</span><span class="size">${words.files.size(size)}</span><span id="file-${id}-report" class="report" hx-get="/files/${id}/report" hx-trigger="load" hx-swap="outerHTML">${words.files.reading}</span>${
    isPasted &&
    html`<button class="quiet as-text" type="button" data-from="/api/v1/files/${id}">${words.files.asText}</button>`
  }<button class="icon-button detach" type="button" aria-label="${words.files.remove(name)}" title="${words.files.remove(name)}" hx-post="/files/${id}/remove" hx-target="closest .chip" hx-swap="delete">${icon("cross")}</button></li>`;
}

export function fileReport(id: string, read: FileText, words: Words): Html {
  return html`<span id="file-${id}-report" class="${read.fault ? "report error" : "report"}">${words.files.report(read)}</span>`;
}
