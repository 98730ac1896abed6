/** From the TypeScript type of a parameter to its shape. What has no counterpart in JSON is refused by name. */

import { Type } from "@sinclair/typebox";
import { readDoc } from "./doc";
import { enumeration } from "./enum";
import { literalValue } from "./literal";
import type { Located } from "./lookup";
import { deeper, enter, refusal, type Scope, type Spot } from "./scope";
import {
  anyOf,
  arrayOf,
  date,
  type Literal,
  objectOf,
  oneOf,
  type ParameterShape,
  plain,
  recordOf,
  tupleOf,
  withDescription,
} from "./shape";
import type { TypeDeclaration, TypeNode } from "./source";

type Node<Type extends TypeNode["type"]> = Extract<TypeNode, { readonly type: Type }>;
type Member = Node<"TSTypeLiteral">["members"][number];

/** Throws an Error whose message names the type and says why it cannot be used. */
export function shapeOf(node: TypeNode, outer: Scope): ParameterShape {
  const scope = deeper(node, outer);
  switch (node.type) {
    case "TSStringKeyword":
      return plain(Type.String());
    case "TSNumberKeyword":
      return plain(Type.Number());
    case "TSBooleanKeyword":
      return plain(Type.Boolean());
    case "TSNullKeyword":
      return plain(Type.Null());
    case "TSUnknownKeyword":
    case "TSAnyKeyword":
      return plain(Type.Unknown());
    case "TSLiteralType":
      return oneOf([literalOf(node, scope)]);
    case "TSParenthesizedType":
      return shapeOf(node.typeAnnotation, scope);
    case "TSTypeOperator":
      if (node.operator === "readonly") return shapeOf(node.typeAnnotation, scope);
      throw refusal(node, scope);
    case "TSArrayType":
      return arrayOf(shapeOf(node.elementType, scope));
    case "TSTupleType":
      return tupleOf(node.elementTypes.map((it) => shapeOf(elementOf(it), scope)));
    case "TSUnionType":
      return unionOf(node, scope);
    case "TSTypeLiteral":
      return objectLiteral(node, scope);
    case "TSIntersectionType":
      return objectOf(membersOf(node, scope));
    case "TSTypeReference":
      return referenced(node, scope);
    default:
      throw refusal(node, scope);
  }
}

function literalOf(node: Node<"TSLiteralType">, scope: Scope): Literal {
  const value = literalValue(node.literal);
  if (value === undefined || value === null) throw refusal(node, scope);
  return value;
}

/** Optional and rest elements are types of their own, and refused as such. */
function elementOf(element: Node<"TSTupleType">["elementTypes"][number]): TypeNode {
  return element.type === "TSNamedTupleMember" && !element.optional ? element.elementType : (element as TypeNode);
}

function unionOf({ types }: Node<"TSUnionType">, scope: Scope): ParameterShape {
  const given = types.filter(({ type }) => type !== "TSUndefinedKeyword" && type !== "TSVoidKeyword");
  const literals = given.flatMap((it) => (it.type === "TSLiteralType" ? [literalOf(it, scope)] : []));
  const others = given.filter(({ type }) => type !== "TSLiteralType");
  const shapes = [...(literals.length > 0 ? [oneOf(literals)] : []), ...others.map((it) => shapeOf(it, scope))];
  return { ...anyOf(shapes), isOptional: given.length < types.length };
}

function objectLiteral(node: Node<"TSTypeLiteral">, scope: Scope): ParameterShape {
  const [first, ...rest] = node.members;
  if (first?.type !== "TSIndexSignature" || rest.length > 0) return objectOf(membersOf(node, scope));
  const [key] = first.parameters;
  const keyType = key?.typeAnnotation?.type === "TSTypeAnnotation" ? key.typeAnnotation.typeAnnotation.type : null;
  if (keyType !== "TSStringKeyword" || !first.typeAnnotation) throw refusal(first, scope);
  return recordOf(shapeOf(first.typeAnnotation.typeAnnotation, scope));
}

function referenced(node: Node<"TSTypeReference">, scope: Scope): ParameterShape {
  const found = declarationOf(node, scope);
  const [argument, ...more] = node.typeArguments?.params ?? [];
  if (found) {
    if (argument) throw refusal(node, scope, "is generic; write it out");
    return declared(found, node, scope);
  }
  const name = node.typeName.type === "Identifier" ? node.typeName.name : "";
  if (name === "Date" && !argument) return date;
  if (/^(Readonly)?Array$/.test(name) && argument && more.length === 0) return arrayOf(shapeOf(argument, scope));
  if (name === "Record" && argument?.type === "TSStringKeyword" && more[0]) return recordOf(shapeOf(more[0], scope));
  if (argument)
    throw refusal(
      node,
      scope,
      `is generic; of those Array<…> and Record<string, …> can be used, others must be written out`,
    );
  throw refusal(node, scope, "is not found in this file, nor where it imports it from by a relative path");
}

function declarationOf(
  { typeName }: Node<"TSTypeReference">,
  { sources, source }: Scope,
): Located<TypeDeclaration> | null {
  return typeName.type === "Identifier" ? sources.find("types", source, typeName.name) : null;
}

function declared(
  { source, declared: declaration }: Located<TypeDeclaration>,
  node: Spot,
  outer: Scope,
): ParameterShape {
  const scope = enter(source, declaration, node, outer);
  if (declaration.type === "TSEnumDeclaration") return enumeration(declaration, scope);
  if (declaration.type === "TSTypeAliasDeclaration") return shapeOf(declaration.typeAnnotation, scope);
  return objectOf(interfaceMembers(declaration, scope));
}

/** Of several object types in one, a later one wins. */
function membersOf(node: TypeNode, outer: Scope): Map<string, ParameterShape> {
  const scope = deeper(node, outer);
  if (node.type === "TSTypeLiteral") return ownMembers(node.members, scope);
  if (node.type === "TSParenthesizedType") return membersOf(node.typeAnnotation, scope);
  if (node.type === "TSIntersectionType") return new Map(node.types.flatMap((it) => [...membersOf(it, scope)]));
  const found = node.type === "TSTypeReference" && !node.typeArguments ? declarationOf(node, scope) : null;
  if (found?.declared.type === "TSInterfaceDeclaration") {
    return interfaceMembers(found.declared, enter(found.source, found.declared, node, scope));
  }
  if (found?.declared.type === "TSTypeAliasDeclaration") {
    return membersOf(found.declared.typeAnnotation, enter(found.source, found.declared, node, scope));
  }
  throw refusal(node, scope, "is no object type, and only those can be joined");
}

type Interface = Extract<TypeDeclaration, { readonly type: "TSInterfaceDeclaration" }>;

function interfaceMembers(declaration: Interface, scope: Scope): Map<string, ParameterShape> {
  const inherited = (declaration.extends ?? []).flatMap((heritage) => {
    const { expression, typeArguments } = heritage;
    const name = expression.type === "Identifier" && !typeArguments ? expression.name : "";
    const found = scope.sources.find("types", scope.source, name);
    if (found?.declared.type !== "TSInterfaceDeclaration")
      throw refusal(heritage, scope, "is no interface that is found");
    return [...interfaceMembers(found.declared, enter(found.source, found.declared, heritage, scope))];
  });
  return new Map([...inherited, ...ownMembers(declaration.body.body, scope)]);
}

function ownMembers(members: readonly Member[], scope: Scope): Map<string, ParameterShape> {
  return new Map(
    members.map((member) => {
      if (member.type !== "TSPropertySignature" || !member.typeAnnotation) throw refusal(member, scope);
      const { key, computed, optional, typeAnnotation, leadingComments } = member;
      const name = key.type === "Identifier" && !computed ? key.name : "value" in key ? String(key.value) : null;
      if (name === null) throw refusal(member, scope);
      const shape = withDescription(
        shapeOf(typeAnnotation.typeAnnotation, scope),
        readDoc(leadingComments).description,
      );
      return [name, { ...shape, isOptional: shape.isOptional || optional === true }];
    }),
  );
}
