/** A client of the crash harness: sends, follows, and notes what it was shown and when, until the server is gone. */

import { readTurn, type WireEvent } from "./read-sse";

export interface Seen {
  /** The server has answered: the message is stored. */
  isAcknowledged: boolean;
  /** Why the connection broke; null when it ended in order, or has not ended. */
  broke: string | null;
  /** In order, with the time of arrival by this process's clock. */
  readonly events: (WireEvent & { readonly atMs: number })[];
  /** Resolves when the connection is over, however. */
  readonly over: Promise<void>;
}

export interface Api {
  readonly address: string;
  readonly token: string;
}

export async function signIn(address: string, password: string): Promise<Api> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ username: "ann", password });
  const response = await fetch(`${address}/login`, { method: "POST", headers, body });
  const { access_token: token } = (await response.json()) as { access_token: string };
  return { address, token };
}

export function sendMessage(api: Api, body: object): Seen {
  return watch(() => request(api, "/api/v1/message", body));
}

export function followAfter(api: Api, turnId: string, after: number): Seen {
  return watch(() => request(api, `/api/v1/turns/${turnId}/events?after=${after}`));
}

export function continueTurn(api: Api, turnId: string): Seen {
  return watch(() => request(api, `/api/v1/turns/${turnId}/continue`, {}));
}

export function answerCall(api: Api, turnId: string, callId: string, approve: boolean): Promise<Response> {
  return request(api, `/api/v1/turns/${turnId}/tools/${callId}`, { approve });
}

export async function get<T>(api: Api, path: string): Promise<T> {
  const response = await request(api, path);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

function request({ address, token }: Api, path: string, body?: object): Promise<Response> {
  return fetch(address + path, {
    method: body ? "POST" : "GET",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
}

function watch(ask: () => Promise<Response>): Seen {
  const events: Seen["events"] = [];
  const read = async (): Promise<void> => {
    const response = await ask();
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    seen.isAcknowledged = true;
    for await (const event of readTurn(response)) events.push({ ...event, atMs: performance.now() });
  };
  // A server that is killed breaks the connection; what matters is what came before.
  const seen: Seen = { isAcknowledged: false, broke: null, events, over: Promise.resolve() };
  const over = read().catch((error) => {
    seen.broke = String(error);
  });
  return Object.assign(seen, { over });
}
