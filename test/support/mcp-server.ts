/**
 * An MCP server over stdio that behaves as a test says, since the official one never crashes, grows or hangs. Its tools are
 * named after what they do. Started with `stubborn` it ends neither with its input nor when it is asked to, with `mute` it never
 * answers, with `mayfly` it dies when it has said which tools it has. As a mode in JSON it is given the tools that it lists. The tool
 * `answer` gives the result that it is told to give.
 */

import { appendFileSync } from "node:fs";

const [logFile = "", mode = ""] = process.argv.slice(2);
const names = [
  "answer",
  "crash",
  "grow",
  "hang",
  "huge",
  "odd name/with.many-characters-that-go-on-and-on-and-on-and-on-and-on",
];

const listed = mode.startsWith("[") ? JSON.parse(mode) : null;

function note(line: string): void {
  appendFileSync(logFile, `${line}\n`);
}

function send(message: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
}

function callTool(id: number, name: string, args: Record<string, unknown>): void {
  if (name === "hang") return;
  if (name === "crash") {
    console.error("\x1b[31mI am out of memory.\x1b[0m");
    process.exit(1);
  }
  if (name === "grow") {
    names.push("grown");
    send({ method: "notifications/tools/list_changed" });
  }
  const text = name === "huge" ? "x".repeat(1_000_000) : `${name} is done`;
  send({ id, result: name === "answer" ? args.result : { content: [{ type: "text", text }] } });
}

function receive({ id, method, params }: { id: number; method: string; params: Record<string, unknown> }): void {
  if (method === "initialize") {
    const serverInfo = { name: "test", version: "1" };
    const capabilities = { tools: { listChanged: true } };
    send({ id, result: { protocolVersion: params.protocolVersion, capabilities, serverInfo } });
  } else if (method === "tools/list") {
    const tools = listed ?? names.map((name) => ({ name, inputSchema: { type: "object" } }));
    send({ id, result: { tools, nextCursor: null } });
    if (mode === "mayfly") setTimeout(() => process.exit(1), 20);
  } else if (method === "tools/call") {
    note(`call ${params.name}`);
    callTool(id, String(params.name), params.arguments as Record<string, unknown>);
  } else if (method === "notifications/cancelled") note("cancelled");
}

if (import.meta.main) {
  note(`pid ${process.pid}`);
  if (mode === "stubborn") {
    process.on("SIGTERM", () => {});
    setInterval(() => {}, 1000);
  }
  // The end of the input is a line too, an empty one.
  for await (const line of console) if (line !== "" && mode !== "mute") receive(JSON.parse(line));
}
