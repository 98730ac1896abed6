/** What a failed request is answered: JSON for programs, a fragment for htmx, a page for a browser. Never a stack. */

import type { ValueError } from "@sinclair/typebox/value";
import type { ValidationError } from "elysia";
import { errorOf, HTTP_STATUS, isAppError } from "../../basics/errors";
import type { Core, Words } from "../../protocols";
import { wordsFor } from "../session/session";
import { insidePath, ownPath, urlOf } from "./address";
import { pageData } from "./assets";
import { htmlResponse, partial, seeOther, wantsPage } from "./respond";

export interface ErrorAnswer {
  readonly status: number;
  /** A sentence for a person. */
  readonly detail: string;
  /** By which the words of a reader's language may say it. */
  readonly reason?: string;
  readonly figures?: readonly number[];
  readonly retryAfterS?: number;
  /** What only the owner may know; null when the request was at fault. */
  readonly cause: Error | null;
}

export function failureOf(error: unknown, code: number | string): ErrorAnswer {
  // What a body reader throws arrives wrapped.
  const origin = error instanceof Error && isAppError(error.cause) ? error.cause : error;
  if (isAppError(origin)) {
    const status = HTTP_STATUS[origin.code];
    const cause = status >= 500 && origin.cause instanceof Error ? origin.cause : null;
    const { message: detail, retryAfterS, reason, figures } = origin;
    const said = { ...(reason && { reason }), ...(figures && { figures }) };
    return { status, detail, cause, ...(retryAfterS && { retryAfterS }), ...said };
  }
  switch (code) {
    case "VALIDATION":
      return validationFailure(error as ValidationError);
    case "PARSE":
      return {
        status: 400,
        detail: "The body of the request cannot be read; it must be valid JSON or a form.",
        cause: null,
      };
    case "NOT_FOUND":
      return { status: 404, detail: "There is nothing at this address.", reason: "noPage", cause: null };
    default:
      return isOutOfFiles(error) ? { ...NO_FILES, cause: errorOf(error) } : { ...BROKEN, cause: errorOf(error) };
  }
}

/** Of the process or of the machine. */
function isOutOfFiles(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EMFILE" || error.code === "ENFILE");
}

const NO_FILES = {
  status: 503,
  detail: "The server has too many files and connections open. Try again in a moment.",
  reason: "noFiles",
  retryAfterS: 5,
} as const;

/** Of an address that takes other methods than the request's. */
export function wrongMethod(request: Request, methods: readonly string[]): ErrorAnswer {
  const detail = `This address takes ${methods.join(", ")}, and not ${request.method}.`;
  return { status: 405, detail, cause: null };
}

const BROKEN = {
  status: 500,
  detail: "Something went wrong in the server; its log says what.",
  reason: "broken",
} as const;

export function failureResponse(core: Core, request: Request, failure: ErrorAnswer): Response {
  const { status, detail, retryAfterS } = failure;
  const headers: Record<string, string> = retryAfterS ? { "retry-after": String(retryAfterS) } : {};
  const { pathname, search } = urlOf(request) ?? { pathname: "/", search: "" };
  const isProgram = pathname.startsWith("/api/") || !wantsPage(request);
  const words = wordsFor(core, request);
  const sentence = sentenceOf({ ...failure, message: detail }, words);
  if (request.headers.has("hx-request")) {
    const link = status === 401 ? { link: { path: signInPath(core, request), label: words.signIn.signIn } } : {};
    const kind = failure.reason === "manyStreams" ? "offline" : status === 409 ? "busy" : "error";
    const said = core.views.status({ text: sentence, kind, ...link }, words);
    const markup = partial("status", "outerHTML", said);
    return htmlResponse({ markup }, status, headers);
  }
  if (isProgram) return Response.json({ detail }, { status, headers });
  if (status === 401 && request.method === "GET") {
    return seeOther(`/login?next=${encodeURIComponent(pathname + search)}`);
  }
  return htmlResponse(
    core.views.errorPage({ ...pageData(core, null), status, detail: sentence }, words),
    status,
    headers,
  );
}

/** What a person reads of an error: in their language if it has a sentence for the reason, or else the error's own. */
export function sentenceOf(error: Said, { errors: { reasons } }: Words): string {
  const { reason = "", message, retryAfterS, figures } = error;
  const said = Object.hasOwn(reasons, reason) ? reasons[reason as keyof typeof reasons] : message;
  if (typeof said === "string") return said;
  const [first = retryAfterS, second = 0] = figures ?? [];
  // A plugin may know the reason, and not what the sentence needs.
  return first === undefined ? message : said(first, second);
}

interface Said {
  readonly message: string;
  readonly reason?: string | undefined;
  readonly figures?: readonly number[] | undefined;
  readonly retryAfterS?: number | undefined;
}

/** Back to the page that the person is on, where the text in the composer is kept by the browser's history. */
function signInPath({ config }: Core, request: Request): string {
  const page = URL.parse(request.headers.get("hx-current-url") ?? "");
  return `/login?next=${encodeURIComponent(ownPath(page ? insidePath(config, page.pathname) + page.search : "/"))}`;
}

function validationFailure(error: ValidationError): ErrorAnswer {
  const wrong = wrongPart(error);
  const path = wrong?.path.replace(/^\//, "").replaceAll("/", ".") || error.type;
  const message = wrong?.message.replace(/^Expected/, "expected") ?? "it does not fit";
  // The error's own words hold the value.
  if (error.type === "response")
    return { ...BROKEN, cause: new Error(`The answer does not fit: ${path}: ${message}.`) };
  return { status: 422, detail: `${path}: ${message}.`, cause: null };
}

const WRONG_PARTS_MAX = 64;

/** Asked of the validator: Elysia's own list of what is wrong prints each value. */
function wrongPart({ validator, value }: ValidationError): ValueError | null {
  let found: ValueError | null = null;
  let count = 0;
  for (const wrong of "Errors" in validator ? validator.Errors(value) : []) {
    // A number in a query is a union of forms; what the last of them wants is what a person should write.
    if (wrong.message !== "Expected union value") found = wrong;
    if (++count === WRONG_PARTS_MAX) break;
  }
  return found;
}
