/**
 * The only place where requests to endpoints leave. Not by the `openai` package: of an error it keeps one form alone, and it would
 * add whatever OPENAI_CUSTOM_HEADERS, OPENAI_ORG_ID and their like say, and a description of this machine.
 */

import { addressOf, type Endpoint } from "./endpoint";

export interface SendOptions {
  readonly method: "GET" | "POST";
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** `path` is behind the address of the endpoint, such as `/models`. */
export function send(endpoint: Endpoint, path: string, { method, body, signal }: SendOptions): Promise<Response> {
  return fetchEndpoint(addressOf(endpoint, path), {
    method,
    headers: {
      accept: "application/json, text/event-stream",
      ...(endpoint.apiKey === null ? {} : { authorization: `Bearer ${endpoint.apiKey}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...endpoint.headers,
    },
    signal,
    ...(body === undefined ? {} : { body }),
  });
}

/**
 * `fetch` for addresses that the owner named: past a proxy of the environment where the address is near, and without the time limit of Bun,
 * which would give up after five minutes without a byte: the caller's signal is what counts. Plugins get it from `skeleton`.
 *
 * @example
 * ```ts
 * const body = JSON.stringify(call.messages);
 * const answer = await fetchEndpoint("http://models.local:8080/chat", { method: "POST", body, signal });
 * ```
 */
export function fetchEndpoint(url: string | URL, init: RequestInit = {}): Promise<Response> {
  // Bun's types lack `proxy: false`: no proxy of the environment is asked.
  return fetch(url, { ...init, timeout: false, ...(isNear(String(url)) && ({ proxy: false } as object)) });
}

/**
 * Whether the address is of this machine or its own network, which a proxy of the environment (HTTP_PROXY) cannot reach or should not: what
 * runs beside the server would be looked for on the proxy's machine.
 */
function isNear(url: string): boolean {
  const host = (URL.parse(url)?.hostname ?? "").toLowerCase();
  if (host.startsWith("[")) return /^\[(?:::1|f[cd]|fe80:)/.test(host);
  if (/^(?:127|10)\.[\d.]+$|^192\.168\.[\d.]+$|^172\.(?:1[6-9]|2\d|3[01])\.[\d.]+$|^169\.254\.[\d.]+$/.test(host))
    return true;
  return !host.includes(".") || /\.(?:localhost|local|internal|lan|home\.arpa)$/.test(host);
}
