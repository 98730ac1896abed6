/**
 * Addresses. That of a request is read whatever its Host header says. Inside, all are written without the path of PUBLIC_URL, such as `/chat`, below
 * which a proxy shows the whole server, by our views, by routes and by plugins; here it is put before those that leave, and taken off those that come,
 * whether the proxy took it off before or not. No path of the server begins with it (src/config.ts), so what has it already is left as it is.
 */

import type { Config, Html } from "../../protocols";

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

const HERE = "http://here.invalid";

/**
 * The path of an address that a request gave, when it stays on this server, else the front page: for every redirect to such an address.
 * It is looked at as it was parsed, because parsing drops tabs, line breaks and dots: `/.//other.example` is `//other.example`.
 */
export function ownPath(address: string | undefined): string {
  const url = address?.startsWith("/") ? URL.parse(address, HERE) : null;
  if (url?.origin !== HERE || /^\/[/\\]/.test(url.pathname)) return "/";
  return url.pathname + url.search;
}

const HOST_MIN = 3; // Characters, that Elysia finds the path behind an https host.

/** Takes the path of PUBLIC_URL off a request's address, for all who read it from here on. */
export function comeIn(config: Config, request: Request): Request {
  const url = urlOf(request);
  if (!url) return request;
  const inside = insidePath(config, url.pathname);
  const isShort = url.protocol === "https:" && url.host.length < HOST_MIN;
  if (inside === url.pathname && !isShort) return request;
  const host = isShort ? `${url.host}:443` : url.host;
  // The same object, since the server knows its connection by it.
  return Object.defineProperty(request, "url", { value: `${url.protocol}//${host}${inside}${url.search}` });
}

/** A path that a browser has seen, as the server knows it. */
export function insidePath(config: Pick<Config, "publicUrl">, pathname: string): string {
  const base = publicPath(config);
  if (base === "" || !isBelow(base, pathname)) return pathname;
  return pathname.slice(base.length) || "/";
}

/** An address of this server as a browser is to see it. All others are given back as they are. */
export function outsidePath(config: Pick<Config, "publicUrl">, address: string): string {
  const base = publicPath(config);
  if (base === "" || !/^\/(?![/\\])/.test(address) || isBelow(base, address)) return address;
  return base + address;
}

function isBelow(base: string, address: string): boolean {
  return address.startsWith(base) && /^(?:[/?#]|$)/.test(address.slice(base.length));
}

const ADDRESSES = ["location", "hx-location", "hx-push-url", "hx-redirect", "hx-replace-url"];

/** The same response, the addresses in its headers as a browser is to see them. */
export function goOut(config: Config, response: Response): Response {
  for (const name of ADDRESSES) {
    const address = response.headers.get(name);
    if (address !== null) response.headers.set(name, outsidePath(config, address));
  }
  return response;
}

/**
 * An address in a tag: no text has one, since quotes are escaped there. Those of `data-` that are none may hold
 * what people named. `0; url=` is that of a page that is to be left.
 */
const IN_MARKUP =
  /(\s(?:href|src|action|formaction|poster|data-(?:from|source|worker)|hx-(?:get|post|put|patch|delete|action|push-url|replace-url|sse:connect))=["']|="0; url=)(\/(?![/\\])[^"']*)/gi;

/** The same markup, its addresses as a browser is to see them. */
export function outsideMarkup(config: Pick<Config, "publicUrl">, { markup }: Html): Html {
  if (publicPath(config) === "") return { markup };
  return { markup: markup.replace(IN_MARKUP, (_, before, address) => before + outsidePath(config, address)) };
}

const rewritten = new WeakMap<Uint8Array, Uint8Array>();
const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];

/** The same of a whole message of a stream, made once however many windows it is sent to. */
export function outsideBytes(config: Pick<Config, "publicUrl">, message: Uint8Array): Uint8Array {
  if (publicPath(config) === "") return message;
  return rewritten.getOrInsertComputed(message, () =>
    encoder.encode(outsideMarkup(config, { markup: decoder.decode(message) }).markup),
  );
}
