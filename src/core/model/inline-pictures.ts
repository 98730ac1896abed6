/**
 * Takes pictures out of a model's text that are written into it, as `![a cat](data:image/png;base64,…)`: some gateways send them so, and
 * megabytes of letters are nothing that a person can read or the next request should have.
 */

export type InlinePiece =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "picture"; readonly url: string };

export interface InlinePictures {
  push(text: string): InlinePiece[];
  /** Characters that are held back. */
  held(): number;
  /** What is held back, as the text that it is. */
  end(): InlinePiece[];
}

const BEGIN = /!\[[^\]\n]{0,100}\]\((?=data:image\/[\w.+-]{1,40};base64,)/y;
const OTHER = /[^\w+/=-]/; // What base64 does not have.
const ADDRESS = "(data:image/";
const BEGIN_MAX = 200; // Characters up to the base64.
const PICTURE_MAX = 32 * 1024 * 1024; // Characters, as of one event of a stream.

export function createInlinePictures(): InlinePictures {
  let held = "";
  /** The beginning and the pieces of a picture that is not whole yet; empty = none. */
  let picture: string[] = [];
  let size = 0;

  const leave = (): string => {
    const text = picture.join("");
    picture = [];
    size = 0;
    return text;
  };

  /** What is left of the text when the picture has ended. */
  const takePicture = (text: string, pieces: InlinePiece[]): string => {
    const [begin = ""] = picture;
    const end = text.search(OTHER);
    picture.push(end < 0 ? text : text.slice(0, end));
    size += text.length;
    if (end < 0 && size <= PICTURE_MAX) return "";
    const whole = leave();
    const isWhole = text[end] === ")";
    pieces.push(
      ...(isWhole ? [{ type: "picture" as const, url: whole.slice(begin.indexOf(ADDRESS) + 1) }] : piece(whole)),
    );
    return end < 0 ? "" : text.slice(isWhole ? end + 1 : end);
  };

  /** What follows the beginning of a picture, if there is one. */
  const takeText = (text: string, pieces: InlinePiece[]): string => {
    for (let at = text.indexOf("!"); at >= 0; at = text.indexOf("!", at + 1)) {
      BEGIN.lastIndex = at;
      const isPicture = BEGIN.test(text);
      if (!isPicture && !mayBegin(text.slice(at, at + BEGIN_MAX + 1))) continue;
      pieces.push(...piece(text.slice(0, at)));
      const data = isPicture ? text.indexOf(",", at) + 1 : text.length;
      if (isPicture) picture = [text.slice(at, data)];
      else held = text.slice(at);
      return text.slice(data);
    }
    pieces.push(...piece(text));
    return "";
  };

  return {
    push(text) {
      const pieces: InlinePiece[] = [];
      let rest = held + text;
      held = "";
      while (rest !== "") rest = picture.length > 0 ? takePicture(rest, pieces) : takeText(rest, pieces);
      return pieces;
    },
    held: () => held.length + size,
    end() {
      const text = held + leave();
      held = "";
      return piece(text);
    },
  };
}

/** Whether the end of a text may go on as a picture. */
function mayBegin(tail: string): boolean {
  if (tail.length > BEGIN_MAX) return false;
  if (tail === "!") return true;
  const alt = /^!\[[^\]\n]{0,100}/.exec(tail)?.[0];
  if (alt === undefined) return false;
  const rest = tail.slice(alt.length);
  if (rest === "" || rest === "]") return true;
  const address = rest.slice(1);
  return (
    rest.startsWith("]") &&
    (ADDRESS.startsWith(address) || /^\(data:image\/[\w.+-]{0,40}(?:;[base64]{0,6})?$/.test(address))
  );
}

function piece(text: string): InlinePiece[] {
  return text === "" ? [] : [{ type: "text", text }];
}
