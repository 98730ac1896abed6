/** What is said in the chats of docs/screenshots: made up, and the same in each run. */

import { type Answer, reply, toolCall } from "./upstream-answers";

export const QUESTION = "Why is this query slow, and what would an index change?";

export const QUERY = "select * from orders where customer_id = 42 order by placed_at desc limit 20";

const EXPLAINED = `The plan reads **every order** to find twenty. Without an index the database has no other way: it scans *n* rows and then sorts what is left, which costs $O(n \\log n)$ for a result of fixed size.

An index in the order of the question lets it start at the right place and stop after twenty:

\`\`\`sql
create index orders_by_customer
    on orders (customer_id, placed_at desc);
analyze orders;   -- so that the planner knows of it
\`\`\`

| Plan | Rows read | Time |
|:--|--:|--:|
| Scan and sort | 1,204,311 | 412 ms |
| Index | 20 | 0.3 ms |

Two things to keep in mind:

1. The column that is compared comes first, the one that is sorted by second.
2. Each index is written with every order, so [measure](https://sqlite.org/queryplanner.html) before you add the next.
`;

/** A step with thinking and a tool, and what the model makes of its result. */
export const EXPLANATION: readonly Answer[] = [
  {
    parts: [
      { reasoning: "The plan will say whether an index is used. " },
      { pauseMs: 1400 },
      { reasoning: "Let me look at it before I guess." },
      ...toolCall("explain_query", { query: QUERY }),
    ],
  },
  { parts: reply(EXPLAINED).parts, usage: { prompt_tokens: 684, completion_tokens: 231 } },
];

export const PLAN = "SCAN orders\nUSE TEMP B-TREE FOR ORDER BY";

export interface EarlierChat {
  readonly title: string;
  readonly daysAgo: number;
  readonly says?: string;
  readonly pinned?: boolean;
  readonly tags?: readonly string[];
}

export const EARLIER: readonly EarlierChat[] = [
  { title: "Reading list", daysAgo: 3, pinned: true, tags: ["books"] },
  { title: "Letter to the landlord", daysAgo: 0.01 },
  { title: "Trip to Lisbon", daysAgo: 0.02, tags: ["travel"] },
  { title: "Sourdough at 15 °C", daysAgo: 1 },
  { title: "Explain monads without burritos", daysAgo: 1 },
  { title: "Rust lifetimes", daysAgo: 20 },
  { title: "Names for a cat that is mostly index finger", daysAgo: 24 },
  { title: "Quarterly report, outline", daysAgo: 31, tags: ["work"] },
  { title: "Café menu in three languages", daysAgo: 33, tags: ["work"] },
];
