/** What concerns a user wherever they look: told on the bus to every page and client that listens. */

import type { Core, JsonObject } from "../protocols";

export type Fact =
  /** Created, renamed, archived, or moved up by activity. */
  | { readonly type: "threads-changed"; readonly threadId: string }
  | { readonly type: "message-added"; readonly threadId: string; readonly messageId: string }
  | { readonly type: "turn-started"; readonly threadId: string; readonly turnId: string }
  | { readonly type: "turn-ended"; readonly threadId: string; readonly turnId: string };

export async function publishFact(core: Core, username: string, fact: Fact): Promise<void> {
  await core.bus.publish(userTopic(username), fact satisfies JsonObject);
}

export function userTopic(username: string): string {
  return `user:${username}`;
}
