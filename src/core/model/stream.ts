/**
 * A model call in OpenAI's protocol, made the way that its endpoint takes it: what was refused once is left out for a while (refusal.ts
 * says what that is), and the fields that a model wants back are remembered.
 */

import type { Config, ModelEvent } from "../../protocols";
import { type Body, hasToolPictures, SYSTEM_ROLE, TOOL_PICTURES, without } from "./adapt";
import { callEndpoint } from "./call";
import type { Endpoint } from "./endpoint";
import { type Giver, giverOf } from "./opaque";
import { refusedPart } from "./refusal";
import { createReply } from "./reply";
import type { Target } from "./request";
import { send } from "./send";

export type StreamModel = (
  target: Target,
  request: (giver: Giver) => Promise<Body>,
  signal: AbortSignal,
) => AsyncGenerator<ModelEvent>;

/** What is known of an endpoint's model. It ends with the endpoint's object, which is another one when models.yaml changes. */
interface Known {
  readonly giver: Giver;
  refused: ReadonlySet<string>;
  /** On the clock. */
  untilMs: number;
}

const REMEMBERED_MS = 3600 * 1000; // Endpoints are updated, and then take what they did not.
const REFUSALS_MAX = 8; // Of one call. A model that has more against it is used in the wrong way.

export function createStreamModel(config: Config): StreamModel {
  const known = new WeakMap<Endpoint, Map<string, Known>>();

  const knownOf = ({ endpoint, model }: Target): Known => {
    const models = known.get(endpoint) ?? new Map<string, Known>();
    known.set(endpoint, models);
    const found = models.get(model) ?? { giver: newGiver(endpoint, model), refused: new Set<string>(), untilMs: 0 };
    models.set(model, found);
    if (found.untilMs < Date.now()) found.refused = new Set();
    return found;
  };

  return async function* streamModel(target, createRequest, signal) {
    const { endpoint, model } = target;
    const models = knownOf(target);
    const { giver } = models;
    const asked = await createRequest(giver);
    const { body: offered, notice } = withFewTools(asked);
    let refused = models.refused;
    let body = without(withUsage(offered), refused);
    let hasLearned = false;
    let hasStarted = false;
    const call = {
      endpoint: { ...endpoint, address: endpoint.baseUrl },
      model,
      send: (connection: AbortSignal) =>
        send(endpoint, "/chat/completions", {
          method: "POST",
          body: JSON.stringify(body),
          signal: connection,
        }),
      createReply: () => createReply(giver),
      canAdapt(status: number, answer: unknown): boolean {
        const part = refused.size < REFUSALS_MAX ? refusedPart(status, answer, body) : null;
        if (part === null || refused.has(part)) return false;
        refused = new Set([...refused, part]);
        hasLearned = true;
        body = without(withUsage(offered), refused);
        return true;
      },
    };
    for await (const event of callEndpoint(config, call, signal)) {
      if (!hasStarted) {
        // Only now is it known that the request is right without: it may have been refused for another reason.
        if (hasLearned) Object.assign(models, { refused, untilMs: Date.now() + REMEMBERED_MS });
        if (notice && !refused.has("tools")) yield notice;
        yield* noticesOf(offered, refused);
      }
      hasStarted = true;
      yield event;
    }
  };
}

function newGiver(endpoint: Endpoint, model: string): Giver {
  return { from: giverOf(endpoint, model), ofMessage: new Set(), ofCalls: new Set(), thinking: null };
}

function withUsage(body: Body): Body {
  return { ...body, stream_options: { include_usage: true } };
}

const TOOLS_MAX = 128; // What OpenAI takes; with more the whole request is refused.

/** The first ones, and that which has to be called. */
function withFewTools(body: Body): { readonly body: Body; readonly notice?: ModelEvent } {
  const { tools = [], tool_choice } = body;
  if (tools.length <= TOOLS_MAX) return { body };
  const needed = typeof tool_choice === "object" && "function" in tool_choice ? tool_choice.function.name : null;
  const isNeeded = (tool: (typeof tools)[number]) => "function" in tool && tool.function.name === needed;
  const first = [...tools.filter(isNeeded), ...tools.filter((tool) => !isNeeded(tool))].slice(0, TOOLS_MAX);
  const text = `There are ${tools.length} tools, and a model takes ${TOOLS_MAX}: those after the first ${TOOLS_MAX} are not offered to it.`;
  return { body: { ...body, tools: first }, notice: { type: "notice", text } };
}

/** Of which nothing is lost for the person, or which another field says as well. */
const UNTOLD = new Set([
  "stream",
  "stream_options",
  "strict",
  "max_tokens",
  "max_completion_tokens",
  "parallel_tool_calls",
]);

/** What the person should know of a request that is made without these. */
function* noticesOf(asked: Body, refused: ReadonlySet<string>): Generator<ModelEvent> {
  if (refused.has("tools") && asked.tools) yield { type: "notice", text: "This model takes no tools." };
  if (refused.has(SYSTEM_ROLE) && asked.messages.some(({ role }) => role === "system")) {
    yield {
      type: "notice",
      text: "This model takes no system prompt. Its text is sent in front of your first message.",
    };
  }
  if (refused.has(TOOL_PICTURES) && hasToolPictures(asked)) {
    yield { type: "notice", text: "This model does not take pictures that tools give, so it has not seen them." };
  }
  const names = [...refused].filter((name) => name in asked && name !== "tools" && !UNTOLD.has(name));
  // With the tools it went anyway.
  const told = names.filter((name) => name !== "tool_choice" || !refused.has("tools"));
  if (told.length === 0) return;
  const list = told.map((name) => JSON.stringify(name)).join(", ");
  yield {
    type: "notice",
    text: `This model does not take ${list}, which ${told.length === 1 ? "was" : "were"} left out.`,
  };
}
