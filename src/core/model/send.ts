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
  return fetch(addressOf(endpoint, path), {
    method,
    headers: {
      accept: "application/json, text/event-stream",
      ...(endpoint.apiKey === null ? {} : { authorization: `Bearer ${endpoint.apiKey}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...endpoint.headers,
    },
    signal,
    // Bun would give up after five minutes without a byte; MODEL_FIRST_BYTE_TIMEOUT_S and MODEL_IDLE_TIMEOUT_S are what counts.
    timeout: false,
    ...(body === undefined ? {} : { body }),
  });
}
