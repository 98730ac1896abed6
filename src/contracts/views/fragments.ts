/** Every fragment and page, made with one text wherever a text can be. */

import type { Html, ViewsProtocol } from "../../protocols";
import { chat, list, message, part, question, reply, thread, turn } from "./data";

/** Fragments by the id that they must have, with `text` wherever a text can be. */
export function fragments(views: ViewsProtocol, text: string): [id: string, fragment: Html][] {
  const whole = reply(views, text);
  const parts = whole.parts.map((it): [string, Html] => [it.id, views.part(it)]);
  const running = part(views, message({ type: "tool", role: "tool", name: text, arguments: text }));
  return [
    ["main", views.main(chat(views, text))],
    ["title", views.title(thread(text))],
    ["title", views.title(null)],
    ["threads", views.threadList(list(text))],
    ["threads", views.threadList({ ...list(text), query: text })],
    ["messages", views.messages(chat(views, text).messages)],
    ["m-1", views.message(question(views, text))],
    ["r-1", views.message(whole)],
    ["r-1-foot", views.messageFoot(whole)],
    ["r-1-foot", views.messageFoot({ ...whole, turn: { ...turn(text), status: "running", error: null } })],
    ...parts,
    ["p-1", views.part({ ...running, tail: views.markdown(""), progress: text })],
    ["p-1-summary", views.partSummary(running)],
    ["go", views.go({ threadId: "t", liveTurnId: null })],
    ["go", views.go({ threadId: "t", liveTurnId: "u" })],
    ["status", views.status({ text, kind: "error" })],
    ["status", views.status({ text: "", kind: "info" })],
  ];
}

export function pages(views: ViewsProtocol, text: string): [name: string, page: Html][] {
  const page = { user: null, asset: (name: string) => `/static/${name}`, ephemeral: true };
  return [
    ["chat", views.chatPage(chat(views, text))],
    ["login", views.loginPage({ ...page, username: text, error: text, next: "/" })],
    ["setup", views.setupPage({ ...page, token: text, username: text, error: text })],
    ["error", views.errorPage({ ...page, status: 404, detail: text })],
    ["page-title", views.pageTitle(thread(text))],
    ["item", views.threadItem({ thread: thread(text), isCurrent: true, hit: list(text).hits[0] ?? null })],
    ["markdown", views.markdown(text)],
  ];
}
