/**
 * Fetches addresses that a model or a stranger named, and only from the public internet: it is the address that was checked that is
 * connected to, whatever the name says a moment later, and each redirect is checked anew. Plugins get it from `skeleton`.
 */

import type { BlockList } from "node:net";
import { codeOf } from "../basics/errors";
import { lazy } from "../basics/once";

const REDIRECTS_MAX = 5;

export interface FetchPublicOptions {
  /** Hosts that are fetched wherever they are, as `host` or `host:port`. */
  readonly allow?: readonly string[];
  /** Beside those, the only hosts that are fetched, redirects included: `host`, `host:port`, or `*.host` for all names below it. Absent = every public one. */
  readonly only?: readonly string[] | undefined;
  /** Sent to each host that a redirect leads to as well: no place for a key. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface Fetched {
  /** Where the redirects ended. */
  readonly url: URL;
  /** With its body unread, which may be of any size and has all the time of the signal. */
  readonly response: Response;
}

/**
 * A GET, whatever the status of the answer. Throws an Error with a sentence for whoever named the address, a model or a person.
 *
 * @example
 * ```ts
 * const { url, response } = await fetchPublic("https://example.org/", { signal });
 * if (!response.ok) throw new Error(`${url.host} answered with ${response.status}.`);
 * ```
 */
export async function fetchPublic(address: string, options: FetchPublicOptions): Promise<Fetched> {
  let url = parseUrl(address);
  for (let redirects = 0; ; redirects++) {
    const response = await request(url, options);
    const location = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || location === null) return { url, response };
    await response.body?.cancel();
    if (redirects === REDIRECTS_MAX) throw new Error(`The page redirects more than ${REDIRECTS_MAX} times.`);
    url = parseUrl(location, url);
  }
}

function parseUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new Error(`${JSON.stringify(text.slice(0, 200))} is no address that begins with http:// or https://.`);
  }
  return url;
}

/** Connects to the very address that was checked: the name is in the header, and in TLS, alone. */
async function request(url: URL, { allow = [], only, headers = {}, signal }: FetchPublicOptions): Promise<Response> {
  // Before the name is looked up, which would tell it to whoever answers for it.
  if (only && ![...allow, ...only].some((host) => isOf(url, host))) {
    throw new Error(`${url.host} is not one of the hosts that the owner of the server lets be fetched.`);
  }
  const addresses = await resolve(url, allow);
  let failure: unknown;
  for (const address of addresses) {
    const target = new URL(url);
    Object.assign(target, { username: "", password: "", hash: "" });
    target.hostname = net().isIP(address) === 6 ? `[${address}]` : address;
    const options: BunFetchRequestInit = {
      headers: { ...headers, host: url.host },
      tls: { serverName: hostOf(url) },
      redirect: "manual",
      keepalive: false, // So that no connection of somebody else is used.
      signal,
    };
    try {
      return await fetch(target, options);
    } catch (error) {
      if (signal.aborted) throw error;
      failure = error;
    }
  }
  const reason = /CERT|TLS|SSL/i.test(codeOf(failure)) ? "its certificate is not trusted" : "nothing answers there";
  throw new Error(`${url.host} cannot be reached: ${reason}.`, { cause: failure });
}

/** Addresses of the host, all of them fit to be connected to. Throws an Error with a sentence for the model. */
async function resolve(url: URL, allow: readonly string[]): Promise<string[]> {
  const host = hostOf(url);
  const { default: dns } = await import("node:dns/promises");
  const entries = net().isIP(host) ? [{ address: host }] : await dns.lookup(host, { all: true }).catch(() => []);
  const found = entries.map(({ address }) => address);
  if (found.length === 0) throw new Error(`There is no host ${host}.`);
  const isAllowed = allow.some((host) => !host.startsWith("*.") && isOf(url, host));
  if (!isAllowed && !found.every(isPublic)) {
    throw new Error(`${url.host} is not a public address, and is not fetched. The owner of the server can allow it.`);
  }
  return found;
}

/** Whether an address is of the host that the owner wrote. */
function isOf(url: URL, host: string): boolean {
  const name = host.toLowerCase();
  return name.startsWith("*.") ? url.hostname.endsWith(name.slice(1)) : name === url.host || name === url.hostname;
}

/** Without the brackets of IPv6. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

/**
 * Of the registries of special addresses (RFC 6890 and after): not of the public internet, or leading into something else; and
 * 168.63.129.16, at which Azure's machines reach a service of their own host.
 */
const SPECIAL_V4 =
  "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3";
/** Within 2000::/3, outside of which nothing is public. */
const SPECIAL_V6 = "2001::/23 2001:db8::/32 2002::/16 3fff::/20";

/** Loaded with the first address: a server starts without it. */
function net(): typeof import("node:net") {
  return require("node:net");
}

const specialList = lazy(() => listOf(`${SPECIAL_V4} ${SPECIAL_V6}`));
const globalList = lazy(() => listOf("2000::/3"));

function listOf(networks: string): BlockList {
  const { BlockList, isIP } = net();
  const list = new BlockList();
  for (const network of networks.split(" ")) {
    const [address = "", bits] = network.split("/");
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

function isPublic(address: string): boolean {
  const family = net().isIP(address) === 6 ? "ipv6" : "ipv4";
  return !specialList().check(address, family) && (family === "ipv4" || globalList().check(address, family));
}
