/** Reads a JSDoc comment: what comes before its first tag, and its `@param` tags. Other tags are nothing to a model. */

export interface Doc {
  readonly description: string;
  readonly params: ReadonlyMap<string, string>;
}

interface Comment {
  readonly type: string;
  readonly value: string;
}

/** Of the comments before a piece of code the last JSDoc one counts; empty when there is none. */
export function readDoc(comments: readonly Comment[] | null | undefined): Doc {
  const last = comments?.findLast(({ type, value }) => type === "CommentBlock" && value.startsWith("*"));
  const text = last?.value.replace(/^\*+|^[^\S\n]*\*(?!\*)/gm, "") ?? "";
  // In a comment of one line a `@param` may stand within it.
  const [description = "", ...tags] = text.split(/^\s*@(?=\w)|\s@(?=param\s)/m);
  return { description: joinLines(description), params: new Map(tags.flatMap(readParam)) };
}

/** `@param {type} name - text`; the type is that of the code, and `[name=1]` is how JSDoc writes an optional one. */
function readParam(tag: string): [string, string][] {
  const match = /^param\s+(?:\{[^}]*\}\s*)?\[?([^\s\]=[]+)(?:=[^\]]*)?\]?\s*(?:-\s*)?/.exec(tag);
  return match?.[1] ? [[match[1], joinLines(tag.slice(match[0].length))]] : [];
}

/** Lines are broken for the width of an editor; an empty one parts paragraphs. */
function joinLines(text: string): string {
  const paragraphs = text.split(/\n\s*\n/).map((it) => it.trim().replace(/\s+/g, " "));
  return paragraphs.filter((it) => it !== "").join("\n\n");
}
