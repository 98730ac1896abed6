/**
 * Which endpoints there are: those of `models.yaml`; without that file the one of OPENAI_API_KEY and OPENAI_BASE_URL;
 * without those the model servers that people usually run on their own machine, of which the list tells which answer.
 */

import { join } from "node:path";
import type { Core } from "../../protocols";
import { createYamlFile } from "../yaml-file";
import type { Endpoint } from "./endpoint";
import { parseEndpoints } from "./models-yaml";

export interface EndpointOptions {
  /** Value of an environment variable that the owner's file names; null = not set. */
  readonly secret: (name: string) => string | null;
  /** Where to look for servers of this machine; default LOCAL_SERVERS. */
  readonly localServers?: Readonly<Record<string, string>>;
}

const LOCAL_SERVERS = {
  ollama: "http://127.0.0.1:11434/v1",
  "lm-studio": "http://127.0.0.1:1234/v1",
  "llama.cpp": "http://127.0.0.1:8080/v1",
};

const OPENAI_URL = "https://api.openai.com/v1";

/** The endpoints as they are now: the same objects until the configuration changes, so that they can key what is known of them. */
export function createEndpoints(
  core: Core,
  { secret, localServers = LOCAL_SERVERS }: EndpointOptions,
): () => readonly Endpoint[] {
  const { config, log } = core;
  const file = createYamlFile<readonly Endpoint[] | null>({
    path: join(config.dataPath, "models.yaml"),
    missing: null,
    parse(content) {
      const { endpoints, problems } = parseEndpoints(content, secret);
      for (const problem of problems) log.warn(`models.yaml: ${problem} It is left out.`);
      return endpoints;
    },
    log,
  });
  const { openaiApiKey, openaiBaseUrl } = config;
  const unlisted =
    openaiApiKey === null && openaiBaseUrl === null
      ? Object.entries(localServers).map(([name, baseUrl]) => endpoint(name, baseUrl, null, true))
      : [endpoint("openai", openaiBaseUrl ?? OPENAI_URL, openaiApiKey, false)];
  return () => file.get() ?? unlisted;
}

function endpoint(name: string, baseUrl: string, apiKey: string | null, isGuess: boolean): Endpoint {
  return { name, baseUrl: baseUrl.replace(/\/+$/, ""), apiKey, models: [], isAsked: true, parameters: {}, isGuess };
}
