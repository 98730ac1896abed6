/** Data for views with one text wherever a text of people, models, tools or the owner can be. */

import type {
  ChatData,
  FileInfo,
  Message,
  MessageData,
  MessageMenuData,
  PartData,
  Thread,
  ThreadListData,
  TurnInfo,
  ViewsProtocol,
  Words,
} from "../../protocols";

export function chat(views: ViewsProtocol, words: Words, text: string): ChatData {
  const prompts = [text, `${text} 2`].map((name) => ({ name, description: text, content: text }));
  return {
    user: { username: text, role: "user" },
    asset: (name) => `/static/${name}`,
    ephemeral: false,
    thread: thread(text),
    threads: list(text),
    messages: {
      threadId: "t",
      messages: [question(views, words, text), reply(views, words, text)],
      before: "1",
      next: "2",
      isLatest: false,
      isThreadsBranch: true,
    },
    composer: {
      threadId: "t",
      models: [text, `${text} 2`],
      prompts,
      model: text,
      systemPrompt: text,
      parameters: {},
      draft: text,
      pasteCharacters: 8000,
      maxCharacters: 100_000,
      liveTurnId: null,
      parentId: null,
      isLive: true,
      sendKey: text,
    },
    menu: menu(text),
    status: { text, kind: "info" },
    cursor: text,
    factCursor: text,
  };
}

export function thread(title: string): Thread {
  const time = "2026-01-02T03:04:05.678Z";
  const rest = {
    model: title,
    systemPrompt: title,
    parameters: {},
    headId: null,
    archived: false,
    pinned: true,
    tags: [title],
    metadata: {},
  };
  return { id: "t", title, created: time, updated: time, ...rest };
}

export function list(text: string): ThreadListData {
  const hit = { thread: thread(text), snippet: `${text}\u0002${text}\u0003${text}`, messageId: "1" };
  return {
    groups: [{ id: "2026-01", threads: [thread(text)], isContinued: false }],
    hits: [hit],
    query: "",
    filter: { archived: false, tag: text },
    tags: [text],
    currentId: "t",
    runningIds: ["t"],
    editedId: null,
    before: "t",
    shown: 1,
  };
}

export function question(views: ViewsProtocol, words: Words, text: string): MessageData {
  const parts = [part(views, words, message({ role: "user", content: text, step: 0 }))];
  return { id: "m-1", threadId: "t", role: "user", parts, turn: null, siblings: null };
}

export function file(text: string): FileInfo {
  return { id: "f", name: text, type: text, size: 1, sha256: "", created: "" };
}

export function reply(views: ViewsProtocol, words: Words, text: string): MessageData {
  const tool = { role: "tool", type: "tool", name: text, arguments: text, durationMs: 5 } as const;
  const parts = [
    message({ id: "2", content: text }),
    message({ id: "3", content: text, role: "thinking", type: "thinking" }),
    message({ id: "4", content: text, ...tool }),
    message({ id: "5", content: "", error: text, ...tool }),
    message({ id: "6", content: text, type: "notice" }),
    message({ id: "7", content: "", type: "file", files: [file(text)] }),
  ];
  return {
    id: "r-1",
    threadId: "t",
    role: "assistant",
    parts: parts.map((it) => part(views, words, it)),
    turn: turn(text),
    siblings: null,
  };
}

export function menu(text: string): MessageMenuData {
  return { threadId: "t", parentId: "1", messageId: "7", models: [text], isInPage: false };
}

export function turn(text: string): TurnInfo {
  const kept = { id: "u", threadId: "t", parentId: "1", started: "2026-01-02T03:04:05.678Z", parameters: {} };
  return {
    ...kept,
    status: "failed",
    model: text,
    systemPrompt: text,
    error: text,
    fault: { endpoint: text, address: text, status: 500 },
    usage: { inputTokens: 1, outputTokens: 2 },
  };
}

export function message(fields: Partial<Message>): Message {
  const kept = { id: "1", threadId: "t", parentId: null, turnId: "u", step: 1, timestamp: "2026-01-02T03:04:05.678Z" };
  return { ...kept, role: "assistant", type: "text", content: "", ...fields };
}

export function part(views: ViewsProtocol, words: Words, of: Message): PartData {
  const hasBody = of.role !== "user" && (of.type === "text" || of.type === "thinking");
  return {
    id: `p-${of.id}`,
    message: of,
    body: views.markdown(hasBody ? of.content : "", words),
    tail: null,
    progress: "",
    isWaiting: false,
  };
}
