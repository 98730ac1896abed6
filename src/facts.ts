/** Where facts are told and heard. */

import type { Core, Fact, JsonObject } from "./protocols";

export async function publishFact(core: Core, topic: string, fact: Fact): Promise<void> {
  await core.bus.publish(topic, fact satisfies JsonObject);
}

export function userTopic(username: string): string {
  return `user:${username}`;
}

/** What concerns everyone who is signed in. */
export const EVERYBODY = "everybody";
