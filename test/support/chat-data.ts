/** Data for every state of the page, the same in each run: what views, screenshots and their tests are shown with. */

import { createViews } from "../../src/core/views";
import type {
  ChatData,
  Core,
  Message,
  MessageData,
  PartData,
  SystemPrompt,
  Thread,
  TurnInfo,
  ViewsProtocol,
} from "../../src/protocols";
import { html } from "../../views/html";
import { markdown } from "../../views/markdown";
import { en } from "../../views/words/en";

/** The views as the core has them. */
export function testViews(wrap: (views: ViewsProtocol) => Partial<ViewsProtocol> = () => ({})): ViewsProtocol {
  const holder: { views?: ViewsProtocol } = {};
  const base = createViews(holder as unknown as Core);
  holder.views = { ...base, ...wrap(base) };
  return holder.views;
}

export const TIME = "2026-03-01T10:00:00.000Z";

export function testThread(id: string, title: string): Thread {
  return {
    id,
    title,
    created: TIME,
    updated: TIME,
    model: "demo",
    systemPrompt: "default",
    parameters: {},
    headId: null,
    archived: false,
    pinned: false,
    tags: [],
    metadata: {},
  };
}

export function testMessage(fields: Partial<Message>): Message {
  return {
    id: "x",
    threadId: "t1",
    parentId: null,
    role: "assistant",
    type: "text",
    content: "",
    timestamp: TIME,
    turnId: "u1",
    step: 1,
    ...fields,
  };
}

export function testTurn(fields: Partial<TurnInfo> = {}): TurnInfo {
  return {
    id: "u1",
    threadId: "t1",
    parentId: "1",
    status: "done",
    model: "demo",
    systemPrompt: "default",
    parameters: {},
    started: TIME,
    error: null,
    usage: { inputTokens: 1280, outputTokens: 412 },
    ...fields,
  };
}

export function testPart(fields: Partial<Message>, more: Partial<PartData> = {}): PartData {
  const message = testMessage(fields);
  const hasBody = message.type === "text" || message.type === "thinking";
  return {
    id: `p-${message.id}`,
    message,
    body: hasBody ? markdown(message.content, en) : html``,
    tail: null,
    progress: "",
    isWaiting: false,
    ...more,
  };
}

export const SAMPLE = `A stream of Markdown can be rendered **on the server** in linear time:

1. Split it into blocks; all but the last are *finished*.
2. Send a finished block once:
   - it is appended,
   - and never touched again.
3. Replace only the open tail.

| Strategy | Bytes per token | CPU per token |
|:--|--:|--:|
| Full re-render | 7,058 | 200 µs |
| Block by block | 29 | 5 µs |

\`\`\`typescript
export function flush(open: string): Flush {
  const blocks = parse(open);         // only the open region
  const done = blocks.slice(0, -1);   // a later block exists: finished
  return { done, tail: blocks.at(-1) };
}
\`\`\`

### What is left

- [x] tables, task lists, \`inline code\`
- [ ] remote images: ![a tracking pixel](https://example.com/pixel.png?who=you)

> The server is the single source of truth; every tab shows the same.

See [the documentation](https://four.htmx.org) for more.
`;

export function userMessage(id: string, content: string): MessageData {
  return {
    id: `m-${id}`,
    threadId: "t1",
    role: "user",
    parts: [testPart({ id, role: "user", content, step: 0 })],
    turn: null,
    siblings: null,
  };
}

export function reply(id: string, parts: readonly PartData[], turn: TurnInfo = testTurn()): MessageData {
  return { id: `r-${id}`, threadId: "t1", role: "assistant", parts, turn, siblings: null };
}

const conversation: readonly MessageData[] = [
  userMessage("1", "How can Markdown be streamed without rendering all of it again at each token?"),
  reply("1", [
    testPart({ id: "2", role: "thinking", type: "thinking", content: "They ask about cost.", durationMs: 3200 }),
    testPart({
      id: "3",
      role: "tool",
      type: "tool",
      name: "search_notes",
      arguments: '{"query":"streaming markdown","limit":3}',
      content: "3 notes found",
      durationMs: 240,
    }),
    testPart({ id: "4", content: SAMPLE }),
  ]),
];

const prompts: readonly SystemPrompt[] = [
  { name: "default", description: "Helpful assistant", content: "" },
  { name: "terse", description: "Short answers", content: "" },
];

export function chat(fields: Partial<ChatData> = {}): ChatData {
  const titles = [
    "Streaming Markdown",
    "Refactor the parser",
    "Trip to Lisbon",
    "SQL window functions",
    "Dinner ideas",
  ];
  const threads = titles.map((title, index) => testThread(`t${index + 1}`, title));
  return {
    user: { username: "ada", role: "admin" },
    asset: (name) => `/static/${name}`,
    ephemeral: false,
    thread: threads[0] ?? null,
    threads: {
      groups: [{ id: "today", threads, isContinued: false }],
      hits: [],
      query: "",
      filter: { archived: false, tag: null },
      tags: ["trip"],
      currentId: "t1",
      runningIds: [],
      editedId: null,
      before: null,
      shown: threads.length,
    },
    messages: {
      threadId: "t1",
      messages: conversation,
      before: null,
      next: null,
      isLatest: true,
      isThreadsBranch: true,
    },
    composer: {
      threadId: "t1",
      models: ["demo", "qwen3-8b"],
      prompts,
      model: "demo",
      systemPrompt: "default",
      parameters: {},
      draft: "",
      pasteCharacters: 8000,
      maxCharacters: 100_000,
      liveTurnId: null,
      parentId: null,
      isLive: true,
      sendKey: "k1",
    },
    menu: null,
    status: { text: "", kind: "info" },
    cursor: "c1",
    factCursor: "f1",
    ...fields,
  };
}
