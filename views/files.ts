/** Files of a message or a reply, each a link that downloads it. */

import type { FileInfo, Html } from "../src/protocols";
import { html } from "./html";

export function fileItems(files: readonly FileInfo[] | undefined): Html {
  return html`${(files ?? []).map(({ id, name }) => html`<li><a href="/api/v1/files/${id}" download="${name}">${name}</a></li>`)}`;
}
