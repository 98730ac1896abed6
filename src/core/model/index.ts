/**
 * Default of `model`: any number of OpenAI-compatible endpoints (endpoints.ts says which). Ids are the endpoints' own; where
 * two offer the same one, the first endpoint has it and the later one's is `name/id`.
 */

import { createHash } from "node:crypto";
import { AppError } from "../../basics/errors";
import { EVERYBODY, publishFact } from "../../basics/facts";
import type { Core, ModelCall, ModelInfo, ModelProtocol } from "../../protocols";
import { callEndpoint, type EndpointCall } from "./call";
import { createEndpoints, createLists, type EndpointOptions, type Lists, send } from "./endpoints";
import type { Endpoint } from "./models-yaml";
import type { Giver } from "./opaque";
import { noticesOf, refusedPart, without } from "./refusal";
import { createReply } from "./reply";
import { createRequest, type Target, TOOLS_MAX } from "./request";

export function createModel(core: Core, options: EndpointOptions): ModelProtocol {
  const endpoints = createEndpoints(core, options);
  const ask = (endpoint: Endpoint, signal: AbortSignal) => send(endpoint, "/models", signal);
  const lists = createLists(core.log, ask, () => void publishFact(core, EVERYBODY, { type: "models-changed" }));
  const knownOf = createKnown();
  return {
    async list() {
      return [...(await offers(endpoints(), lists)).keys()];
    },
    async missing() {
      const sentences = endpoints().map((endpoint) => (endpoint.isAsked ? lists.whyMissing(endpoint) : null));
      return sentences.flatMap((why) => (why === null ? [] : [`${why} ${WHERE_TO_CHANGE}`]));
    },
    async describe(model) {
      const target = await resolve(model, endpoints(), lists);
      if (!target) return null;
      const { endpoint, info } = target;
      const parameters = { ...endpoint.parameters, ...info?.parameters };
      const allowParameters = [...(endpoint.allowParameters ?? []), ...(info?.allowParameters ?? [])];
      return {
        ...info,
        id: model,
        ...(Object.keys(parameters).length > 0 && { parameters }),
        ...(allowParameters.length > 0 && { allowParameters }),
      };
    },
    async *stream(call, signal) {
      const target = await resolve(call.model, endpoints(), lists);
      if (!target) throw new AppError("upstream", `No endpoint offers the model ${call.model.slice(0, 100)}.`);
      yield* streamFrom(core, { call, target, known: knownOf(target) }, signal);
    },
  };
}

const WHERE_TO_CHANGE =
  "Address, key and models of endpoints are in models.yaml; without that file OPENAI_BASE_URL and OPENAI_API_KEY count.";

interface KnownCall {
  readonly call: ModelCall;
  readonly target: Target;
  readonly known: KnownModel;
}

/** The request is made without what the model has refused before, and again without what it refuses now. */
async function* streamFrom(core: Core, { call, target, known }: KnownCall, signal: AbortSignal) {
  const { endpoint, model } = target;
  const { giver } = known;
  const asked = await createRequest(core, { call, target, giver });
  let { refused } = known;
  let body = refused.size > 0 ? without(asked, refused) : asked;
  const endpointCall: EndpointCall = {
    endpoint: { ...endpoint, address: endpoint.baseUrl },
    model,
    send: (connection) => send(endpoint, "/chat/completions", connection, JSON.stringify(body)),
    createReply: () => createReply(giver),
    canAdapt(status, answer) {
      const part = refused.size < REFUSALS_MAX ? refusedPart(status, answer, body) : null;
      if (part === null || refused.has(part)) return false;
      refused = new Set([...refused, part]);
      body = without(asked, refused);
      return true;
    },
  };
  let hasStarted = false;
  for await (const event of callEndpoint(core.config, endpointCall, signal)) {
    if (!hasStarted) {
      // Only now is it known that the request is right without: it may have been refused for another reason.
      if (refused !== known.refused) Object.assign(known, { refused, untilMs: Date.now() + REMEMBERED_MS });
      const tooMany = refused.has("tools") ? [] : tooManyTools(call.tools.length);
      const notices = refused.size > 0 ? noticesOf(asked, refused) : [];
      for (const text of [...tooMany, ...notices]) yield { type: "notice" as const, text };
    }
    hasStarted = true;
    yield event;
  }
}

function tooManyTools(count: number): string[] {
  if (count <= TOOLS_MAX) return [];
  return [
    `There are ${count} tools, and a model takes ${TOOLS_MAX}: those after the first ${TOOLS_MAX} are not offered to it.`,
  ];
}

const REMEMBERED_MS = 3600 * 1000; // Endpoints are updated, and then take what they did not.
const REFUSALS_MAX = 8; // Of one call. A model that has more against it is used in the wrong way.

/** What is known of an endpoint's model. */
interface KnownModel {
  readonly giver: Giver;
  /** Fields that the model refused; requests are made without them for a while. */
  refused: ReadonlySet<string>;
  /** On the clock. */
  untilMs: number;
}

/** Kept as long as the endpoint's object, which is another one when models.yaml changes. */
function createKnown(): (target: Target) => KnownModel {
  const known = new WeakMap<Endpoint, Map<string, KnownModel>>();
  return ({ endpoint, model }) => {
    const models = known.getOrInsertComputed(endpoint, () => new Map<string, KnownModel>());
    const begin = () => ({ giver: newGiver(endpoint, model), refused: new Set<string>(), untilMs: 0 });
    const found = models.getOrInsertComputed(model, begin);
    if (found.untilMs < Date.now()) found.refused = new Set();
    return found;
  };
}

/** `from` is a word by which the endpoint's model is known in what it gave. Nothing of an address can be read from it. */
function newGiver({ name, baseUrl }: Endpoint, model: string): Giver {
  const { origin, pathname } = new URL(baseUrl);
  const hash = createHash("sha256").update(`${name}\n${origin}${pathname}\n${model}`);
  return { from: hash.digest("base64url").slice(0, 22), ofMessage: new Set(), ofCalls: new Set(), thinking: null };
}

/** What can be used now, in order of the endpoints. */
async function offers(endpoints: readonly Endpoint[], lists: Lists<Endpoint>): Promise<Map<string, Target>> {
  const offered = new Map<string, Target>();
  const asked = await Promise.all(endpoints.map((endpoint) => (endpoint.isAsked ? lists.get(endpoint) : [])));
  for (const [at, endpoint] of endpoints.entries()) {
    const known = new Map<string, ModelInfo | null>(endpoint.models.map((info) => [info.id, info]));
    for (const id of asked[at] ?? []) if (!known.has(id)) known.set(id, null);
    for (const [model, info] of known) {
      const id = [model, `${endpoint.name}/${model}`].find((it) => !offered.has(it));
      if (id !== undefined) offered.set(id, { endpoint, model, info });
    }
  }
  return offered;
}

/** Where a call for the model goes. */
async function resolve(id: string, endpoints: readonly Endpoint[], lists: Lists<Endpoint>): Promise<Target | null> {
  const target = (await offers(endpoints, lists)).get(id);
  if (target) return target;
  // The endpoint that is down may well be the one: a call to it tells the person what is wrong with it.
  const down = endpoints.filter((endpoint) => endpoint.isAsked && lists.isDown(endpoint));
  const endpoint = down.find((it) => lists.hasListed(it, id)) ?? down.find((it) => !it.isGuess);
  return endpoint ? { endpoint, model: id, info: null } : null;
}
