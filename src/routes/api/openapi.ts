/**
 * GET /openapi/json: the API as a document, out of what the routes say of themselves: their schemas, and in `detail` what they
 * answer. Elysia's own `response` schemas would check and copy each answer at run time; these only describe. A schema with an
 * `$id` is written once under that name, which a generated client gives to its type. No page shows the document: it would need a CDN.
 */

import { type DocumentDecoration, Elysia, type InternalRoute, type TSchema, t } from "elysia";
import { lazy } from "../../basics/once";
import type { Core } from "../../protocols";
import { session, sessionCookieName } from "../session/session";
import { ErrorAnswer } from "./json";

/** What an answer without a schema of its own means. */
const STATUSES = {
  303: "A browser is sent to a page.",
  400: "Not valid, or the body cannot be read.",
  401: "Not signed in.",
  403: "Not allowed, or the request came from another site.",
  404: "Not there, or somebody else's.",
  409: "Not at this moment.",
  413: "Too large.",
  421: "In ephemeral mode: not by this name.",
  422: "The request does not fit the schema.",
  429: "Too often, or too many.",
  500: "The server is at fault; its log says why.",
  503: "The server is shutting down, or cannot keep anything now.",
} as const;

type Status = keyof typeof STATUSES;

/** Schemas by media type, as the document writes them. */
type Content = Record<string, { schema: TSchema }>;

export const json = (schema: TSchema): Content => ({ "application/json": { schema } });
/** Of each event's data. */
export const eventStreamBody = (schema: TSchema): Content => ({ "text/event-stream": { schema } });
export const formBody = (schema: TSchema): Content => ({ "application/x-www-form-urlencoded": { schema } });
export const uploadBody = (schema: TSchema): Content => ({ "multipart/form-data": { schema } });
export const page: Content = { "text/html": { schema: t.String() } };
export const Bytes = t.Unsafe<Blob>({ type: "string", format: "binary" });

/** For `detail`: what the route gives, and the other statuses that it can answer. Those of the gate and of the schemas are added to each. */
export function answers(content: Content, ...statuses: Status[]): DocumentDecoration {
  return documented({ responses: { 200: { description: "Done.", content }, ...bare(statuses) } });
}

/** For `detail`: a body that is not simply JSON as the route's schema has it. */
export function takes(content: Content): DocumentDecoration {
  return documented({ requestBody: { required: true, content } });
}

/** For `detail` of a stream that a client can come back to. */
export const resumes = documented({
  parameters: [
    { name: "last-event-id", in: "header", schema: t.String({ description: "Gives what came after that event." }) },
  ],
});

export function openapiRoutes(core: Core, routes: () => readonly InternalRoute[]) {
  const show = lazy(() => describe(core, routes()));
  return new Elysia().use(session(core)).get("/openapi/json", show, { public: true });
}

function describe(core: Core, routes: readonly InternalRoute[]): object {
  const { publicUrl } = core.config;
  const schemas: Record<string, unknown> = {};
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    // What serves the page says nothing of its answers, and is no part of the API.
    if (!route.hooks.detail?.responses) continue;
    const path = route.path.replace(/\/$/, "");
    const address = path.replace(/:(\w+)/g, "{$1}");
    paths[address] ??= {};
    paths[address][route.method.toLowerCase()] = written(operation(route, path), schemas);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Skeleton",
      version: "1",
      description: 'JSON in snake_case; errors are {"detail": "…"}; streams are Server-Sent Events.',
    },
    ...(publicUrl !== null && { servers: [{ url: publicUrl }] }),
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "access_token of POST /login" },
        cookie: { type: "apiKey", in: "cookie", name: sessionCookieName(core) },
      },
    },
    security: [{ bearer: [] }, { cookie: [] }],
  };
}

function operation({ method, hooks }: InternalRoute, path: string): object {
  const { query, body, detail = {} } = hooks;
  const statuses: Status[] = [421, 500, 503];
  if (!hooks.public) statuses.push(401);
  if (method !== "GET") statuses.push(400, 403, 413);
  if (query || body) statuses.push(422);
  const refusal = path.startsWith("/api/") ? json(ErrorAnswer) : { ...json(ErrorAnswer), ...page };
  const responses = Object.entries<object>({ ...bare(statuses), ...detail.responses }).map(([status, answer]) => {
    return [status, Number(status) < 400 ? answer : { ...answer, content: refusal }];
  });
  return {
    operationId: operationId(method, path),
    ...(body && takes(json(body))),
    ...detail,
    parameters: [...pathParameters(path), ...queryParameters(query), ...(detail.parameters ?? [])],
    responses: Object.fromEntries(responses),
    ...(hooks.public && { security: [] }),
  };
}

function operationId(method: string, path: string): string {
  const named = path.replace("/api/v1", "").replaceAll(":", "by_");
  const words = named.match(/[a-z]+/g) ?? [];
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function pathParameters(path: string): object[] {
  const names = path.match(/(?<=:)\w+/g) ?? [];
  return names.map((name) => ({ name, in: "path", required: true, schema: t.String({ minLength: 1 }) }));
}

function queryParameters(query: TSchema | undefined): object[] {
  const required: readonly string[] = query?.required ?? [];
  return Object.entries<TSchema>(query?.properties ?? {}).map(([name, schema]) => {
    return { name, in: "query", required: required.includes(name), schema };
  });
}

/** Of statuses that say all themselves; those of refusals are given the error besides. */
function bare(statuses: readonly Status[]) {
  const answer = (status: Status) => ({ description: STATUSES[status], ...(status === 429 && { headers: RETRY }) });
  return Object.fromEntries(statuses.map((status) => [status, answer(status)]));
}

const RETRY = { "Retry-After": { required: true, schema: t.Integer({ description: "Seconds." }) } };

/** The part of the document without what JSON has no word for, its named schemas put into `schemas`. */
function written(part: unknown, schemas: Record<string, unknown>): unknown {
  if (Array.isArray(part)) return part.map((each) => written(each, schemas));
  if (typeof part !== "object" || part === null) return part;
  const { $id, ...rest } = part as TSchema;
  // An integer that may be written as text, in a query.
  if (rest.anyOf?.[0]?.format === "integer") return written(rest.anyOf[1], schemas);
  const plain = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, written(value, schemas)]));
  if ($id === undefined) return plain;
  if (!Bun.deepEquals(schemas[$id] ?? plain, plain)) throw new Error(`Two schemas are named ${$id}.`);
  schemas[$id] = plain;
  return { $ref: `#/components/schemas/${$id}` };
}

/** Elysia's own type of `detail` knows an older OpenAPI, whose schemas are others. */
function documented(detail: object): DocumentDecoration {
  return detail;
}
