/** What elements a piece of markup is made of. */

import type { Html } from "../../protocols";

export interface Element {
  readonly tag: string;
  readonly id: string | null;
  readonly attributes: readonly string[];
  readonly depth: number;
}

const VOID = new Set(["input", "link", "meta", "br", "hr", "img"]);

/** Every element, as a browser's parser finds them. */
export function parse({ markup }: Html): Element[] {
  const elements: Element[] = [];
  let depth = 0;
  const rewriter = new HTMLRewriter().on("*", {
    element(element) {
      const attributes = [...element.attributes].map(([name]) => name);
      elements.push({ tag: element.tagName, id: element.getAttribute("id"), attributes, depth });
      if (!element.canHaveContent || element.selfClosing || VOID.has(element.tagName)) return;
      depth++;
      element.onEndTag(() => void depth--);
    },
  });
  rewriter.transform(markup);
  return elements;
}

export function idsOf(fragment: Html): (string | null)[] {
  return parse(fragment).map(({ id }) => id);
}
