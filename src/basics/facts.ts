/** Where facts are told and heard. */

import type { Core, Fact, JsonObject } from "../protocols";

/** Never rejects: what happened is stored, and must not fail because nobody could be told. */
export async function publishFact(core: Core, topic: string, fact: Fact): Promise<void> {
  try {
    await core.bus.publish(topic, fact satisfies JsonObject);
  } catch (error) {
    core.log.error("The bus did not take a fact", { type: fact.type, error: error as Error });
  }
}

export function userTopic(username: string): string {
  return `user:${username}`;
}

/** The topic of facts that concern everybody who is signed in. */
export const EVERYBODY = "everybody";

/** A process that the bus had reached is not there any more. Told to this process alone, by a bus that notices. */
export const PEER_LEFT = "peer-left";
