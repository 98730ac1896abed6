/** How routes read the bodies that their schemas describe: within bounds, and never by Elysia's own parsers, which know none. */

import type { TObject } from "@sinclair/typebox";
import { isForm, readFields, readJson } from "../basics/body";
import { type InCamelCase, inCamelCase } from "../basics/names";

type Reading = (context: { readonly request: Request }) => Promise<unknown>;

/** For the options of a route. What it takes is described by the schema, or in `detail` where it takes more. */
export function bounded<Schema extends TObject>(body: Schema, read: Reading = readAny) {
  return { body, parse: [async (context: Parameters<Reading>[0]) => knownFields(body, await read(context))] };
}

/** Elysia takes away fields that the schema does not have, but not `constructor`, `__proto__` and others that any object seems to have. */
function knownFields({ properties }: TObject, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(properties, name)));
}

/** JSON, or the fields of a form. */
async function readAny({ request }: { readonly request: Request }): Promise<unknown> {
  return isForm(request.headers.get("content-type") ?? "")
    ? Object.fromEntries(await readFields(request))
    : readJson(request);
}

/** What was given of a body or a query, under the names of the code. An empty text gives nothing: a form sends one for each field. */
export function given<Fields extends object>(fields: Fields): InCamelCase<Fields> {
  return inCamelCase(
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "")),
  ) as InCamelCase<Fields>;
}
