/** Plugins of plugin_library/ as a person installs them, by a link, in a server whose model calls the tools that a test says. */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { atEnd } from "./at-end";
import { type Files, writePlugins } from "./plugin-files";
import { projectFolder } from "./project";
import { collectTurn, type WireEvent } from "./read-sse";
import { startServer } from "./server";
import { temporaryFolder } from "./temporary";
import { reply, startUpstream, toolCall, type UpstreamBody } from "./upstream";

export interface ToolTurn {
  /** What the client saw. */
  readonly events: readonly WireEvent[];
  /** `result` or `error` of the call, as the client saw it. */
  readonly outcome: { readonly result?: unknown; readonly error?: unknown };
  /** The first model call, with the tools that were offered. */
  readonly offered: UpstreamBody;
  /** What the model was told of the call. */
  readonly told: unknown;
}

/** Paths below plugin_library/, such as `tools/ping.ts`; `files` are further plugins, as texts; `settings` is plugins.yaml. */
export async function startWithTools(library: readonly string[], files: Files = {}, settings: object = {}) {
  const dataPath = dataWith(library, settings);
  writePlugins(join(dataPath, "plugins"), files);
  const upstream = startUpstream();
  atEnd(() => upstream.stop());
  const server = await startServer({ dataPath, config: { openaiBaseUrl: upstream.baseUrl } });
  const client = await server.signIn();
  return {
    core: server.core,
    stop: server.stop,
    /** A turn in which the model calls a tool once, and then says something. */
    async call(name: string, args: object): Promise<ToolTurn> {
      const before = upstream.requests.length;
      upstream.script({ parts: toolCall(name, args) }, reply("Done."));
      const events = await collectTurn(await client.post("/api/v1/message", { content: "Call it." }));
      const [offered, after] = upstream.requests.slice(before).map(({ body }) => body);
      const result = events.find(({ event }) => event === "tool_result");
      if (!offered || !after || !result) throw new Error(`The tool was not called: ${JSON.stringify(events)}`);
      const { result: value, error } = result.data;
      return { events, outcome: { result: value, error }, offered, told: after.messages.at(-1)?.content };
    },
  };
}

/** A data folder with these files of the library, and with `settings` as plugins.yaml. */
export function dataWith(library: readonly string[], settings: object = {}): string {
  const dataPath = temporaryFolder();
  writeFileSync(join(dataPath, "plugins.yaml"), JSON.stringify(settings));
  for (const path of library) linkPlugin(join(dataPath, "plugins"), path);
  return dataPath;
}

/** As `ln -s` does. */
export function linkPlugin(pluginsPath: string, path: string): void {
  const folder = join(pluginsPath, dirname(path));
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(projectFolder, "plugin_library", path), join(folder, basename(path)));
}
