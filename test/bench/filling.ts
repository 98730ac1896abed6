/** Fills a database with threads and messages through the store itself, as many at a time as one group of writes takes. */

import { createLog } from "../../src/basics/log";
import { createBus } from "../../src/core/bus";
import { createStore } from "../../src/core/store";
import { declareThreadStores, fromMessage, recordOfThread } from "../../src/core/thread/records";
import type { Core } from "../../src/protocols";
import { USERNAME } from "./subjects";

/** In every message, and in one of ten thousand. */
export const [COMMON_WORD, RARE_WORD] = ["common", "aardvark"];
const RARE_EVERY = 10_000;
const WORDS_PER_MESSAGE = 20;
const VOCABULARY = 20_000;
const AT_ONCE = 2_000;

export interface Filled {
  readonly messages: number;
  /** One of exactly `threadLength` messages. */
  readonly threadId: string;
}

/** Messages in threads of `threadLength`, questions and answers in turn, for the benchmark's user. */
export async function fill(folder: string, messages: number, threadLength: number): Promise<Filled> {
  const core = { config: { mode: "persistent", dataPath: folder }, log: createLog("error") } as unknown as Core;
  const store = createStore(core);
  Object.assign(core, { store, bus: createBus(core) });
  await declareThreadStores(core);
  let waiting: Promise<unknown>[] = [];
  let lastThread = "";
  for (let n = 0; n < messages; n++) {
    const position = n % threadLength;
    if (position === 0) {
      lastThread = `thread-${n}`;
      waiting.push(store.add(USERNAME, "threads", threadRecord(lastThread, n, threadLength), lastThread));
    }
    waiting.push(store.add(USERNAME, "messages", messageRecord(n, position, lastThread), `message-${n}`));
    if (waiting.length >= AT_ONCE) {
      await Promise.all(waiting);
      waiting = [];
    }
  }
  await Promise.all(waiting);
  await store.close();
  return { messages, threadId: lastThread };
}

const TIMESTAMP = "2026-01-01T00:00:00.000Z";

function threadRecord(id: string, first: number, length: number) {
  const { id: _, ...fields } = recordOfThread({
    id,
    title: `Thread ${first}`,
    created: TIMESTAMP,
    updated: TIMESTAMP,
    model: null,
    systemPrompt: null,
    parameters: {},
    headId: `message-${first + length - 1}`,
    pinned: false,
    archived: false,
    tags: [],
    metadata: {},
  });
  return fields;
}

function messageRecord(n: number, position: number, threadId: string) {
  return fromMessage({
    id: `message-${n}`,
    threadId,
    parentId: position === 0 ? null : `message-${n - 1}`,
    role: position % 2 === 0 ? "user" : "assistant",
    type: "text",
    content: textOf(n),
    timestamp: TIMESTAMP,
    turnId: `turn-${n >> 1}`,
    step: position % 2,
  });
}

/** Words as unevenly spread as those of a language: the first of the vocabulary are in nearly every text. */
function textOf(n: number): string {
  const words = [COMMON_WORD, ...(n % RARE_EVERY === 0 ? [RARE_WORD] : [])];
  let seed = n + 1;
  while (words.length < WORDS_PER_MESSAGE) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    words.push(`word${Math.floor(VOCABULARY ** (seed / 2 ** 32))}`);
  }
  return words.join(" ");
}
