/** What a type stands for at run time: the JSON schema of its values, and how JSON becomes what a function expects. */

import { type TSchema, Type } from "@sinclair/typebox";
import { misfit } from "../../tools/json-schema";

export interface ParameterShape {
  readonly schema: TSchema;
  /** Makes the expected value out of JSON that fits the schema; null = it is that already. */
  readonly convert: ((value: unknown) => unknown) | null;
  /** May be left out. */
  readonly isOptional?: boolean;
}

export type Literal = string | number | boolean;

export function plain(schema: TSchema): ParameterShape {
  return { schema, convert: null };
}

export const date: ParameterShape = {
  schema: Type.String({ format: "date-time" }),
  convert(value) {
    const read = new Date(String(value));
    if (Number.isNaN(read.getTime())) throw new Error(`${JSON.stringify(value)} is not a date.`);
    return read;
  },
};

/** `names` are those of an enumeration's members, told when the values alone mean nothing. */
export function oneOf(values: readonly Literal[], names: readonly string[] = []): ParameterShape {
  const [first, ...rest] = values;
  if (first === undefined) return plain(Type.Never());
  if (rest.length === 0) return plain(Type.Literal(first));
  const groups = [...Map.groupBy(values, (value) => typeof value)];
  const shape = anyOf(groups.map(([type, group]) => plain(enumeration(type, group))));
  return withDescription(shape, names.map((name, at) => `${values[at]} = ${name}`).join(", "));
}

/** `enum`, which models know better than a union of constants. TypeBox takes it along and does not look at it. */
function enumeration(type: string, values: readonly Literal[]): TSchema {
  const options = { enum: [...values] };
  if (type === "string") return Type.String(options);
  return type === "number" ? Type.Number(options) : Type.Boolean(options);
}

/** A value is converted as the first member that it fits: with `Date | string` every date is a Date. */
export function anyOf(shapes: readonly ParameterShape[]): ParameterShape {
  const [only] = shapes;
  if (only && shapes.length === 1) return only;
  const schema = Type.Union(shapes.map((it) => it.schema));
  if (shapes.every(({ convert }) => convert === null)) return plain(schema);
  return {
    schema,
    convert(value) {
      const fitting = shapes.find((it) => misfit(it.schema, value) === null);
      return fitting?.convert ? fitting.convert(value) : value;
    },
  };
}

export function arrayOf({ schema, convert }: ParameterShape): ParameterShape {
  return {
    schema: Type.Array(schema),
    convert: convert && ((value) => (value as unknown[]).map((item) => convert(item))),
  };
}

export function tupleOf(shapes: readonly ParameterShape[]): ParameterShape {
  return {
    schema: Type.Tuple(shapes.map((it) => it.schema)),
    convert: shapes.some(({ convert }) => convert !== null)
      ? (value) => (value as unknown[]).map((item, at) => convertWith(shapes[at], item))
      : null,
  };
}

/** Every key is allowed. */
export function recordOf({ schema, convert }: ParameterShape): ParameterShape {
  return {
    schema: Type.Object({}, { additionalProperties: schema }),
    convert: convert && ((value) => mapEntries(value, (_, item) => convert(item))),
  };
}

export function objectOf(members: ReadonlyMap<string, ParameterShape>): ParameterShape {
  const schemas = [...members].map(([name, { schema, isOptional }]) => [
    name,
    isOptional ? Type.Optional(schema) : schema,
  ]);
  return {
    // From entries, so that a member may be called __proto__.
    schema: Type.Object(Object.fromEntries(schemas)),
    convert: [...members.values()].some(({ convert }) => convert !== null)
      ? (value) => mapEntries(value, (name, item) => convertWith(members.get(name), item))
      : null,
  };
}

export function withDescription(shape: ParameterShape, description: string | undefined): ParameterShape {
  if (!description) return shape;
  const both = [description, shape.schema.description].filter(Boolean).join(" ");
  return { ...shape, schema: { ...shape.schema, description: both } };
}

function convertWith(shape: ParameterShape | undefined, value: unknown): unknown {
  return shape?.convert ? shape.convert(value) : value;
}

function mapEntries(value: unknown, map: (name: string, item: unknown) => unknown): unknown {
  return Object.fromEntries(Object.entries(value as object).map(([name, item]) => [name, map(name, item)]));
}
