/** What a failed request is answered: JSON for programs, a fragment for htmx, a page for a browser. Never a stack. */

import type { ValidationError } from "elysia";
import { errorOf, HTTP_STATUS, isAppError } from "../errors";
import type { Core } from "../protocols";
import { pageData } from "./page-data";
import { partial } from "./partial";
import { wordsFor } from "./reader";
import { htmlResponse, ownPath, seeOther, wantsPage } from "./respond";
import { urlOf } from "./url";

export interface Failure {
  readonly status: number;
  /** A sentence for a person. */
  readonly detail: string;
  readonly retryAfterS?: number;
  /** What only the owner may know; null when the request was at fault. */
  readonly cause: Error | null;
}

export function failureOf(error: unknown, code: number | string): Failure {
  // What a body reader throws arrives wrapped.
  const origin = error instanceof Error && isAppError(error.cause) ? error.cause : error;
  if (isAppError(origin)) {
    const status = HTTP_STATUS[origin.code];
    const cause = status >= 500 && origin.cause instanceof Error ? origin.cause : null;
    return { status, detail: origin.message, cause, ...(origin.retryAfterS && { retryAfterS: origin.retryAfterS }) };
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
      return { status: 404, detail: "There is nothing at this address.", cause: null };
    default: {
      const cause = errorOf(error);
      return { status: 500, detail: "Something went wrong in the server; its log says what.", cause };
    }
  }
}

export function failureResponse(core: Core, request: Request, failure: Failure): Response {
  const { status, detail, retryAfterS } = failure;
  const headers: Record<string, string> = retryAfterS ? { "retry-after": String(retryAfterS) } : {};
  const { pathname, search } = urlOf(request) ?? { pathname: "/", search: "" };
  const isProgram = pathname.startsWith("/api/") || !wantsPage(request);
  const words = wordsFor(core, request);
  if (request.headers.has("hx-request")) {
    const link = status === 401 ? { link: { path: signInPath(request), label: words.signIn.signIn } } : {};
    const said = core.views.status({ text: detail, kind: status === 409 ? "busy" : "error", ...link }, words);
    const markup = partial("status", "outerHTML", said);
    return htmlResponse({ markup }, status, headers);
  }
  if (isProgram) return Response.json({ detail }, { status, headers });
  if (status === 401 && request.method === "GET") {
    return seeOther(`/login?next=${encodeURIComponent(pathname + search)}`);
  }
  return htmlResponse(core.views.errorPage({ ...pageData(core, null), status, detail }, words), status, headers);
}

/** Back to the page that the person is on, where the text in the composer is kept by the browser's history. */
function signInPath(request: Request): string {
  const page = URL.parse(request.headers.get("hx-current-url") ?? "");
  return `/login?next=${encodeURIComponent(ownPath(page ? page.pathname + page.search : "/"))}`;
}

function validationFailure(error: ValidationError): Failure {
  if (error.type === "response") {
    return { status: 500, detail: "Something went wrong in the server; its log says what.", cause: error };
  }
  // A number in a query is a union of forms; what the last of them wants is what a person should write.
  const wrong = error.all.findLast((entry) => "path" in entry && entry.message !== "Expected union value");
  const path = wrong && "path" in wrong ? String(wrong.path).replace(/^\//, "").replaceAll("/", ".") : "";
  const message =
    wrong && "message" in wrong ? String(wrong.message).replace(/^Expected/, "expected") : "it does not fit";
  return { status: 422, detail: `${path || error.type}: ${message}.`, cause: null };
}
