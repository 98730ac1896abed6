/** Every fragment and page, made with one text wherever a text can be. */

import type { Html, ThreadItemData, ViewsProtocol, Words } from "../../protocols";
import { chat, file, list, menu, message, part, question, reply, thread, turn } from "./data";

/** Fragments by the id that they must have, with `text` wherever a text can be. */
export function fragments(views: ViewsProtocol, words: Words, text: string): [id: string, fragment: Html][] {
  const whole = reply(views, words, text);
  const parts = whole.parts.map((it): [string, Html] => [it.id, views.part(it, words)]);
  const siblings = { parentId: null, position: 1, count: 2, previousId: null, nextId: "9" };
  const running = part(views, words, message({ type: "tool", role: "tool", name: text, arguments: text }));
  return [
    ["main", views.main(chat(views, words, text), words)],
    ["title", views.title(thread(text), words)],
    ["title", views.title(null, words)],
    ["threads", views.threadList(list(text), words)],
    ["threads", views.threadList({ ...list(text), query: text }, words)],
    ["threads", views.threadList({ ...list(text), editedId: "t" }, words)],
    ["g-2026-01", views.threadGroup("2026-01", words)],
    ["c-t", views.threadItem({ ...item(text), filter: { archived: false, tag: null } }, words)],
    ["f-t", views.threadItem(item(text), words)],
    ["f-t", views.threadItem({ ...item(text), hit: list(text).hits[0] ?? null }, words)],
    ["e-t", views.threadForm(item(text), words)],
    ["messages", views.messages(chat(views, words, text).messages, words)],
    ["m-1", views.message(question(views, words, text), words)],
    ["m-1", views.message({ ...question(views, words, text), draft: text, targetId: "1" }, words)],
    ["m-1-foot", views.messageFoot({ ...question(views, words, text), siblings }, words)],
    ["message-menu", views.messageMenu(menu(text), words)],
    ["message-menu", views.messageMenu(null, words)],
    ["r-1", views.message({ ...whole, siblings, targetId: "2" }, words)],
    ["r-1-foot", views.messageFoot(whole, words)],
    ["r-1-foot", views.messageFoot({ ...whole, turn: { ...turn(text), status: "running", error: null } }, words)],
    ...parts,
    ["p-1", views.part({ ...running, tail: views.markdown("", words), progress: text }, words)],
    ["p-1", views.part({ ...running, tail: views.markdown("", words), isWaiting: true }, words)],
    ["p-1-summary", views.partSummary(running, words)],
    ["go", views.go({ threadId: "t", liveTurnId: null }, words)],
    ["go", views.go({ threadId: "t", liveTurnId: "u" }, words)],
    ["file-f", views.fileChip({ file: file(text), isPasted: true }, words)],
    ["file-1-report", views.fileReport("1", { kind: "document", text, tokens: 1, pages: 2, emptyPages: [1] }, words)],
    ["file-1-report", views.fileReport("1", { kind: "document", text, tokens: 0, fault: "encrypted" }, words)],
    ["send-key", views.sendKey(text)],
    ["status", views.status({ text, kind: "error" }, words)],
    ["status", views.status({ text: "", kind: "info" }, words)],
  ];
}

export function pages(views: ViewsProtocol, words: Words, text: string): [name: string, page: Html][] {
  const page = { user: null, asset: (name: string) => `/static/${name}`, ephemeral: true };
  return [
    ["chat", views.chatPage(chat(views, words, text), words)],
    ["login", views.loginPage({ ...page, username: text, error: text, next: "/", draft: text, toCopy: text }, words)],
    ["setup", views.setupPage({ ...page, token: text, username: text, error: text }, words)],
    ["error", views.errorPage({ ...page, status: 404, detail: text }, words)],
    ["plugin page", views.pluginPage({ ...page, title: text, body: views.markdown(text, words) }, words)],
    ["page-title", views.pageTitle(thread(text), words)],
    ["items", views.messageItems(chat(views, words, text).messages, words)],
    ["models", views.models({ models: [text, `${text} 2`], model: text }, words)],
    ["models", views.models({ models: [], model: null }, words)],
    ["markdown", views.markdown(text, words)],
    ["open markdown", views.openMarkdown(text, words).tail],
  ];
}

function item(text: string): ThreadItemData {
  const filter = { archived: true, tag: text };
  return { thread: thread(text), isCurrent: true, isRunning: true, filter, hit: null, query: text };
}
