/**
 * Opens the stream of a model call with the `openai` package, which is loaded at the first call: it costs about 80 ms.
 * Retries, time-outs, headers and the reading of the stream are ours (stream.ts, send.ts).
 */

import type { ChatCompletionCreateParamsStreaming } from "openai/resources/chat/completions";
import type { Endpoint } from "./endpoint";
import { send } from "./send";

const DAY_MS = 24 * 3600 * 1000; // Longer than any call: the SDK's own time-out would cut slow models off.

/** Rejects with the SDK's error, which has `status`, `headers` and `error` when the endpoint answered. */
export async function openStream(
  endpoint: Endpoint,
  body: ChatCompletionCreateParamsStreaming,
  signal: AbortSignal,
): Promise<Response> {
  const { OpenAI } = await import("openai");
  const client = new OpenAI({
    baseURL: endpoint.baseUrl,
    // Must not be empty; send.ts says what is really sent.
    apiKey: endpoint.apiKey ?? "none",
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    logLevel: "off",
    maxRetries: 0,
    timeout: DAY_MS,
    fetch: (url, init) => send(endpoint, String(url), { method: "POST", body: String(init?.body), signal }),
  });
  return client.chat.completions.create(body, { signal }).asResponse();
}
