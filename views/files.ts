/** Files of a message or a reply, each a link that downloads it. */

import type { FileInfo, Html, Words } from "../src/protocols";
import { html } from "./html";

export function fileItems(files: readonly FileInfo[] | undefined, { part }: Words): Html {
  return html`${(files ?? []).map(({ id, name, isRemoved }) =>
    isRemoved
      ? html`<li><span><s>${name}</s> ${part.removed}</span></li>`
      : html`<li><a href="/api/v1/files/${id}" download="${name}">${name}</a></li>`,
  )}`;
}
