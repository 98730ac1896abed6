/** The value of a literal in the code, a negative number included. */

import type { Expression } from "@babel/parser";
import type { Literal } from "./shape";

/** Undefined for anything that would have to be computed. */
export function literalValue(node: { readonly type: string }): Literal | null | undefined {
  const expression = node as Expression;
  switch (expression.type) {
    case "StringLiteral":
    case "NumericLiteral":
    case "BooleanLiteral":
      return expression.value;
    case "NullLiteral":
      return null;
    case "UnaryExpression":
      return expression.operator === "-" && expression.argument.type === "NumericLiteral"
        ? -expression.argument.value
        : undefined;
    default:
      return undefined;
  }
}
