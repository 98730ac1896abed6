/**
 * The live channel of one page. It hears what concerns the user, and for the page's thread compares what the page shows with
 * the state, so a page that was away for a second or a day catches up by the same few lines that keep it up to date.
 */

import { allowedModels } from "../../allowed";
import { errorOf } from "../../errors";
import type { Core, Words } from "../../protocols";
import { encodeSse } from "../../sse";
import { factJournals, type Told } from "../fact-journal";
import { partial } from "../partial";
import type { Reader } from "../reader";
import type { StreamClient } from "../stream";
import { createElsewhere } from "./elsewhere";
import { followList } from "./list";
import type { Replies } from "./replies";
import { followThread } from "./thread";

export interface ChannelOptions {
  readonly core: Core;
  readonly reader: Reader;
  readonly replies: Replies;
  /** The thread that the page shows; null = none, or an old part of one. */
  readonly threadId: string | null;
  /** Cursor of what the page shows. */
  readonly after: string;
  /** Id of the last fact that the page's list knows of. */
  readonly facts: string;
}

/** Tells the client what to change until the function returned is called. */
export async function channel(options: ChannelOptions, { send }: StreamClient): Promise<() => void> {
  const { core, reader } = options;
  const page = options.threadId === null ? null : followThread({ ...options, threadId: options.threadId, put: send });
  const elsewhere = createElsewhere(core, reader, options.threadId, send);
  const list = followList({ core, reader, threadId: options.threadId, put: send });
  const hear = ({ fact }: Told): void => {
    if (fact === null) {
      // What was missed is not known any more.
      list.reload();
      page?.sync();
      return;
    }
    list.hear(fact);
    elsewhere.hear(fact);
    if (fact.type === "models-changed") void tellModels(core, reader, send);
    else if (fact.threadId === options.threadId) page?.sync();
  };
  const unsubscribe = await factJournals(core).listen(reader.user.username, options.facts, hear);
  page?.sync();
  void elsewhere.begin().catch((error) => core.log.error("A page was not told what waits", { error: errorOf(error) }));
  return () => {
    unsubscribe();
    list.leave();
    page?.leave();
  };
}

/** Options alone, of which none is chosen: the choice is the reader's, and stays while it is among them. */
async function tellModels(core: Core, { user, words }: Reader, send: StreamClient["send"]): Promise<void> {
  try {
    const choice = { models: await allowedModels(core, user), model: null };
    send(encodeSse({ data: partial("models", "innerMorph", core.views.models(choice, words)) }));
  } catch (error) {
    core.log.error("A page was not told of other models", { error: errorOf(error) });
  }
}

/** Says so on the page, and closes the channel by the event that `#live` names. */
export function signedOut(core: Core, words: Words): Uint8Array {
  const data = partial(
    "status",
    "outerMorph",
    core.views.status({ text: words.status.signedOut, kind: "error" }, words),
  );
  return Buffer.concat([encodeSse({ data }), encodeSse({ event: "signed-out", data: "" })]);
}
