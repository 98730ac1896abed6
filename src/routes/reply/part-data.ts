/** Parts as the views want them: with their Markdown rendered, as far as it is finished. */

import { formulasOfText } from "../../formulas";
import type { Core, Html, Message, PartData, Words } from "../../protocols";
import { rendered } from "./rendered";

/** Id of a part's element. */
export function partId(message: Pick<Message, "id">): string {
  return `p-${message.id}`;
}

/** Of a complete part. Its Markdown, unless it is given, is rendered when it is looked at: not everybody looks. */
export function storedPart(core: Core, words: Words, message: Message, given?: Html): PartData {
  let body = given ?? null;
  return {
    id: partId(message),
    message,
    get body() {
      body ??= rendered(core, words, isMarkdown(message) ? message.content : "");
      return body;
    },
    tail: null,
    progress: "",
    isWaiting: false,
  };
}

/** Of a part of a turn that runs; the last one may still grow. */
export function livePart(core: Core, words: Words, message: Message, state: LiveState): PartData {
  const { isLast, isWaiting } = state;
  if (message.type === "tool" && isUnanswered(message))
    return { ...storedPart(core, words, message), tail: core.views.markdown("", words), isWaiting };
  if (!isLast || !isMarkdown(message)) return storedPart(core, words, message);
  const formulas = formulasOfText(core.log);
  const { finished, tail } = core.views.openMarkdown(message.content, words, formulas);
  const body = core.views.markdown(message.content.slice(0, finished), words, formulas);
  return { id: partId(message), message, body, tail, progress: "", isWaiting };
}

export interface LiveState {
  readonly isLast: boolean;
  readonly isWaiting: boolean;
}

export function isMarkdown({ type }: Pick<Message, "type">): boolean {
  return type === "text" || type === "thinking";
}

function isUnanswered({ error, durationMs }: Message): boolean {
  return error === undefined && durationMs === undefined;
}
