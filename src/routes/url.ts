/** The address of a request, whatever its Host header says. */

/** Null when it cannot be read, which a hostile Host header can do. */
export function urlOf(request: Request): URL | null {
  // HTTP/1.0 knows no Host, and then the address is a path alone.
  return URL.parse(request.url, "http://localhost");
}

/** For the log and for answers, which must not fail. */
export function pathOf(request: Request): string {
  return urlOf(request)?.pathname ?? "/";
}
