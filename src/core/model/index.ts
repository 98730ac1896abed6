/**
 * Default of `model`: any number of OpenAI-compatible endpoints (endpoints.ts says which). Ids are the endpoints' own; where
 * two offer the same one, the first endpoint has it and the later one's is `name/id`.
 */

import { AppError } from "../../basics/errors";
import { EVERYBODY, publishFact } from "../../basics/facts";
import type { Core, ModelInfo, ModelProtocol } from "../../protocols";
import type { Endpoint } from "./endpoint";
import { createEndpoints, type EndpointOptions } from "./endpoints";
import { createLists, type Lists } from "./lists";
import { createRequest, type Target } from "./request";
import { send } from "./send";
import { createStreamModel } from "./stream";

export function createModel(core: Core, options: EndpointOptions): ModelProtocol {
  const endpoints = createEndpoints(core, options);
  const lists = createLists(core.log, askForList, () => void publishFact(core, EVERYBODY, { type: "models-changed" }));
  const streamModel = createStreamModel(core.config);
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
      yield* streamModel(target, (giver) => createRequest(core, { call, target, giver }), signal);
    },
  };
}

const WHERE_TO_CHANGE =
  "Address, key and models of endpoints are in models.yaml; without that file OPENAI_BASE_URL and OPENAI_API_KEY count.";

function askForList(endpoint: Endpoint, signal: AbortSignal): Promise<Response> {
  return send(endpoint, "/models", { method: "GET", signal });
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
