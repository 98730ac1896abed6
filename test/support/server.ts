/** A real server in this process, on a free port, with people who can sign in; for everything that is tested over HTTP. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { closeStreams, createApp } from "../../src/app";
import { createLog } from "../../src/basics/log";
import { install } from "../../src/plugins";
import type { Config, Core, Plugin } from "../../src/protocols";
import { atEnd } from "./at-end";
import { holdToDocument } from "./described";
import { temporaryFolder, testConfig } from "./temporary";

/** Everybody's password. bcrypt with its least cost, so that tests do not wait for it. */
export const PASSWORD = "correct horse battery";
const HASH = Bun.password.hashSync(PASSWORD, { algorithm: "bcrypt", cost: 4 });

const USERS = `
ann: { password_hash: "${HASH}", role: admin }
bob: { password_hash: "${HASH}", role: user, model_mask: "small-.*" }
`;

export interface TestServer {
  readonly url: string;
  readonly core: Core;
  /** Signs in and sends requests with the token. */
  signIn(username?: string): Promise<Client>;
  /** Stops early and once; otherwise it stops after the tests of the file. */
  stop(graceMs?: number): Promise<void>;
}

export interface Client {
  readonly token: string;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** The JSON of an answer that must be a success. */
  json<T = unknown>(path: string, init?: RequestInit): Promise<T>;
  /** Sends JSON. */
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
}

export interface ServerOptions {
  readonly config?: Partial<Config>;
  readonly plugins?: readonly Plugin[];
  /** Default: a new one. */
  readonly dataPath?: string;
  readonly setupToken?: string;
  /** Gets what is logged, instead of the terminal. */
  readonly logged?: string[];
  /** False = no users.yaml. */
  readonly hasUsers?: boolean;
}

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const dataPath = options.dataPath ?? temporaryFolder();
  if (options.hasUsers !== false) writeFileSync(join(dataPath, "users.yaml"), USERS);
  const config = testConfig(dataPath, options.config);
  const { logged, plugins = [] } = options;
  const log = logged
    ? createLog(config.logLevel, (_level, line) => void logged.push(line))
    : createLog(config.logLevel);
  const installed = await install({ config, log, plugins });
  const app = createApp(installed.core, options.setupToken);
  app.listen({ hostname: "127.0.0.1", port: 0, development: false });
  const url = `http://127.0.0.1:${app.server?.port}`;
  holdToDocument(url);
  let isStopped = false;
  const stop = async (graceMs = 0) => {
    if (isStopped) return;
    isStopped = true;
    await installed.stop(graceMs);
    closeStreams(installed.core);
    await app.server?.stop(true);
  };
  atEnd(stop);
  return { url, core: installed.core, signIn: (username = "ann") => signIn(url, username), stop };
}

async function signIn(url: string, username: string): Promise<Client> {
  const body = JSON.stringify({ username, password: PASSWORD });
  const response = await fetch(`${url}/login`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  });
  if (!response.ok) throw new Error(`${username} could not sign in: ${response.status} ${await response.text()}`);
  const { access_token: token } = (await response.json()) as { access_token: string };
  const client: Client = {
    token,
    fetch: (path, init = {}) => {
      const headers = new Headers(init.headers);
      headers.set("authorization", `Bearer ${token}`);
      return fetch(url + path, { ...init, headers });
    },
    async json<T>(path: string, init?: RequestInit) {
      const answer = await client.fetch(path, init);
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return (await answer.json()) as T;
    },
    post: (path, content, init = {}) =>
      client.fetch(path, {
        ...init,
        method: "POST",
        body: JSON.stringify(content),
        headers: { "content-type": "application/json" },
      }),
  };
  return client;
}
