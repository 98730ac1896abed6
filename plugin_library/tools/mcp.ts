/**
 * Offers models the tools of MCP servers (Model Context Protocol), of any number, by stdio and by streamable HTTP. Servers come and
 * go on their own: one that fails is tried again and hides no other, and what a server offers now is offered in the next
 * model call.
 *
 * Settings (plugins.yaml, `mcp`): `servers`, a map by name, which is put before the names of its tools; each has either
 * `command`, `args`, `env`, `cwd`, or `url`, `headers`; and `tools`, the only ones to offer, `approval`, whether the user is
 * asked before each call, `timeout_s` of a call (120). Last change: 2026-11-28.
 */

import {
  Client,
  type Progress,
  ProtocolError,
  SdkError,
  SdkHttpError,
  SSEClientTransport,
  SseError,
  StreamableHTTPClientTransport,
  type Transport,
} from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import {
  type Core,
  fetchEndpoint,
  isRecord,
  type NewFile,
  type Plugin,
  type Static,
  type Tool,
  type ToolOutput,
  type Turn,
  t,
  toolResult,
  toolSchema,
  within,
} from "skeleton";

const texts = t.Record(t.String(), t.String(), { default: {} });

const server = t.Object(
  {
    command: t.Optional(t.String({ minLength: 1 })),
    args: t.Array(t.String(), { default: [] }),
    env: texts,
    cwd: t.Optional(t.String()),
    url: t.Optional(t.String({ pattern: "^https?://" })),
    headers: texts,
    tools: t.Optional(t.Array(t.String())),
    approval: t.Boolean({ default: false }),
    timeout_s: t.Number({ exclusiveMinimum: 0, maximum: 3600, default: 120 }),
  },
  // TypeBox fills in defaults below a record only where the values have one too.
  { additionalProperties: false, default: {} },
);

const serverName = t.String({ pattern: "^[a-zA-Z0-9][a-zA-Z0-9 _.@/-]{0,63}$" });
const servers = t.Record(serverName, server, { default: {}, additionalProperties: false });
const settings = t.Object({ servers });

type ServerSettings = Static<typeof server>;

let connections: readonly Connection[] = [];

export default {
  name: "mcp",
  settings,
  tools: () => ({
    list: () => connections.flatMap((it) => it.tools()),
    ready: async () => void (await Promise.all(connections.map((it) => it.ready()))),
    missing: () => connections.flatMap((it) => it.missing()),
  }),
  start(core) {
    const { servers } = core.settings<Static<typeof settings>>("mcp");
    for (const [name, { command, url }] of Object.entries(servers)) {
      if ((command === undefined) === (url === undefined)) {
        throw new Error(`The server ${name} needs either a command or a url.`);
      }
    }
    const names = Object.keys(servers);
    connections = names.flatMap((name) => {
      const own = servers[name];
      return own ? [createConnection(core, name, prefixOf(name, names), own)] : [];
    });
  },
  async stop() {
    const ending = connections;
    connections = [];
    await Promise.all(ending.map((it) => it.close()));
  },
} satisfies Plugin;

interface Connection {
  /** Resolves when the server is there, and at the latest when it has been waited for long enough. */
  ready(): Promise<void>;
  /** None while the server is away. */
  tools(): readonly Tool[];
  /** Why the server is away, or which of its tools are left out. */
  missing(): readonly string[];
  /** Ends the server's process, if it is one. */
  close(): Promise<void>;
}

const CONNECT_MS = 60_000; // A package runner may have to fetch the server first.
const OLD_MS = 10_000; // A server of before 2025 may leave the request of a newer client open.
const RETRY_MAX_MS = 60_000;
const STEADY_MS = 10_000; // A connection that lasts this long was good: a server that dies when used is not started in a loop.
const WAIT_MS = 5_000; // Of a person, for a server that is being started. One that failed is not waited for.

/** A way to a server, and what is known of its other end. */
interface Link {
  readonly client: Client;
  readonly transport: Transport;
  /** A sentence with what its process said last; empty when it said nothing, or is none. */
  words(): Promise<string>;
}

function createConnection(core: Core, name: string, prefix: string, own: ServerSettings): Connection {
  let link: Link | null = null;
  let current: Link | null = null;
  let tools: readonly Tool[] = [];
  let missing: readonly string[] = [];
  let failures = 0;
  let connectedAtMs = 0;
  let trying: Promise<void> = Promise.resolve();
  let patience: Promise<void> = trying;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;

  const offer = (listed: readonly unknown[]): void => {
    missing = [];
    const leftOut = (tool: string, reason: string) => {
      core.log.warn("A tool of an MCP server is left out", { server: name, tool, reason });
      missing = [...missing, `The tool ${tool} of the server ${name} is left out. ${reason}`];
    };
    tools = toTools({ name, prefix, own, link: () => current, lost }, listed, leftOut);
  };

  const listAgain = async (changed: Link): Promise<void> => {
    try {
      const listed = await listTools(changed.client);
      if (changed === current) offer(listed);
    } catch (error) {
      core.log.warn("An MCP server does not say which tools it has now", { server: name, reason: messageOf(error) });
    }
  };

  const open = async (opened: Link, timeout: number): Promise<void> => {
    const { client, transport } = opened;
    link = opened;
    client.onclose = () => lost(opened, new Error("The connection ended."));
    client.setNotificationHandler("notifications/tools/list_changed", () => listAgain(opened));
    await within(client.connect(transport, { timeout }), { ms: timeout }, () => {
      throw new Error(`It did not answer in ${timeout / 1000} seconds.`);
    });
    const listed = await listTools(client);
    if (isClosed) return await transport.close();
    // It would connect again by itself, to a server that does not know this client any more.
    if (transport instanceof SSEClientTransport) {
      transport.onerror = (error) => error instanceof SseError && lost(opened, error);
    }
    current = opened;
    connectedAtMs = performance.now();
    offer(listed);
    core.log.info("An MCP server is connected", { server: name, tools: tools.length });
  };

  const connect = async (): Promise<void> => {
    try {
      const isOld = own.url !== undefined && new URL(own.url).pathname.endsWith("/sse");
      await open(createLink(core, name, own), isOld ? OLD_MS : CONNECT_MS).catch(async (error) => {
        if (isClosed || own.url === undefined || !(isOld || isRefusal(error))) throw error;
        await link?.transport.close();
        await open(toLink(createOldTransport(own.url, own)), CONNECT_MS).catch((other) => {
          throw new Error(`${messageOf(error)}; as a server of before 2025: ${messageOf(other)}`);
        });
      });
    } catch (error) {
      await link?.transport.close();
      retry(error, (await link?.words()) ?? "");
    }
  };

  /** Another try, at once after a connection that was good, then ever later. */
  const retry = (error: unknown, words: string): void => {
    if (isClosed) return;
    const waitMs = failures === 0 ? 0 : Math.min(RETRY_MAX_MS, 500 * 2 ** failures);
    const reason = messageOf(error).replace(/[^.!?]$/, "$&.") + words;
    core.log.warn("An MCP server is not there", { server: name, reason, retryInMs: waitMs });
    missing = [`The server ${name} is not there: ${reason}`];
    failures++;
    timer = setTimeout(begin, waitMs);
  };

  const lost = (left: Link, error: unknown): void => {
    if (left !== current) return;
    current = null;
    tools = [];
    if (performance.now() - connectedAtMs > STEADY_MS) failures = 0;
    void left.transport.close();
    void left.words().then((words) => retry(error, words));
  };

  const begin = (): void => {
    trying = connect();
    patience = within(trying, { ms: WAIT_MS }, () => {});
  };

  begin();
  return {
    ready: () => (failures <= 1 ? patience : Promise.resolve()),
    tools: () => tools,
    missing: () => missing,
    async close() {
      isClosed = true;
      clearTimeout(timer);
      current = null;
      const transport = link?.transport;
      // A server may keep what it knows of a session until it is told; one that does not answer is not waited for.
      if (transport instanceof StreamableHTTPClientTransport) {
        await within(
          transport.terminateSession().catch(() => {}),
          { ms: 1_000 },
          () => {},
        );
      }
      await transport?.close();
      await trying;
    },
  };
}

/** Whether a server is there that does not speak streamable HTTP, or not at this address. */
function isRefusal(error: unknown): boolean {
  if (error instanceof SdkHttpError) return error.status !== 401 && error.status !== 403;
  return error instanceof SdkError && error.code === "CLIENT_HTTP_UNEXPECTED_CONTENT";
}

function createLink(core: Core, name: string, own: ServerSettings): Link {
  const { command, args, env, cwd, url = "", headers } = own;
  if (command === undefined) {
    return toLink(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers }, fetch: fetchEndpoint }));
  }
  const folder = cwd === undefined ? {} : { cwd };
  const transport = new StdioClientTransport({ command, args: [...args], env: { ...env }, stderr: "pipe", ...folder });
  const said = Promise.withResolvers<void>();
  let tail = "";
  transport.stderr?.on("data", (bytes) => {
    core.log.debug(String(bytes).trimEnd().slice(0, 1000), { server: name });
    tail = (tail + bytes).slice(-WORDS_MAX * 4);
  });
  transport.stderr?.on("end", said.resolve);
  return toLink(transport, async () => {
    // What it said comes by another way than the end of its answers.
    await within(said.promise, { ms: WORDS_MS }, () => {});
    return lastWords(tail, Object.values(env));
  });
}

function createOldTransport(url: string, { headers }: ServerSettings): Transport {
  return new SSEClientTransport(new URL(url), { requestInit: { headers }, fetch: fetchEndpoint });
}

function toLink(transport: Transport, words = async () => ""): Link {
  return { client: new Client({ name: "skeleton", version: "1" }), transport, words };
}

const WORDS_MAX = 1000; // Characters: the end of a trace with its message.
const WORDS_MS = 200;
const SECRET_MIN = 8; // Characters. Shorter ones are words such as `true`.

/** Without colours, and without what its environment was given: a person and a model may read it. */
function lastWords(tail: string, secrets: readonly string[]): string {
  const shown = secrets
    .filter((it) => it.length >= SECRET_MIN)
    .reduce((text, secret) => text.replaceAll(secret, "[hidden]"), Bun.stripANSI(tail));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken away.
  const clean = shown.replace(/[\0-\x08\x0b-\x1f\x7f]/g, "").trim();
  return clean === "" ? "" : ` It said last: ${clean.slice(-WORDS_MAX)}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Has the SDK hand out a result as it is, of which its own schemas would refuse the whole for one odd part. */
const AS_IT_COMES = {
  "~standard": { version: 1, vendor: "skeleton", validate: (value: unknown) => ({ value }) },
} as const;

const PAGES_MAX = 100; // Of tools: a server may say that there is more for ever.

async function listTools(client: Client): Promise<unknown[]> {
  const found: unknown[] = [];
  let params = {};
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer: unknown = await client.request({ method: "tools/list", params }, AS_IT_COMES);
    const { tools, nextCursor } = isRecord(answer) ? answer : {};
    if (Array.isArray(tools)) found.push(...tools);
    if (typeof nextCursor !== "string" || nextCursor === "") break;
    params = { cursor: nextCursor };
  }
  return found;
}

interface Source {
  readonly name: string;
  /** Of its tools' names. */
  readonly prefix: string;
  readonly own: ServerSettings;
  readonly link: () => Link | null;
  readonly lost: (link: Link, error: unknown) => void;
}

/** What is odd in one tool is mended, or leaves that one out. */
function toTools(source: Source, listed: readonly unknown[], leftOut: (tool: string, reason: string) => void): Tool[] {
  const tools = new Map<string, Tool>();
  const seen = new Set<string>();
  for (const [at, listing] of listed.entries()) {
    const { name, description, title, inputSchema, execution } = isRecord(listing) ? listing : {};
    const label = typeof name === "string" ? name : `number ${at + 1}`;
    if (source.own.tools && !source.own.tools.includes(label)) continue;
    const parameters = toParameters(inputSchema);
    if (typeof name !== "string" || name === "") leftOut(label, "It has no name.");
    else if (seen.has(name)) leftOut(label, "There is another one of that name.");
    else if (isRecord(execution) && execution.taskSupport === "required") {
      leftOut(label, "It runs as a task alone, which is not supported.");
    } else if (typeof parameters === "string") leftOut(label, parameters);
    else {
      const whole = `${source.prefix}_${name}`;
      const plain = toolName(whole, false);
      const offered = tools.has(plain) ? toolName(whole, true) : plain;
      const words = [description, title].find((it) => typeof it === "string") ?? "";
      tools.set(offered, toTool(source, name, { name: offered, description: words as string, parameters }));
      seen.add(name);
    }
  }
  return [...tools.values()];
}

function toTool(source: Source, name: string, shown: { name: string; description: string; parameters: Json }): Tool {
  const { own } = source;
  return {
    ...shown,
    parameters: t.Unsafe(shown.parameters),
    approval: own.approval,
    // The call ends itself in time; this is for the files that its result may bring.
    timeoutMs: own.timeout_s * 1000 + 10_000,
    execute: (args: Record<string, unknown>, turn) => callTool(source, name, args, turn),
  };
}

/** The schema of an object, as strict endpoints take it; or a sentence that says what is wrong. */
function toParameters(schema: unknown = {}): Json | string {
  if (schema !== null && !isRecord(schema)) return "Its inputSchema is no schema.";
  const { type, properties } = schema ?? {};
  if (![type ?? "object"].flat().includes("object")) return `Its arguments are no object, but ${asJson(type)}.`;
  const isEmpty = [properties ?? []].flat().length === 0;
  return isEmpty || isRecord(properties) ? toolSchema(schema) : "The properties of its inputSchema are no object.";
}

const NAME_MAX = 64; // Characters of a tool's name.

/** Names of MCP may be longer and have other characters; those that would be alike are told apart by a hash. */
function toolName(whole: string, isTaken: boolean): string {
  const plain = whole.replace(/[^\w-]/g, "_");
  if (!isTaken && plain.length <= NAME_MAX) return plain;
  return `${plain.slice(0, NAME_MAX - 9)}_${hash(whole)}`;
}

function hash(text: string): string {
  return Bun.hash(text).toString(36).slice(0, 8);
}

/**
 * What the names of a server's tools begin with: its name, as models take it. With `a` beside it, `a_b` is told apart by a hash, or a tool
 * `b_c` of the one would have the name of a tool `c` of the other.
 */
function prefixOf(name: string, all: readonly string[]): string {
  const plain = (it: string) => it.replace(/[^\w-]/g, "_");
  const isClear = all.every((it) => it === name || !`${plain(name)}_`.startsWith(`${plain(it)}_`));
  return isClear ? plain(name) : `${plain(name)}-${hash(name)}`;
}

async function* callTool(
  { name: serverName, own, link, lost }: Source,
  name: string,
  args: Record<string, unknown>,
  turn: Turn,
): AsyncGenerator<string, ToolOutput> {
  const current = link();
  if (!current) throw new Error(`The MCP server ${serverName} is not there at the moment.`);
  const progress = createProgress();
  const timeout = own.timeout_s * 1000;
  const signal = AbortSignal.any([turn.signal, AbortSignal.timeout(timeout)]);
  const options = { signal, timeout, onprogress: progress.push };
  const result = current.client
    .request({ method: "tools/call", params: { name, arguments: args } }, AS_IT_COMES, options)
    .finally(progress.end);
  result.catch(() => {}); // It is awaited below, perhaps later than it fails.
  let answer: unknown;
  try {
    yield* progress.updates();
    answer = await result;
  } catch (error) {
    if (turn.signal.aborted) throw error;
    if (signal.aborted) throw new Error(`The tool took longer than ${own.timeout_s} seconds.`);
    // What the server itself says of the call leaves the connection good.
    if (error instanceof ProtocolError) throw error;
    lost(current, error);
    const words = await current.words();
    throw new Error(`The MCP server ${serverName} did not answer. It is being connected again; try once more.${words}`);
  }
  return toolResult(toOutput(answer));
}

/** Progress as it comes, for a generator that reads it at its own pace; what it has no time for is left out. */
function createProgress() {
  let last: string | null = null;
  let isEnded = false;
  let news = Promise.withResolvers<void>();
  const tell = () => {
    news.resolve();
    news = Promise.withResolvers();
  };
  return {
    push({ message, progress, total }: Progress): void {
      last = message ?? (total === undefined ? String(progress) : `${progress} of ${total}`);
      tell();
    },
    end(): void {
      isEnded = true;
      tell();
    },
    async *updates(): AsyncGenerator<string, void> {
      while (last !== null || !isEnded) {
        if (last === null) await news.promise;
        const update: string | null = last;
        last = null;
        if (update !== null) yield update;
      }
    },
  };
}

/** Whatever a server answers: what is odd in it costs neither the rest nor the connection. */
function toOutput(answer: unknown): ToolOutput {
  const result = isRecord(answer) ? answer : { content: answer };
  const { content, structuredContent, isError } = result;
  const blocks = Array.isArray(content) ? content : [content].filter((it) => it !== undefined && it !== null);
  const instead = structuredContent ?? result.toolResult; // The latter in servers of the first protocol.
  const parts = blocks.map(readBlock);
  const files = parts.flatMap(({ file }) => file ?? []);
  const text = parts.flatMap((part) => part.text || []).join("\n\n");
  const isNothing = text.trim() === "" && files.length === 0 && instead !== undefined && instead !== null;
  return {
    content: isNothing ? asJson(instead, Number.POSITIVE_INFINITY) : text,
    files,
    isError: isError === true,
  };
}

interface Part {
  readonly text?: string;
  readonly file?: NewFile;
}

/** A block of a kind that is not known, or that lacks what its kind needs, is shown as it is. */
function readBlock(block: unknown): Part {
  if (!isRecord(block)) return { text: typeof block === "string" ? block : asJson(block) };
  const { type, text, data, mimeType, uri } = block;
  if (type === "text" && (typeof text === "string" || text === null)) return { text: text ?? "" };
  if ((type === "image" || type === "audio") && typeof data === "string" && data !== "")
    return { file: fileOf(type, mimeType, data) };
  if (type === "resource_link" && typeof uri === "string") return { text: linkText(uri, block) };
  const resource = type === "resource" && isRecord(block.resource) ? block.resource : {};
  const place = String(resource.uri ?? "A resource");
  if (typeof resource.text === "string") return { text: `${place}:\n${resource.text}` };
  if (typeof resource.blob !== "string") return { text: `(A block of the type ${asJson(type)}: ${asJson(block)})` };
  return { text: place, file: fileOf(place.split("/").at(-1) || "resource", resource.mimeType, resource.blob) };
}

function linkText(uri: string, { title, name, description }: Json): string {
  const label = [title, name].find((it) => typeof it === "string" && it !== "");
  return `${label === undefined ? "" : `${label}: `}${uri}${typeof description === "string" ? ` (${description})` : ""}`;
}

function fileOf(name: string, mimeType: unknown, base64: string): NewFile {
  const type = typeof mimeType === "string" ? mimeType : "";
  const kind = type.split("/").at(-1)?.replace(/\W.*/, "");
  const extension = name.includes(".") || !kind ? "" : `.${kind}`;
  // Some servers write an address of data in the place of the data alone.
  const data = new Blob([Buffer.from(base64.replace(/^data:[^,]{0,200},/, ""), "base64")]);
  return { name: name + extension, type, data };
}

const JSON_MAX = 4000; // Characters of what is shown as it is.

function asJson(value: unknown, most = JSON_MAX): string {
  try {
    const json = JSON.stringify(value) ?? "nothing";
    return json.length <= most ? json : `${json.slice(0, most)}…`;
  } catch {
    return "something that nests too deep"; // A stranger may send that.
  }
}

type Json = Readonly<Record<string, unknown>>;
