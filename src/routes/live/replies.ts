/** The replies that pages look at now, one per running turn and language, however many pages there are. */

import type { Core, LiveTurn, MessageData } from "../../protocols";
import type { Reader } from "../reader";
import { openReply, type Reply } from "./reply";

export interface Replies {
  open(reader: Reader, turn: LiveTurn, base: MessageData): Promise<Reply>;
}

export function createReplies(core: Core): Replies {
  const open = new Map<string, Promise<Reply>>();
  return {
    open(reader, turn, base) {
      const key = `${turn.id} ${reader.words.language}`;
      const known = open.get(key);
      if (known) return known;
      const reply = openReply({ core, reader, turn, base, onOver: () => open.delete(key) });
      open.set(key, reply);
      return reply;
    },
  };
}
