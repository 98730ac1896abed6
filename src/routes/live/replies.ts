/** The replies that pages look at now, one per running turn, however many pages there are. */

import type { Core, LiveTurn, MessageData, User } from "../../protocols";
import { openReply, type Reply } from "./reply";

export interface Replies {
  open(user: User, turn: LiveTurn, base: MessageData): Promise<Reply>;
}

export function createReplies(core: Core): Replies {
  const open = new Map<string, Promise<Reply>>();
  return {
    open(user, turn, base) {
      const known = open.get(turn.id);
      if (known) return known;
      const reply = openReply({ core, user, turn, base, onOver: () => open.delete(turn.id) });
      open.set(turn.id, reply);
      return reply;
    },
  };
}
