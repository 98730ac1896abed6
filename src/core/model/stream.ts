/**
 * A model call in OpenAI's protocol: asks for the usage where an endpoint takes that, and remembers where it does not, and which
 * fields each model gives that it wants back.
 */

import type { ChatCompletionCreateParamsStreaming } from "openai/resources/chat/completions";
import type { Config, ModelEvent } from "../../protocols";
import { callEndpoint } from "./call";
import type { Endpoint } from "./endpoint";
import { type Giver, giverOf } from "./opaque";
import { createReply } from "./reply";
import type { Target } from "./request";
import { send } from "./send";

export type StreamModel = (
  target: Target,
  request: (giver: Giver) => Promise<ChatCompletionCreateParamsStreaming>,
  signal: AbortSignal,
) => AsyncGenerator<ModelEvent>;

export function createStreamModel(config: Config): StreamModel {
  /** Whether an endpoint takes `stream_options`; absent = not known yet. */
  const takesOptions = new WeakMap<Endpoint, boolean>();
  /** By the models of each endpoint. */
  const givers = new WeakMap<Endpoint, Map<string, Giver>>();

  const giverFor = ({ endpoint, model }: Target): Giver => {
    const known = givers.get(endpoint) ?? new Map<string, Giver>();
    givers.set(endpoint, known);
    const giver = known.get(model) ?? { from: giverOf(endpoint, model), ofMessage: new Set(), ofCalls: new Set() };
    known.set(model, giver);
    return giver;
  };

  return async function* streamModel(target, createRequest, signal) {
    const { endpoint, model } = target;
    const giver = giverFor(target);
    const request = await createRequest(giver);
    let withOptions = takesOptions.get(endpoint) ?? true;
    let hasStarted = false;
    const call = {
      endpoint: { ...endpoint, address: endpoint.baseUrl },
      model,
      send: (connection: AbortSignal) =>
        send(endpoint, "/chat/completions", {
          method: "POST",
          body: JSON.stringify(withOptions ? { ...request, stream_options: { include_usage: true } } : request),
          signal: connection,
        }),
      createReply: () => createReply(giver),
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
