/** Replies that end without having come to their end, with what the page says of each and offers. */

import { en } from "../../views/words/en";
import type { Answer } from "./upstream";

const { ended, endedSilent } = en.messages;

export const ENDINGS: readonly {
  readonly what: string;
  readonly answer: Answer;
  readonly sentence: string;
  readonly offered: readonly string[];
}[] = [
  {
    what: "cut",
    answer: { parts: ["Half of it."], finish: "length" },
    sentence: ended.length,
    offered: ["Continue", "Retry"],
  },
  {
    what: "filtered",
    answer: { parts: ["Half of it."], finish: "content_filter" },
    sentence: ended.filtered,
    offered: ["Retry"],
  },
  { what: "empty", answer: { parts: [], finish: "stop" }, sentence: endedSilent.empty, offered: ["Retry"] },
  {
    what: "thoughts",
    answer: { parts: [{ reasoning: "Hm." }], finish: "stop" },
    sentence: endedSilent.thoughts,
    offered: ["Retry"],
  },
];
