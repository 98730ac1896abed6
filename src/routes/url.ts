/** The address of a request, whatever its Host header says. */

import type { Config } from "../protocols";

/** Null when it cannot be read, which a hostile Host header can do. */
export function urlOf(request: Request): URL | null {
  // HTTP/1.0 knows no Host, and then the address is a path alone.
  return URL.parse(request.url, "http://localhost");
}

/** For the log and for answers, which must not fail. */
export function pathOf(request: Request): string {
  return urlOf(request)?.pathname ?? "/";
}

/** The path of PUBLIC_URL below which browsers see the server, such as `/chat`; empty when that is the root. */
export function publicPath({ publicUrl }: Pick<Config, "publicUrl">): string {
  return URL.parse(publicUrl ?? "")?.pathname.replace(/\/$/, "") ?? "";
}

/** The methods that can be used at a path, or null where no route is. */
export function methodsAt(routes: readonly Route[], pathname: string): string[] | null {
  const path = partsOf(pathname);
  const methods = routes.filter((route) => isAt(partsOf(route.path), path)).map(({ method }) => method);
  if (methods.length === 0) return null;
  return [...new Set([...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"])];
}

interface Route {
  readonly method: string;
  readonly path: string;
}

/** A slash at the end makes no difference. */
function partsOf(path: string): string[] {
  return path.replace(/(?<=.)\/$/, "").split("/");
}

function isAt(route: readonly string[], path: readonly string[]): boolean {
  const isLong = route.at(-1) === "*" && path.length > route.length;
  return (
    (isLong || path.length === route.length) &&
    route.every((part, at) => part === "*" || part === path[at] || (part.startsWith(":") && path[at] !== ""))
  );
}
