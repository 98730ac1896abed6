/** What a failed request is answered: JSON for programs, a fragment for htmx, a page for a browser. Never a stack. */

import type { ValueError } from "@sinclair/typebox/value";
import type { ValidationError } from "elysia";
import { codeOf, errorOf, HTTP_STATUS, isAppError } from "../../basics/errors";
import type { Core, Words } from "../../protocols";
import { wordsFor } from "../session/session";
import { insidePath, ownPath, urlOf } from "./address";
import { pageData } from "./assets";
import { fragment, htmlResponse, seeOther, wantsPage } from "./respond";

/** What a person reads of an error, and by which the words of a language may say it. */
interface Said {
  /** A sentence for a person. */
  readonly message: string;
  readonly reason?: string | undefined;
  readonly figures?: readonly number[] | undefined;
  readonly retryAfterS?: number | undefined;
}

export interface Refusal extends Said {
  readonly status: number;
  /** What only the owner may know; null when the request was at fault. */
  readonly cause: Error | null;
}

export function failureOf(error: unknown, code: number | string): Refusal {
  // What a body reader throws arrives wrapped.
  const origin = error instanceof Error && isAppError(error.cause) ? error.cause : error;
  if (isAppError(origin)) {
    const status = HTTP_STATUS[origin.code];
    const cause = status >= 500 && origin.cause instanceof Error ? origin.cause : null;
    const { message, reason, figures, retryAfterS } = origin;
    return { status, message, reason, figures, retryAfterS, cause };
  }
  switch (code) {
    case "VALIDATION":
      return validationFailure(error as ValidationError);
    case "PARSE":
      return { status: 400, message: UNREADABLE, cause: null };
    case "NOT_FOUND":
      return { status: 404, message: "There is nothing at this address.", reason: "noPage", cause: null };
    default: {
      // Of the process or of the machine.
      const isOutOfFiles = ["EMFILE", "ENFILE"].includes(codeOf(error));
      return { ...(isOutOfFiles ? NO_FILES : BROKEN), cause: errorOf(error) };
    }
  }
}

const UNREADABLE = "The body of the request cannot be read; it must be valid JSON or a form.";

const NO_FILES = {
  status: 503,
  message: "The server has too many files and connections open. Try again in a moment.",
  reason: "noFiles",
  retryAfterS: 5,
} as const;

const BROKEN = {
  status: 500,
  message: "Something went wrong in the server; its log says what.",
  reason: "broken",
} as const;

/** Of an address that takes other methods than the request's. */
export function wrongMethod(request: Request, methods: readonly string[]): Refusal {
  const message = `This address takes ${methods.join(", ")}, and not ${request.method}.`;
  return { status: 405, message, cause: null };
}

export function failureResponse(core: Core, request: Request, failure: Refusal): Response {
  const { status, message, retryAfterS } = failure;
  const headers: Record<string, string> = retryAfterS ? { "retry-after": String(retryAfterS) } : {};
  const { pathname, search } = urlOf(request) ?? { pathname: "/", search: "" };
  const isProgram = pathname.startsWith("/api/") || !wantsPage(request);
  const words = wordsFor(core, request);
  const sentence = sentenceOf(failure, words);
  if (request.headers.has("hx-request")) {
    const link = status === 401 ? { link: { path: signInPath(core, request), label: words.signIn.signIn } } : {};
    const kind = failure.reason === "manyStreams" ? "offline" : status === 409 ? "busy" : "error";
    const said = core.views.status({ text: sentence, kind, ...link }, words);
    const markup = fragment("status", "outerHTML", said);
    return htmlResponse({ markup }, status, headers);
  }
  if (isProgram) return Response.json({ detail: message }, { status, headers });
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

/** Back to the page that the person is on, where the text in the composer is kept by the browser's history. */
function signInPath({ config }: Core, request: Request): string {
  const page = URL.parse(request.headers.get("hx-current-url") ?? "");
  return `/login?next=${encodeURIComponent(ownPath(page ? insidePath(config, page.pathname) + page.search : "/"))}`;
}

function validationFailure(error: ValidationError): Refusal {
  const wrong = wrongPart(error);
  const path = wrong?.path.replace(/^\//, "").replaceAll("/", ".") || error.type;
  const fault = wrong?.message.replace(/^Expected/, "expected") ?? "it does not fit";
  // The error's own words hold the value.
  if (error.type === "response") return { ...BROKEN, cause: new Error(`The answer does not fit: ${path}: ${fault}.`) };
  return { status: 422, message: `${path}: ${fault}.`, cause: null };
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
