/**
 * Offers models the tools of MCP servers (Model Context Protocol), of any number, by stdio and by streamable HTTP. Servers come and
 * go on their own: one that fails is tried again and hides no other, and what a server offers now is offered in the next
 * model call.
 *
 * Settings (plugins.yaml, `mcp`): `servers`, a map by name, which is put before the names of its tools; each has either
 * `command`, `args`, `env`, `cwd`, or `url`, `headers`; and `tools`, the only ones to offer, `approval`, whether the user is
 * asked before each call, `timeout_s` of a call (120). Last change: 2026-11-22.
 */

import {
  type CallToolResult,
  Client,
  type ContentBlock,
  type Tool as McpTool,
  type Progress,
  ProtocolError,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { type Core, type Plugin, type Static, type Tool, type Turn, t } from "skeleton";

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

// No `_`, which parts the name of a server from that of its tool, so that no two pairs make the same name.
const serverName = t.String({ pattern: "^[a-zA-Z0-9-]{1,32}$" });
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
  }),
  start(core) {
    const { servers } = core.settings<Static<typeof settings>>("mcp");
    for (const [name, { command, url }] of Object.entries(servers)) {
      if ((command === undefined) === (url === undefined)) {
        throw new Error(`The server ${name} needs either a command or a url.`);
      }
    }
    connections = Object.entries(servers).map(([name, own]) => createConnection(core, name, own));
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
  /** Ends the server's process, if it is one. */
  close(): Promise<void>;
}

const CONNECT_MS = 60_000; // A package runner may have to fetch the server first.
const RETRY_MAX_MS = 60_000;
const STEADY_MS = 10_000; // A connection that lasts this long was good: a server that dies when used is not started in a loop.
const WAIT_MS = 5_000; // Of a person, for a server that is being started. One that failed is not waited for.

function createConnection(core: Core, name: string, own: ServerSettings): Connection {
  let transport: ReturnType<typeof createTransport> | null = null;
  let current: Client | null = null;
  let tools: readonly Tool[] = [];
  let failures = 0;
  let connectedAtMs = 0;
  let trying: Promise<void> = Promise.resolve();
  let patience: Promise<void> = trying;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;

  const offer = (listed: readonly McpTool[]): void => {
    const wanted = own.tools ? listed.filter((it) => own.tools?.includes(it.name)) : listed;
    tools = wanted.map((it) => toTool({ name, own, client: () => current, lost }, it));
  };

  const connect = async (): Promise<void> => {
    const onChanged = (error: Error | null, listed: McpTool[] | null) => {
      if (listed && client === current) offer(listed);
      else if (error) core.log.warn("An MCP server does not say which tools it has now", { server: name, error });
    };
    const client = new Client({ name: "skeleton", version: "1" }, { listChanged: { tools: { onChanged } } });
    client.onclose = () => lost(client, new Error("The connection ended."));
    transport = createTransport(core, name, own);
    try {
      await client.connect(transport, { timeout: CONNECT_MS });
      const { tools: listed } = await client.listTools();
      if (isClosed) return await transport.close();
      current = client;
      connectedAtMs = performance.now();
      offer(listed);
      core.log.info("An MCP server is connected", { server: name, tools: tools.length });
    } catch (error) {
      await transport.close();
      retry(error);
    }
  };

  /** Another try, at once after a connection that was good, then ever later. */
  const retry = (error: unknown): void => {
    if (isClosed) return;
    const waitMs = failures === 0 ? 0 : Math.min(RETRY_MAX_MS, 500 * 2 ** failures);
    const reason = error instanceof Error ? error.message : String(error);
    core.log.warn("An MCP server is not there", { server: name, reason, retryInMs: waitMs });
    failures++;
    timer = setTimeout(begin, waitMs);
  };

  const lost = (client: Client, error: unknown): void => {
    if (client !== current) return;
    current = null;
    tools = [];
    if (performance.now() - connectedAtMs > STEADY_MS) failures = 0;
    void transport?.close();
    retry(error);
  };

  const begin = (): void => {
    trying = connect();
    patience = Promise.race([trying, Bun.sleep(WAIT_MS)]);
  };

  begin();
  return {
    ready: () => (failures <= 1 ? patience : Promise.resolve()),
    tools: () => tools,
    async close() {
      isClosed = true;
      clearTimeout(timer);
      current = null;
      // A server may keep what it knows of a session until it is told; one that does not answer is not waited for.
      if (transport instanceof StreamableHTTPClientTransport) {
        await Promise.race([transport.terminateSession().catch(() => {}), Bun.sleep(1_000)]);
      }
      await transport?.close();
      await trying;
    },
  };
}

function createTransport(core: Core, name: string, own: ServerSettings) {
  const { command, args, env, cwd, url = "", headers } = own;
  if (command === undefined) return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const transport = new StdioClientTransport({
    command,
    args: [...args],
    env: { ...env },
    stderr: "pipe",
    ...(cwd === undefined ? {} : { cwd }),
  });
  transport.stderr?.on("data", (bytes) => core.log.debug(String(bytes).trimEnd().slice(0, 1000), { server: name }));
  return transport;
}

interface Source {
  readonly name: string;
  readonly own: ServerSettings;
  readonly client: () => Client | null;
  readonly lost: (client: Client, error: unknown) => void;
}

function toTool(source: Source, { name, description, title, inputSchema }: McpTool): Tool {
  const { own } = source;
  return {
    name: toolName(source.name, name),
    description: description ?? title ?? "",
    parameters: t.Unsafe(inputSchema),
    approval: own.approval,
    // The call ends itself in time; this is for the files that its result may bring.
    timeoutMs: own.timeout_s * 1000 + 10_000,
    execute: (args: Record<string, unknown>, turn) => callTool(source, name, args, turn),
  };
}

const NAME_MAX = 64; // Characters of a tool's name.

/** Names of MCP may be longer and have other characters; those are told apart by a hash. */
function toolName(serverName: string, name: string): string {
  const whole = `${serverName}_${name}`;
  if (/^[\w-]+$/.test(whole) && whole.length <= NAME_MAX) return whole;
  const hash = Bun.hash(whole).toString(36).slice(0, 8);
  return `${whole.replace(/[^\w-]/g, "_").slice(0, NAME_MAX - 9)}_${hash}`;
}

async function* callTool(
  { name: serverName, own, client, lost }: Source,
  name: string,
  args: Record<string, unknown>,
  turn: Turn,
): AsyncGenerator<string, string> {
  const current = client();
  if (!current) throw new Error(`The MCP server ${serverName} is not there at the moment.`);
  const progress = createProgress();
  const timeout = own.timeout_s * 1000;
  const signal = AbortSignal.any([turn.signal, AbortSignal.timeout(timeout)]);
  const result = current
    .callTool({ name, arguments: args }, { signal, timeout, onprogress: progress.push })
    .finally(progress.end);
  result.catch(() => {}); // It is awaited below, perhaps later than it fails.
  try {
    yield* progress.updates();
    return await toText(await result, turn);
  } catch (error) {
    if (turn.signal.aborted) throw error;
    if (signal.aborted) throw new Error(`The tool took longer than ${own.timeout_s} seconds.`);
    // What the server itself says of the call leaves the connection good.
    if (current !== client() || error instanceof ProtocolError || error instanceof ToolError) throw error;
    lost(current, error);
    throw new Error(`The MCP server ${serverName} did not answer. It is being connected again; try once more.`);
  }
}

/** What a tool itself reports as a failure. */
class ToolError extends Error {}

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

async function toText({ content, structuredContent, isError }: CallToolResult, turn: Turn): Promise<string> {
  const parts: string[] = [];
  for (const block of content) parts.push(await blockText(block, turn));
  if (parts.length === 0 && structuredContent) parts.push(JSON.stringify(structuredContent));
  const text = parts.join("\n\n");
  if (isError) throw new ToolError(text || "The tool failed and does not say why.");
  return text;
}

async function blockText(block: ContentBlock, turn: Turn): Promise<string> {
  switch (block.type) {
    case "text":
      return block.text;
    case "image":
    case "audio":
      return keep(turn, block.type, block.mimeType, block.data);
    case "resource_link":
      return `${block.title ?? block.name}: ${block.uri}${block.description ? ` (${block.description})` : ""}`;
    case "resource": {
      const { resource } = block;
      if ("text" in resource) return `${resource.uri}:\n${resource.text}`;
      const name = resource.uri.split("/").at(-1) || "resource";
      return `${resource.uri}: ${await keep(turn, name, resource.mimeType ?? "application/octet-stream", resource.blob)}`;
    }
    default:
      return "(Something of a kind that is not known.)";
  }
}

/** Bytes become a file of the user: a model cannot read them, and can pass the link on. */
async function keep({ core, user }: Turn, name: string, type: string, base64: string): Promise<string> {
  const data = new Blob([Buffer.from(base64, "base64")]);
  const extension = name.includes(".") ? "" : `.${type.split("/").at(-1)?.replace(/\W.*/, "")}`;
  const file = await core.file.put(user.username, { name: name + extension, type, data });
  return `[${file.name}](/api/v1/files/${file.id}) (${file.type}, ${file.size} bytes; a link for the user)`;
}
