/** A reverse proxy in front of a test server, which shows it below a path of its own host, and has another page at its root. */

import { atEnd } from "./at-end";

export interface Proxy {
  /** Without a path. */
  readonly origin: string;
  /** Where requests go from now on. */
  readonly lead: (url: string) => void;
  /** Paths that a browser asked for and that are not below the proxy's. */
  readonly strays: readonly string[];
}

/** `isStripping`: as those proxies do that take the path off before they pass a request on. */
export function startProxy(path: string, isStripping: boolean): Proxy {
  const strays: string[] = [];
  let target = "";
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      if (pathname !== path && !pathname.startsWith(`${path}/`)) {
        strays.push(pathname);
        return new Response("The front page of somebody else.", { status: 404 });
      }
      const asked = isStripping ? pathname.slice(path.length) || "/" : pathname;
      const response = await fetch(target + asked + search, {
        method: request.method,
        headers: request.headers,
        body: request.body,
        redirect: "manual",
        decompress: false,
        signal: request.signal,
      });
      return new Response(response.body, response);
    },
  });
  atEnd(() => server.stop(true));
  return {
    origin: `http://127.0.0.1:${server.port}`,
    strays,
    lead(url) {
      target = url;
    },
  };
}
