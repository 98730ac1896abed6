/**
 * The live channel of one page. It hears what concerns the user, and for the page's thread compares what the page shows with
 * the state, so a page that was away for a second or a day catches up by the same few lines that keep it up to date.
 */

import { allowedModels } from "../../allowed";
import type { Core, Words } from "../../protocols";
import { encodeSse } from "../../sse";
import { factJournals } from "../fact-journal";
import { partial } from "../partial";
import type { Reader } from "../reader";
import { createElsewhere } from "./elsewhere";
import { followList } from "./list";
import { createOutbox } from "./outbox";
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
  /** False when the session has ended meanwhile. */
  readonly isSignedIn: () => Promise<boolean>;
}

const SESSION_CHECK_MS = 15_000; // How long a page still hears what happens after its user was removed.

/** Encoded messages until `signal` aborts. */
export async function* channel(options: ChannelOptions, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { core, reader } = options;
  const outbox = createOutbox(signal);
  const page =
    options.threadId === null ? null : followThread({ ...options, threadId: options.threadId, put: outbox.put });
  const elsewhere = createElsewhere(core, reader.words, options.threadId);
  const list = followList({ core, reader, threadId: options.threadId, put: outbox.put });
  const hear = async (): Promise<void> => {
    for await (const { fact } of factJournals(core).listen(reader.user.username, options.facts, signal)) {
      if (fact === null) {
        // What was missed is not known any more.
        list.reload();
        page?.sync();
      } else {
        list.hear(fact);
        const said = elsewhere(fact);
        if (said) outbox.put(said);
        if (fact.type === "models-changed") outbox.put(await models(core, reader));
        else if (fact.threadId === options.threadId) page?.sync();
      }
    }
  };
  hear().catch((error) => core.log.error("A page hears nothing any more", { error }));
  const timer = setInterval(async () => {
    if (await options.isSignedIn()) return;
    outbox.put(signedOut(core, reader.words));
    outbox.end();
  }, SESSION_CHECK_MS);
  try {
    page?.sync();
    for (let message = await outbox.take(); message; message = await outbox.take()) yield message;
  } finally {
    clearInterval(timer);
    list.leave();
    page?.leave();
  }
}

/** Options alone, of which none is chosen: the choice is the reader's, and stays while it is among them. */
async function models(core: Core, { user, words }: Reader): Promise<Uint8Array> {
  const choice = { models: await allowedModels(core, user), model: null };
  return encodeSse({ data: partial("models", "innerMorph", core.views.models(choice, words)) });
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
