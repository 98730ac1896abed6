/** A model call in OpenAI's protocol: asks for the usage where an endpoint takes that, and remembers where it does not. */

import type { ChatCompletionCreateParamsStreaming } from "openai/resources/chat/completions";
import type { Config, ModelEvent } from "../../protocols";
import { callEndpoint } from "./call";
import { openStream } from "./client";
import type { Endpoint } from "./endpoint";
import { createReply } from "./reply";
import type { Target } from "./request";

export type StreamModel = (
  target: Target,
  request: ChatCompletionCreateParamsStreaming,
  signal: AbortSignal,
) => AsyncGenerator<ModelEvent>;

export function createStreamModel(config: Config): StreamModel {
  /** Whether an endpoint takes `stream_options`; absent = not known yet. */
  const takesOptions = new WeakMap<Endpoint, boolean>();

  return async function* streamModel({ endpoint, model }, request, signal) {
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
      createReply,
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
