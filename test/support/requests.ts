/** Requests of a stranger, each as large as it is asked to be: what is in it is meant to cost more than its size. */

export interface Sent {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** None: the request is a GET. */
  readonly body?: string;
}

/** Of about so many bytes. */
export type OfSize = (bytes: number) => Sent;

export const PAGE = { accept: "text/html" };
export const JSON_TYPE = { "content-type": "application/json" };
export const URL_ENCODED = { "content-type": "application/x-www-form-urlencoded" };
const MULTIPART = { "content-type": "multipart/form-data; boundary=x" };

export function fill(text: string, bytes: number): string {
  return text.repeat(Math.ceil(bytes / text.length)).slice(0, bytes);
}

export const json = (path: string, body: string): Sent => ({ path, body, headers: JSON_TYPE });

const nested = (bytes: number) => "[".repeat(bytes / 2) + "]".repeat(bytes / 2);

/** JSON by what is wrong with it. */
export const JSON_BODIES: Readonly<Record<string, (bytes: number) => string>> = {
  lists: nested,
  "lists that do not end": (bytes) => "[".repeat(bytes),
  objects: (bytes) => `${'{"a":'.repeat(bytes / 6)}1${"}".repeat(bytes / 6)}`,
  "lists in a field": (bytes) => `{"username":${nested(bytes - 30)},"password":"x"}`,
  "lists in an escaped text": (bytes) => `{"username":"\\"${fill("[", bytes - 40)}","password":1}`,
  digits: (bytes) => `{"username":${fill("1", bytes - 30)},"password":"x"}`,
  "an exponent": (bytes) => `{"username":1e${fill("9", bytes - 30)},"password":"x"}`,
  escapes: (bytes) => `{"username":"${"\\u0041".repeat((bytes - 40) / 6)}","password":1}`,
  numbers: (bytes) => `[${"1,".repeat(bytes / 2 - 2)}1]`,
  fields: (bytes) => `{${fieldNames(bytes - 20).map((name) => `"${name}":1`)}}`,
  "one field again and again": (bytes) => `{${'"a":1,'.repeat((bytes - 20) / 6)}"b":1}`,
  "short lists": (bytes) => `[${"[],".repeat(bytes / 3 - 2)}1]`,
  "a long name": (bytes) => `{"username":"${fill("a", bytes - 40)}","password":"x"}`,
  "a name of composed letters": (bytes) => `{"username":"${"ß\u0308".repeat(bytes / 5)}","password":"x"}`,
  spaces: (bytes) => `{${fill(" \t\r\n", bytes - 10)}}`,
};

function fieldNames(bytes: number): string[] {
  return Array.from({ length: bytes / 10 }, (_, index) => `k${index}`);
}

const pairs = (bytes: number) =>
  fieldNames(bytes)
    .map((name) => `${name}=v`)
    .join("&");

/** Forms by what is wrong with them, with their type. */
export const FORMS: Readonly<Record<string, (bytes: number) => Pick<Sent, "headers" | "body">>> = {
  "many fields": (bytes) => ({ headers: URL_ENCODED, body: pairs(bytes) }),
  "one field again and again": (bytes) => ({ headers: URL_ENCODED, body: fill("a&", bytes) }),
  "signs in percent": (bytes) => ({ headers: URL_ENCODED, body: `content=x&draft=${fill("%26", bytes - 20)}` }),
  "broken percent": (bytes) => ({ headers: URL_ENCODED, body: `content=${fill("%", bytes - 10)}` }),
  "line breaks": (bytes) => ({ headers: URL_ENCODED, body: `content=${fill("%0d%0a", bytes - 10)}` }),
  "many parts": (bytes) => ({ headers: MULTIPART, body: parts(bytes, (index) => `f${index}`) }),
  "parts that are places in a list": (bytes) => ({
    headers: MULTIPART,
    body: parts(bytes, (index) => `a[${index * 4_000_000}].b`),
  }),
  "empty parts": (bytes) => ({ headers: MULTIPART, body: fill("--x\r\n", bytes) }),
  "a part that never ends": (bytes) => ({ headers: MULTIPART, body: `--x\r\n${fill("a: b\r\n", bytes)}` }),
};

function parts(bytes: number, name: (index: number) => string): string {
  const part = (index: number) => `--x\r\nContent-Disposition: form-data; name="${name(index)}"\r\n\r\nv\r\n`;
  return `${Array.from({ length: bytes / 70 }, (_, index) => part(index)).join("")}--x--\r\n`;
}

const header = (name: string, text: string, path = "/login"): OfSize => {
  return (bytes) => ({ path, headers: { ...PAGE, [name]: fill(text, bytes) } });
};

/** Requests without a body, whose address or headers are long. */
export const LONG: Readonly<Record<string, OfSize>> = {
  "a `next` of dots": (bytes) => ({ path: `/login?next=/${fill("%2e%2e/", bytes)}`, headers: PAGE }),
  "a `next` of slashes": (bytes) => ({ path: `/login?next=${fill("/%5c", bytes)}`, headers: PAGE }),
  "a `next` of markup": (bytes) => ({ path: `/login?next=/${fill("%26%3c", bytes)}`, headers: PAGE }),
  "a query of many names": (bytes) => ({ path: `/login?${pairs(bytes)}`, headers: PAGE }),
  "a query of brackets": (bytes) => ({ path: `/login?next=${fill("[", bytes)}`, headers: PAGE }),
  "a token of set-up": (bytes) => ({ path: `/setup?token=${fill("a", bytes)}` }),
  "a public file": (bytes) => ({ path: `/static/${fill("a", bytes)}` }),
  "a public file of dots": (bytes) => ({ path: `/static/${fill("a.", bytes)}!` }),
  "a public file of folders": (bytes) => ({ path: `/static/${fill("a/", bytes)}!` }),
  "a public file of dashes": (bytes) => ({ path: `/static/${fill("a-", bytes)}/!` }),
  "a version of a public file": (bytes) => ({ path: `/static/style.css?v=${fill("a", bytes)}` }),
  health: (bytes) => ({ path: `/health?${pairs(bytes)}` }),
  "the document of the API": (bytes) => ({ path: `/openapi/json?${pairs(bytes)}` }),
  "no page": (bytes) => ({ path: `/${fill("a/", bytes)}`, headers: PAGE }),
  "no plugin": (bytes) => ({ path: `/_plugin/${fill("a/", bytes)}`, headers: PAGE }),
  "a page of a plugin": (bytes) => ({ path: `/_plugin/open/${fill("a%2f", bytes)}` }),
  "the live channel": (bytes) => ({ path: `/live?t=x&after=${fill("1-", bytes / 2)}&facts=${fill("1:", bytes / 2)}` }),
  "the live channel of many windows": (bytes) => ({ path: `/live?${fill("page=t%3Dx%26user%3Dx&", bytes)}` }),
  "the windows of a live channel, one with many fields": (bytes) => ({ path: `/live?page=${fill("t%3Dx%26", bytes)}` }),
  "a bearer token of dots": header("authorization", "Bearer a.b.", "/api/v1/threads"),
  "a bearer token of spaces": header("authorization", `Bearer${" ".repeat(5000)}x `, "/api/v1/threads"),
  "a bearer token like a real one": (bytes) => ({
    path: "/api/v1/threads",
    headers: { authorization: `Bearer eyJhbGciOiJIUzI1NiJ9.${fill("eyJ", bytes)}.aaa` },
  }),
  cookies: header("cookie", "a=b; "),
  "cookies of nothing": header("cookie", ";"),
  "cookies of a time zone": header("cookie", "zone=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!;", "/live"),
  "cookies of a session": header("cookie", "skeleton_session=a.b.c; "),
  "wishes for languages": header("accept-language", "a-b-c-d-e-f-g;q=0.5,"),
  "wishes for packing": header("accept-encoding", ",gzip ; q=0   "),
  "wishes for packing of spaces": header("accept-encoding", `,${" ".repeat(3000)}`),
  "wishes for types": header("accept", "text/htm,", "/nothing"),
  "a page that htmx is on": (bytes) => ({
    path: "/t/x",
    headers: { ...PAGE, "hx-request": "1", "hx-current-url": `http://x/${fill("../%5c/", bytes)}` },
  }),
  "addresses of proxies": header("x-forwarded-for", "1.1.1.1,"),
  "a boundary": (bytes) => ({
    path: "/login",
    body: "--a\r\n",
    headers: { "content-type": `multipart/form-data; boundary=${fill("a", bytes)}` },
  }),
  "a type of parameters": (bytes) => ({
    path: "/login",
    body: "{}",
    headers: { "content-type": `multipart/form-data${fill("; boundary", bytes)}` },
  }),
};
