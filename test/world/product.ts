/** The product as a counterpart meets it: a server process from source, with a user, endpoints and plugins of the library. */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { projectFolder } from "../support/project";
import { collectTurn, readTurn, type WireEvent } from "../support/read-sse";
import { SOURCE, startServer } from "../support/server-process";
import type { Stage } from "./counterpart";

const PASSWORD = "seen by the world";

export interface ProductOptions {
  /** models.yaml. */
  readonly endpoints: readonly object[];
  /** Paths below plugin_library/. */
  readonly plugins?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Product {
  /** Such as `http://127.0.0.1:41234`. */
  readonly address: string;
  /** Of its only user. */
  readonly token: string;
  /** The answer's JSON. A status of failure throws. */
  get<T>(path: string): Promise<T>;
  /** All events of a turn. */
  send(content: string, more?: object): Promise<WireEvent[]>;
  /** Its events as they come. */
  watch(content: string, more?: object): Promise<AsyncGenerator<WireEvent>>;
  stopTurn(id: string): Promise<void>;
  upload(name: string, bytes: Blob): Promise<string>;
}

export async function startProduct(stage: Stage, options: ProductOptions): Promise<Product> {
  const folder = join(stage.folder, `product-${Bun.randomUUIDv7()}`);
  mkdirSync(folder);
  const hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
  writeFileSync(join(folder, "users.yaml"), `ann: { password_hash: "${hash}", role: user }\n`);
  writeFileSync(join(folder, "models.yaml"), JSON.stringify(options.endpoints));
  for (const path of options.plugins ?? []) {
    mkdirSync(join(folder, "plugins", dirname(path)), { recursive: true });
    symlinkSync(join(projectFolder, "plugin_library", path), join(folder, "plugins", path));
  }
  const env = { LOG_LEVEL: "ERROR", RATE_LIMIT_MESSAGE: "off", ...options.env };
  const server = await startServer({ command: SOURCE, folder, env });
  stage.atEnd(() => server.stop("SIGKILL"));
  const { address } = server;
  const signedIn = await post(`${address}/login`, {}, { username: "ann", password: PASSWORD });
  const { access_token: token } = (await signedIn.json()) as { access_token: string };
  const headers = { authorization: `Bearer ${token}` };
  const message = (content: string, more: object) => post(`${address}/api/v1/message`, headers, { content, ...more });
  return {
    address,
    token,
    get: async <T>(path: string) => (await demand(await fetch(address + path, { headers }))).json() as T,
    send: async (content, more = {}) => collectTurn(await message(content, more)),
    watch: async (content, more = {}) => readTurn(await message(content, more)),
    async stopTurn(id) {
      await demand(await fetch(`${address}/api/v1/turns/${id}`, { method: "DELETE", headers }));
    },
    async upload(name, bytes) {
      const body = new FormData();
      body.append("file", bytes, name);
      const response = await demand(await fetch(`${address}/api/v1/files`, { method: "POST", headers, body }));
      return ((await response.json()) as { id: string }).id;
    },
  };
}

async function post(url: string, headers: Record<string, string>, body: object): Promise<Response> {
  const init = { method: "POST", body: JSON.stringify(body) };
  return demand(await fetch(url, { ...init, headers: { ...headers, "content-type": "application/json" } }));
}

async function demand(response: Response): Promise<Response> {
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`);
  return response;
}

/** What went wrong in the turn, in the words that its user reads; a turn that went well throws. */
export function failureIn(events: readonly WireEvent[]): string {
  const last = events.at(-1);
  if (last?.event !== "error") throw new Error(`The turn did not fail: ${JSON.stringify(events)}`);
  return last.data.message ?? "";
}

/** The last event of a turn that went well. */
export function endOf(events: readonly WireEvent[]): WireEvent["data"] {
  const last = events.at(-1);
  if (last?.event !== "stream_end") throw new Error(`The turn failed: ${JSON.stringify(last)}`);
  return last.data;
}
