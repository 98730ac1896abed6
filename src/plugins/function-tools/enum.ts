/** The values of a TypeScript enumeration. */

import { literalValue } from "./literal";
import { refusal, type Scope } from "./scope";
import { oneOf, type ParameterShape } from "./shape";
import type { TypeDeclaration } from "./source";

type Enumeration = Extract<TypeDeclaration, { readonly type: "TSEnumDeclaration" }>;

/** A number means nothing to a model, so the names of numbers are told too. */
export function enumeration({ body }: Enumeration, scope: Scope): ParameterShape {
  const values: (string | number)[] = [];
  for (const member of body.members) {
    const value = memberValue(member.initializer, values.at(-1));
    if (value === null) throw refusal(member, scope, "has a value that is computed; write it out");
    values.push(value);
  }
  const names = body.members.map(({ id }) => (id.type === "Identifier" ? id.name : id.value));
  return oneOf(values, values.some((value) => typeof value === "number") ? names : []);
}

type Initializer = Enumeration["body"]["members"][number]["initializer"];

function memberValue(initializer: Initializer, before: string | number | undefined): string | number | null {
  if (!initializer) return before === undefined ? 0 : typeof before === "number" ? before + 1 : null;
  const value = literalValue(initializer);
  return typeof value === "string" || typeof value === "number" ? value : null;
}
