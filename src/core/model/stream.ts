/**
 * A model call in OpenAI's protocol: asks for the usage where an endpoint takes that, and remembers where it does not, and in which
 * field each model gives what it thinks.
 */

import type { ChatCompletionCreateParamsStreaming } from "openai/resources/chat/completions";
import type { Config, ModelEvent } from "../../protocols";
import { callEndpoint } from "./call";
import { openStream } from "./client";
import type { Endpoint } from "./endpoint";
import { createReply } from "./reply";
import type { Target, ThinkingField } from "./request";

export type StreamModel = (
  target: Target,
  request: (thinkingField: ThinkingField | null) => Promise<ChatCompletionCreateParamsStreaming>,
  signal: AbortSignal,
) => AsyncGenerator<ModelEvent>;

export function createStreamModel(config: Config): StreamModel {
  /** Whether an endpoint takes `stream_options`; absent = not known yet. */
  const takesOptions = new WeakMap<Endpoint, boolean>();
  /** By the models of each endpoint. */
  const thinkingFields = new WeakMap<Endpoint, Map<string, ThinkingField>>();

  return async function* streamModel({ endpoint, model }, createRequest, signal) {
    const fields = thinkingFields.get(endpoint) ?? new Map<string, ThinkingField>();
    thinkingFields.set(endpoint, fields);
    const request = await createRequest(fields.get(model) ?? null);
    let withOptions = takesOptions.get(endpoint) ?? true;
    let hasStarted = false;
    const call = {
      endpoint,
      model,
      send: (connection: AbortSignal) =>
        openStream(
          endpoint,
          withOptions ? { ...request, stream_options: { include_usage: true } } : request,
          connection,
        ),
      createReply: () => createReply((field) => void fields.set(model, field)),
      canAdapt(status: number): boolean {
        if (!withOptions || takesOptions.has(endpoint) || status !== 400) return false;
        withOptions = false;
        return true;
      },
    };
    for await (const event of callEndpoint(config, call, signal)) {
      if (!hasStarted) takesOptions.set(endpoint, withOptions);
      hasStarted = true;
      yield event;
    }
  };
}
