/**
 * Holds what test servers answer to their own API document: each `fetch` of a test to one of them throws when the status, the media
 * type or a field of the answer is not described, and so does each event that is read. What serves the page is not in the document.
 */

import { Ajv2020, type ValidateFunction } from "ajv/dist/2020";

/** By method, in lower case. */
type Operations = Readonly<Record<string, { readonly responses: Readonly<Record<string, Answer>> }>>;
type Answer = { readonly headers?: object; readonly content?: Readonly<Record<string, { readonly schema: object }>> };

interface ApiDocument {
  readonly paths: Readonly<Record<string, Operations>>;
}

const OF_THE_API = /^\/(?:api\/|login$|logout$|setup$|health$)/;

/** What the server says of addresses and methods that are not there. */
const NOT_THERE: Answer = {
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } }, "text/html": { schema: {} } },
};

const plainFetch = globalThis.fetch;
const servers = new Set<string>();

/** From now on. `url` is the address of a server, without a path. */
export function holdToDocument(url: string): void {
  servers.add(url);
  globalThis.fetch = Object.assign(checkedFetch, plainFetch);
}

async function checkedFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await plainFetch(input, init);
  if (!isDescribed(response)) return response;
  const method = init?.method ?? (input instanceof Request ? input.method : "GET");
  await checkAnswer(response.redirected ? "GET" : method.toUpperCase(), response);
  return response;
}

function isDescribed({ url }: Response): boolean {
  const { origin, pathname } = URL.parse(url) ?? { origin: "", pathname: "" };
  return servers.has(origin) && OF_THE_API.test(pathname);
}

async function checkAnswer(method: string, response: Response): Promise<void> {
  const { status, headers } = response;
  const what = `${method} ${response.url} answered ${status}`;
  const document = await documentOf(response.url);
  const operation = operationsAt(document, response)[method === "HEAD" ? "get" : method.toLowerCase()];
  const answer = operation ? operation.responses[status] : NOT_THERE;
  if (!answer) throw new Error(`${what}, which is not in the API document`);
  const missing = Object.keys(answer.headers ?? {}).find((name) => !headers.has(name));
  if (missing) throw new Error(`${what} without ${missing}, which is in the API document`);
  if (method === "HEAD" || method === "OPTIONS" || !answer.content) return;
  const type = headers.get("content-type")?.split(";")[0] ?? "no media type";
  if (!headers.has("content-type") && (await response.clone().text()) === "") return;
  const described = answer.content[type] ?? answer.content["*/*"];
  if (!described) throw new Error(`${what} with ${type}, which is not in the API document`);
  if (type === "application/json") check(document, described.schema, await response.clone().json(), what);
}

/** Throws when it is no event that the stream is described to have. */
export async function checkEvent(stream: Response, data: string): Promise<void> {
  if (!isDescribed(stream)) return;
  const document = await documentOf(stream.url);
  const answers = Object.values(operationsAt(document, stream)).map(({ responses }) => responses[200]);
  const described = answers.map((answer) => answer?.content?.["text/event-stream"]).find((it) => it);
  if (!described) throw new Error(`${stream.url} streams, which is not in the API document`);
  check(document, described.schema, JSON.parse(data), `${stream.url} sent an event`);
}

/** Throws when the value is not what the document of the server has under the name of that type. */
export async function checkType(url: string, name: string, value: unknown): Promise<void> {
  check(await documentOf(url), { $ref: `#/components/schemas/${name}` }, value, name);
}

const documents = new Map<string, Promise<ApiDocument>>();

function documentOf(url: string): Promise<ApiDocument> {
  const { origin } = new URL(url);
  const document = documents.get(origin) ?? readDocument(`${origin}/openapi/json`);
  documents.set(origin, document);
  return document;
}

/** Servers of the same code have the same document, whose schemas are compiled once. */
const documentsByText = new Map<string, ApiDocument>();

async function readDocument(url: string): Promise<ApiDocument> {
  const text = await (await plainFetch(url)).text();
  const document = documentsByText.get(text) ?? closed(JSON.parse(text) as ApiDocument);
  documentsByText.set(text, document);
  return document;
}

/** The same, its objects without other fields than those described. A client must bear more; here each has to be described. */
function closed<Part>(part: Part): Part {
  if (typeof part !== "object" || part === null) return part;
  if (Array.isArray(part)) return part.map(closed) as Part;
  const all = Object.fromEntries(Object.entries(part).map(([name, value]) => [name, closed(value)]));
  return { ...("properties" in all && { additionalProperties: false }), ...all } as Part;
}

function operationsAt({ paths }: ApiDocument, { url }: Response): Operations {
  const pathname = new URL(url).pathname.replace(/\/$/, "");
  const path = Object.keys(paths).find((it) => new RegExp(`^${it.replace(/\{\w+\}/g, "[^/]+")}$`).test(pathname));
  return (path && paths[path]) || {};
}

const ajv = new Ajv2020({
  strict: false,
  formats: { "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, binary: true },
});
const validators = new WeakMap<object, ValidateFunction>();

function check(document: ApiDocument, schema: object, value: unknown, what: string): void {
  // References are into the document, so the schema has to be a part of it.
  const validate = validators.get(schema) ?? ajv.compile<unknown>({ ...document, ...schema });
  validators.set(schema, validate);
  if (validate(value)) return;
  const wrong = ajv.errorsText(validate.errors);
  throw new Error(`${what} with what is not in the API document: ${wrong}\n${JSON.stringify(value)}`);
}
