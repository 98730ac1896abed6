/**
 * From the TypeScript type of a parameter to the JSON schema of its values; a part that may be left out is TypeBox's `Optional`.
 * What has no counterpart in JSON, or is written in another file, is refused by name.
 */

import type { Expression } from "@babel/parser";
import { type TSchema, Type } from "@sinclair/typebox";
import { isRecord } from "../../basics/json";
import { misfit } from "../../tools/json-schema";
import { readDoc, type SourceFile, type TypeDeclaration, type TypeNode } from "./source";

type Node<Type extends TypeNode["type"]> = Extract<TypeNode, { readonly type: Type }>;
type Member = Node<"TSTypeLiteral">["members"][number];
type Enumeration = Extract<TypeDeclaration, { readonly type: "TSEnumDeclaration" }>;
type Literal = string | number | boolean;

/** A part of the file. */
type Spot = {
  readonly start?: number | null;
  readonly end?: number | null;
  readonly loc?: { readonly start: { readonly line: number } } | null;
};

const TYPES_MAX = 500; // Types that one parameter may spell out: types used twice by types used twice grow without end.
const DEPTH_MAX = 40; // Levels, names of types included. Endpoints refuse far fewer.

interface Reading {
  readonly source: SourceFile;
  /** What is being spelled out, the outermost first. */
  readonly trail: readonly object[];
  readonly count: { types: number };
}

/** Throws an Error whose message names the type and says why it cannot be used. */
export function schemaOf(node: TypeNode, source: SourceFile): TSchema {
  return read(node, { source, trail: [], count: { types: 0 } });
}

const KEYWORDS: Readonly<Record<string, TSchema>> = {
  TSStringKeyword: Type.String(),
  TSNumberKeyword: Type.Number(),
  TSBooleanKeyword: Type.Boolean(),
  TSNullKeyword: Type.Null(),
  TSUnknownKeyword: Type.Unknown(),
  TSAnyKeyword: Type.Unknown(),
};

function read(node: TypeNode, outer: Reading): TSchema {
  const reading = deeper(node, node, outer);
  switch (node.type) {
    case "TSArrayType":
      return Type.Array(read(node.elementType, reading));
    case "TSTupleType":
      return Type.Tuple(node.elementTypes.map((it) => read(elementOf(it), reading)));
    case "TSLiteralType":
      return unionOf([node], reading);
    case "TSUnionType":
      return unionOf(node.types, reading);
    case "TSTypeLiteral":
      return objectOf(node.members, reading);
    case "TSIntersectionType":
      return joined(
        node.types.map((it) => [it, read(it, reading)]),
        reading,
      );
    case "TSTypeReference":
      return named(node, node.typeName, node.typeArguments?.params, reading);
    case "TSParenthesizedType":
      return read(node.typeAnnotation, reading);
    case "TSTypeOperator":
      if (node.operator === "readonly") return read(node.typeAnnotation, reading);
      throw refusal(node, reading);
    default: {
      const schema = KEYWORDS[node.type];
      if (!schema) throw refusal(node, reading);
      return schema;
    }
  }
}

function deeper(part: object, node: Spot, reading: Reading): Reading {
  if (reading.trail.includes(part)) throw refusal(node, reading, "refers to itself");
  if (++reading.count.types > TYPES_MAX || reading.trail.length === DEPTH_MAX)
    throw refusal(node, reading, "is part of one that is too large");
  return { ...reading, trail: [...reading.trail, part] };
}

/** Optional and rest elements are types of their own, and refused as such. */
function elementOf(element: Node<"TSTupleType">["elementTypes"][number]): TypeNode {
  return element.type === "TSNamedTupleMember" && !element.optional ? element.elementType : (element as TypeNode);
}

function unionOf(types: readonly TypeNode[], reading: Reading): TSchema {
  const given = types.filter(({ type }) => type !== "TSUndefinedKeyword" && type !== "TSVoidKeyword");
  const literals = given.flatMap((it) => (it.type === "TSLiteralType" ? [literalOf(it, reading)] : []));
  const others = given.filter(({ type }) => type !== "TSLiteralType").map((it) => read(it, reading));
  const schema = Type.Union(literals.length > 0 ? [oneOf(literals), ...others] : others);
  return given.length < types.length ? Type.Optional(schema) : schema;
}

function literalOf(node: Node<"TSLiteralType">, reading: Reading): Literal {
  const value = literalValue(node.literal);
  if (value === undefined || value === null) throw refusal(node, reading);
  return value;
}

/** By what `typeof` says. */
export const OF_LITERALS: Readonly<Record<string, TSchema>> = {
  string: Type.String(),
  number: Type.Number(),
  boolean: Type.Boolean(),
};

/** `enum`, which models know better than a union of constants. TypeBox takes it along and does not look at it. */
function oneOf(values: readonly Literal[]): TSchema {
  const [first, ...rest] = values;
  if (first === undefined) return Type.Never();
  if (rest.length === 0) return Type.Literal(first);
  const groups = [...Map.groupBy(values, (value) => typeof value)];
  return Type.Union(groups.map(([type, group]) => ({ ...(OF_LITERALS[type] as TSchema), enum: group })));
}

/** By the name of a type, or that of an interface which another one extends. */
function named(
  node: Spot,
  { type, name = "" }: { readonly type: string; readonly name?: string },
  [argument, ...more]: readonly TypeNode[] = [],
  reading: Reading,
): TSchema {
  const { types, imports } = reading.source;
  const declaration = types.get(name);
  if (declaration) {
    const isGeneric = argument ?? ("typeParameters" in declaration && declaration.typeParameters);
    if (isGeneric) throw refusal(node, reading, GENERIC);
    return declared(declaration, deeper(declaration, node, reading));
  }
  const imported = imports.get(name);
  if (imported || type !== "Identifier")
    throw refusal(node, reading, `is imported${imported ? ` from ${imported.from}` : ""}; ${INSTEAD}`);
  if (name === "Date" && !argument) return Type.String({ format: "date-time" });
  if (/^(Readonly)?Array$/.test(name) && argument && more.length === 0) return Type.Array(read(argument, reading));
  if (name === "Record" && argument?.type === "TSStringKeyword" && more[0]) return recordOf(more[0], reading);
  throw refusal(node, reading, argument ? GENERIC : "is not found in this file");
}

function declared(declaration: TypeDeclaration, reading: Reading): TSchema {
  if (declaration.type === "TSEnumDeclaration") return enumeration(declaration, reading);
  if (declaration.type === "TSTypeAliasDeclaration") return read(declaration.typeAnnotation, reading);
  const own = objectOf(declaration.body.body, reading);
  if (!declaration.extends) return own;
  const parents = declaration.extends.map((it): [Spot, TSchema] => [
    it,
    named(it, it.expression, it.typeArguments?.params, reading),
  ]);
  return joined([...parents, [declaration, own]], reading);
}

/** A number means nothing to a model, so the names of numbers are told too. */
function enumeration({ body: { members } }: Enumeration, reading: Reading): TSchema {
  const values: (string | number)[] = [];
  for (const { initializer, ...member } of members) {
    const before = values.at(-1) ?? -1;
    const next = typeof before === "number" ? before + 1 : undefined;
    const value = initializer ? literalValue(initializer) : next;
    if (typeof value !== "string" && typeof value !== "number")
      throw refusal(member, reading, "has a value that is computed; write it out");
    values.push(value);
  }
  if (!values.some((value) => typeof value === "number")) return oneOf(values);
  const names = members.map(({ id }) => (id.type === "Identifier" ? id.name : id.value));
  return withDescription(oneOf(values), names.map((name, at) => `${values[at]} = ${name}`).join(", "));
}

/** Of several object types in one, a later one wins. */
function joined(parts: readonly [Spot, TSchema][], reading: Reading): TSchema {
  const properties = parts.flatMap(([node, schema]) => {
    if (schema.type === "object" && !schema.additionalProperties) return Object.entries<TSchema>(schema.properties);
    throw refusal(node, reading, "is no object type, and only those can be joined");
  });
  return Type.Object(Object.fromEntries(properties));
}

function objectOf(members: readonly Member[], reading: Reading): TSchema {
  const [first, ...rest] = members;
  if (first?.type === "TSIndexSignature" && rest.length === 0) {
    const [key] = first.parameters;
    const keyType = key?.typeAnnotation?.type === "TSTypeAnnotation" ? key.typeAnnotation.typeAnnotation.type : null;
    if (keyType !== "TSStringKeyword" || !first.typeAnnotation) throw refusal(first, reading);
    return recordOf(first.typeAnnotation.typeAnnotation, reading);
  }
  // From entries, so that a member may be called __proto__.
  return Type.Object(Object.fromEntries(members.map((member) => propertyOf(member, reading))));
}

function propertyOf(member: Member, reading: Reading): [string, TSchema] {
  if (member.type !== "TSPropertySignature" || !member.typeAnnotation) throw refusal(member, reading);
  const { key, computed, optional, typeAnnotation, leadingComments } = member;
  const name = key.type === "Identifier" && !computed ? key.name : "value" in key ? String(key.value) : null;
  if (name === null) throw refusal(member, reading);
  const type = read(typeAnnotation.typeAnnotation, reading);
  const schema = withDescription(type, readDoc(leadingComments).description);
  return [name, optional ? Type.Optional(schema) : schema];
}

/** Every key is allowed. */
function recordOf(type: TypeNode, reading: Reading): TSchema {
  return Type.Object({}, { additionalProperties: read(type, reading) });
}

const POSSIBLE =
  "is nothing that JSON has; use string, number, boolean, null, literals, arrays, tuples, object types, interfaces, enums, Record<string, …>, Date, or unions of them";
const GENERIC = "is generic; of those Array<…> and Record<string, …> can be used, others must be written out";
const INSTEAD = "copy it into this file, or write the tool as an object with a schema";

/** `why` follows the type in a sentence. */
function refusal(node: Spot, { source }: Reading, why = POSSIBLE): Error {
  const text = source.text.slice(node.start ?? 0, node.end ?? 0).replace(/\s+/g, " ");
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return new Error(`the type ${short} (line ${node.loc?.start.line}) ${why}.`);
}

export function withDescription(schema: TSchema, description: string | undefined): TSchema {
  if (!description) return schema;
  return { ...schema, description: [description, schema.description].filter(Boolean).join(" ") };
}

/** The value of a literal in the code, a negative number included; undefined for anything that would have to be computed. */
export function literalValue(node: { readonly type: string }): Literal | null | undefined {
  const expression = node as Expression;
  switch (expression.type) {
    case "StringLiteral":
    case "NumericLiteral":
    case "BooleanLiteral":
      return expression.value;
    case "NullLiteral":
      return null;
    case "UnaryExpression": {
      const value = expression.operator === "-" ? literalValue(expression.argument) : undefined;
      return typeof value === "number" ? -value : undefined;
    }
    default:
      return undefined;
  }
}

/**
 * What the function expects, of JSON that fits the schema: wherever its type says Date, the schema has a format. A value counts as the
 * first member of a union that it fits: with `Date | string` every date is a Date.
 */
export function withDates(schema: TSchema | false | undefined, value: unknown): unknown {
  if (!schema) return value;
  if (schema.format === "date-time") return dateOf(value);
  if (schema.anyOf) {
    const members: TSchema[] = schema.anyOf;
    const fitting = members.find((it) => misfit(it, value) === null);
    return withDates(fitting, value);
  }
  const { items, properties = {}, additionalProperties } = schema;
  if (Array.isArray(value)) return value.map((it, at) => withDates(Array.isArray(items) ? items[at] : items, it));
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).map(([key, it]) => {
    const part = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    return [key, withDates(part, it)];
  });
  return Object.fromEntries(entries);
}

function dateOf(value: unknown): Date {
  const date = new Date(String(value));
  if (Number.isNaN(date.getTime())) throw new Error(`${JSON.stringify(value)} is not a date.`);
  return date;
}
