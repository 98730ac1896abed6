/** Code as a figure with the name of its language and a button to copy it. Coloured once it is complete. */

import type { Token } from "markdown-it";
import type { Words } from "../../src/protocols";
import { escapeHtml } from "../html";
import { highlight } from "./highlight";

export function code(token: Token | undefined, words: Words["markdown"]): string {
  const content = token?.content ?? "";
  const language = token?.info.trim().split(/\s+/, 1)[0] ?? "";
  const markup = token?.type === "fence" && isClosed(token) ? highlight(content, language) : escapeHtml(content);
  return `<figure class="code"><figcaption><span>${escapeHtml(language || words.text)}</span><button class="copy" type="button">${escapeHtml(words.copy)}</button></figcaption><pre tabindex="0"><code>${markup}</code></pre></figure>\n`;
}

/** Whether a fence has its last line; one that the text or its list ended has not. */
export function isClosed({ map, content }: Token): boolean {
  const lines = content.split("\n").length - (content === "" || content.endsWith("\n") ? 1 : 0);
  return map !== null && map[1] - map[0] === lines + 2;
}
