/**
 * What is measured, each a process of its own: the upstream, the pass-through in front of it, and the server as a person
 * runs it. Everything is started anew for each measurement, so that none inherits another's memory.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServerProcess, SOURCE, startServer } from "../support/server-process";

export interface Upstream {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface StreamSpec {
  readonly tokens: number;
  /** Tokens a second; 0 = as fast as they are taken. */
  readonly rate: number;
}

export interface Subject {
  readonly port: number;
  readonly pid: number;
  /** The HTTP request that starts a stream of stamped tokens. */
  request(stream: StreamSpec): string;
  stop(): Promise<void>;
}

export interface Skeleton extends Subject {
  readonly address: string;
  readonly token: string;
  /** A GET with the token, as bytes for a bare socket. */
  getRequest(path: string): string;
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

const MODEL = "test-model";
/** Bun's own limit is 256 requests at a time; the rest would wait in a queue, of the pass-through's and of ours alike. */
const MANY_REQUESTS = { BUN_CONFIG_MAX_HTTP_REQUESTS: "20000" };
const ONE_USER_FOR_ALL = { STREAMS_PER_USER: "0", QUOTA_BYTES: "0" }; // Which stands for many.
export const USERNAME = "bench";
const PASSWORD = "a password for the benchmark";

export async function startUpstream(): Promise<Upstream> {
  return startBun(join(import.meta.dir, "../support/upstream.ts"), "--no-reset", "--models", MODEL);
}

/** With `--re-encode` it reads and writes each event. */
export async function startPassThrough(upstream: Upstream, ...mode: readonly "--re-encode"[]): Promise<Subject> {
  const { origin } = new URL(upstream.url);
  const { url, pid, stop } = await startBun(join(import.meta.dir, "pass-through.ts"), origin, ...mode);
  const request = (stream: StreamSpec) =>
    post("/v1/chat/completions", {
      model: MODEL,
      messages: [{ role: "user", content: "go" }],
      stream: true,
      ...parametersOf(stream),
    });
  return { port: Number(new URL(url).port), pid, request, stop };
}

export interface SkeletonOptions {
  readonly upstream: Upstream;
  readonly command?: readonly string[];
  /** With data in it; default: an empty one, gone afterwards. */
  readonly folder?: string;
}

export async function startSkeleton(options: SkeletonOptions): Promise<Skeleton> {
  const folder = options.folder ?? createFolder();
  const server = await startServer({
    command: options.command ?? SOURCE,
    folder,
    env: {
      ...MANY_REQUESTS,
      ...ONE_USER_FOR_ALL,
      OPENAI_BASE_URL: options.upstream.url,
      OPENAI_API_KEY: "none",
      LOG_LEVEL: "WARNING",
    },
  });
  const token = await signIn(server.address);
  const authorization = { authorization: `Bearer ${token}` };
  const skeleton: Skeleton = {
    address: server.address,
    token,
    port: Number(new URL(server.address).port),
    pid: server.pid,
    request: (stream) => post("/api/v1/message", messageOf(stream), authorization),
    getRequest: (path) =>
      `GET ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: ${authorization.authorization}\r\n\r\n`,
    fetch: (path, init = {}) =>
      fetch(server.address + path, { ...init, headers: { ...authorization, ...init.headers } }),
    stop: () => stop(server, options.folder === undefined ? folder : null),
  };
  // The first message loads what later ones find loaded.
  await (await skeleton.fetch("/api/v1/message", jsonBody(messageOf({ tokens: 1, rate: 0 })))).text();
  return skeleton;
}

/** A folder for a server's data, with the benchmark's user in it. */
export function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "skeleton-bench-"));
  const hash = Bun.password.hashSync(PASSWORD, { algorithm: "bcrypt", cost: 4 });
  writeFileSync(join(folder, "users.yaml"), `${USERNAME}: { password_hash: "${hash}", role: user }\n`);
  return folder;
}

/** A message whose reply is that stream. */
export function messageOf(stream: StreamSpec, threadId?: string): object {
  return { content: "go", parameters: parametersOf(stream), ...(threadId && { thread_id: threadId }) };
}

export function jsonBody(body: object): RequestInit {
  return { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

function parametersOf({ tokens, rate }: StreamSpec) {
  return { x_tokens: tokens, x_rate: rate, x_stamp: true };
}

function post(path: string, content: object, headers: Record<string, string> = {}): string {
  const body = JSON.stringify(content);
  const all = { host: "localhost", "content-type": "application/json", "content-length": body.length, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

async function signIn(address: string): Promise<string> {
  const response = await fetch(`${address}/login`, jsonBody({ username: USERNAME, password: PASSWORD }));
  if (!response.ok) throw new Error(`The benchmark could not sign in: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { access_token: string }).access_token;
}

/** Killed, because its turns would go on until they are done. */
async function stop(server: ServerProcess, folder: string | null): Promise<void> {
  await server.stop("SIGKILL");
  if (folder !== null) rmSync(folder, { recursive: true, force: true });
}

/** A process whose first line says where it listens. */
async function startBun(...args: readonly string[]): Promise<Upstream> {
  const child = Bun.spawn([process.execPath, ...args], {
    env: { ...process.env, ...MANY_REQUESTS },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  let printed = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    printed += text;
    if (printed.includes("\n")) break;
  }
  return {
    url: printed.trim(),
    pid: child.pid,
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
