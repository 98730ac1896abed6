/** The parts of a core that the default `model` uses, for tests of it alone: configuration, log and files. */

import { imageTypeOf } from "../../src/basics/image";
import { createLog, type LogWriter } from "../../src/basics/log";
import { createModel } from "../../src/core/model";
import type { Config, Core, FileInfo, FileProtocol, ModelCall, ModelProtocol } from "../../src/protocols";
import { temporaryFolder, testConfig } from "./temporary";
import type { Upstream } from "./upstream";

export const OWNER_KEY = "sk-very-secret-key-of-the-owner";

export interface ModelCore {
  readonly core: Core;
  /** What was logged, level info and above. */
  readonly logged: readonly string[];
}

/** `files` are those of the user ann, by id. */
export function modelCore(overrides: Partial<Config> = {}, files: Record<string, Blob> = {}): ModelCore {
  const logged: string[] = [];
  const write: LogWriter = (_level, line) => void logged.push(line);
  const open = async (username: string, id: string) => (username === "ann" ? (files[id] ?? null) : null);
  const file: Pick<FileProtocol, "open" | "text"> = {
    open,
    async text(username, id) {
      const bytes = await (await open(username, id))?.bytes();
      if (!bytes) return null;
      if (imageTypeOf(bytes)) return { kind: "image", text: "", tokens: 0 };
      if (bytes.includes(0)) return { kind: "document", text: "", tokens: 0, fault: "unknownKind" };
      return { kind: "text", text: Buffer.from(bytes).toString(), tokens: 1 };
    },
  };
  const config = testConfig(temporaryFolder(), overrides);
  return { core: { config, log: createLog("info", write), file } as Core, logged };
}

export function fileInfo(id: string, type: string, size: number, name = id): FileInfo {
  return { id, name, type, size, sha256: "0".repeat(64), created: "2026-01-01T00:00:00.000Z" };
}

/** A core whose one endpoint is the upstream, by OPENAI_API_KEY and OPENAI_BASE_URL. */
export function openaiCore(
  upstream: Upstream,
  overrides: Partial<Config> = {},
  files: Record<string, Blob> = {},
): ModelCore {
  return modelCore({ openaiApiKey: OWNER_KEY, openaiBaseUrl: upstream.baseUrl, ...overrides }, files);
}

/** The default `model`, which sees the given environment variables and looks for no server of this machine but the given ones. */
export function modelOf(
  core: Core,
  secrets: Record<string, string> = {},
  localServers: Record<string, string> = {},
): ModelProtocol {
  return createModel(core, { secret: (name) => secrets[name] ?? null, localServers });
}

export function modelCall(overrides: Partial<ModelCall> = {}): ModelCall {
  return { model: "test-model", messages: [{ role: "user", content: "Hi" }], tools: [], parameters: {}, ...overrides };
}
