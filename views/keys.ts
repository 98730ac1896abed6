/** The list of keys. The letters are access keys, which browsers know without a script; the others are the script's. */

import type { Html, Words } from "../src/protocols";
import { html } from "./html";
import { icon } from "./icon";

export function keys({ keys: words, chat, composer }: Words): Html {
  const list: readonly (readonly [keys: readonly string[], does: string])[] = [
    [[words.enter], composer.send],
    [[words.shift, words.enter], words.newLine],
    [[words.alt, "S"], words.sendOrStop],
    [[words.alt, "M"], words.messageBox],
    [[words.alt, "K"], words.search],
    [[words.alt, "N"], chat.newChat],
    [["?"], words.thisList],
    [[words.escape], words.closeOpen],
  ];
  return html`<dialog id="keys" class="keys" popover aria-labelledby="keys-title">
<header><h2 id="keys-title">${words.title}</h2><button class="icon-button" type="button" popovertarget="keys" popovertargetaction="hide" aria-label="${words.close}" autofocus>${icon("cross")}</button></header>
<dl>${list.map(([names, does]) => html`<div><dt>${names.map((name, at) => html`${at > 0 && " + "}<kbd>${name}</kbd>`)}</dt><dd>${does}</dd></div>`)}</dl>
<p>${words.elsewhere}</p>
</dialog>`;
}
