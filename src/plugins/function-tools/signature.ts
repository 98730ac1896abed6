/** The parameters of a function as its code declares them. */

import { Type } from "@sinclair/typebox";
import { messageOf } from "../../basics/errors";
import { literalValue } from "./literal";
import type { Located, Sources } from "./lookup";
import { type ParameterShape, plain, withDescription } from "./shape";
import type { DeclaredFunction, FunctionNode, SourceFile, TypeNode } from "./source";
import { shapeOf } from "./type";

/** `turn` = the turn is passed there, and the model does not know of it. */
export type Parameter = "turn" | { readonly name: string; readonly shape: ParameterShape };

type ParameterNode = FunctionNode["params"][number];
type Identifier = Extract<ParameterNode, { readonly type: "Identifier" }>;

/** In the order of the code. Throws an Error whose message names function, parameter and type. */
export function readParameters(name: string, found: Located<DeclaredFunction>, sources: Sources): Parameter[] {
  const { node, doc } = found.declared;
  if (node.typeParameters) throw new Error(`Function ${name}: it is generic; write its types out.`);
  return node.params.map((parameter, at) => {
    const written = parameter.type === "AssignmentPattern" ? parameter.left : parameter;
    const label = written.type === "Identifier" ? written.name : String(at + 1);
    try {
      if (written.type !== "Identifier")
        throw new Error("give it a name and a type of its own, such as `place: Place`.");
      return readParameter(parameter, written, doc.params.get(label), found.source, sources);
    } catch (error) {
      throw new Error(`Function ${name}, parameter ${label}: ${messageOf(error)}`);
    }
  });
}

function readParameter(
  parameter: ParameterNode,
  { name, optional, typeAnnotation }: Identifier,
  description: string | undefined,
  source: SourceFile,
  sources: Sources,
): Parameter {
  const type = typeAnnotation?.type === "TSTypeAnnotation" ? typeAnnotation.typeAnnotation : null;
  if (type && isTurn(type, source)) return "turn";
  if (!/^[\w.-]{1,64}$/.test(name) || name === "this")
    throw new Error("endpoints take 1 to 64 of a-z, A-Z, 0-9 and _ only.");
  const hasDefault = parameter.type === "AssignmentPattern";
  const value = hasDefault ? literalValue(parameter.right) : undefined;
  const shape = type
    ? shapeOf(type, { sources, source, trail: [], depth: 0, count: { types: 0 } })
    : shapeOfValue(value);
  const { schema } = withDescription(shape, description);
  return {
    name,
    shape: {
      schema: value === undefined ? schema : { ...schema, default: value },
      convert: shape.convert,
      isOptional: shape.isOptional || optional === true || hasDefault,
    },
  };
}

/** Known by where it is imported from, whatever the file calls it. */
function isTurn(type: TypeNode, { imports }: SourceFile): boolean {
  if (type.type !== "TSTypeReference" || type.typeName.type !== "Identifier") return false;
  const imported = imports.get(type.typeName.name);
  return imported?.from === "skeleton" && imported.name === "Turn";
}

/** What TypeScript takes for the type of a parameter that has none but a default. */
function shapeOfValue(value: unknown): ParameterShape {
  switch (typeof value) {
    case "string":
      return plain(Type.String());
    case "number":
      return plain(Type.Number());
    case "boolean":
      return plain(Type.Boolean());
    default:
      throw new Error("it has no type; write one, such as `name: string`.");
  }
}
