/** How routes read the bodies that their schemas describe: within bounds, and never by Elysia's own parsers, which know none. */

import type { TSchema } from "elysia";
import { isForm, readFields, readJson } from "../body";

type Reading = (context: { readonly request: Request }) => Promise<unknown>;
/** For the options of a route. What it takes is described by the schema, or in `detail` where it takes more. */
export function bounded<Schema extends TSchema>(body: Schema, read: Reading = readAny) {
  return { body, parse: [read] };
}

/** JSON, or the fields of a form. */
async function readAny({ request }: { readonly request: Request }): Promise<unknown> {
  return isForm(request.headers.get("content-type") ?? "")
    ? Object.fromEntries(await readFields(request))
    : readJson(request);
}
