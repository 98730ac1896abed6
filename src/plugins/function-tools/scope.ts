/** Where a type is written and what led there; and the sentence that refuses it. */

import { basename } from "node:path";
import type { Sources } from "./lookup";
import type { SourceFile, TypeDeclaration } from "./source";

const TYPES_MAX = 500; // Types that one parameter may spell out: types used twice by types used twice grow without end.
const DEPTH_MAX = 30; // Levels. Endpoints refuse far fewer.

export interface Scope {
  readonly sources: Sources;
  readonly source: SourceFile;
  /** Named types that are being spelled out, the outermost first. */
  readonly trail: readonly TypeDeclaration[];
  readonly depth: number;
  readonly count: { types: number };
}

/** A step towards the parts of a type. */
export function deeper(node: Spot, scope: Scope): Scope {
  const inner = { ...scope, depth: scope.depth + 1 };
  if (++inner.count.types > TYPES_MAX || inner.depth > DEPTH_MAX)
    throw refusal(node, scope, "is part of one that is too large");
  return inner;
}

/** A step from a name to what it stands for. */
export function enter(source: SourceFile, declaration: TypeDeclaration, node: Spot, outer: Scope): Scope {
  if (outer.trail.includes(declaration)) throw refusal(node, outer, "refers to itself");
  if ("typeParameters" in declaration && declaration.typeParameters)
    throw refusal(node, outer, "is generic; write it out");
  return { ...outer, source, trail: [...outer.trail, declaration] };
}

/** A part of a file. */
export type Spot = {
  readonly start?: number | null;
  readonly end?: number | null;
  readonly loc?: { readonly start: { readonly line: number } } | null;
};

const POSSIBLE =
  "is nothing that JSON has; use string, number, boolean, null, literals, arrays, tuples, object types, interfaces, enums, Record<string, …>, Date, or unions of them";

/** `why` follows the type in a sentence. */
export function refusal(node: Spot, { source, depth }: Scope, why = POSSIBLE): Error {
  const text = source.text.slice(node.start ?? 0, node.end ?? 0).replace(/\s+/g, " ");
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  const file = depth > 1 ? `${basename(source.path)} ` : "";
  return new Error(`the type ${short} (${file}line ${node.loc?.start.line}) ${why}.`);
}
