/**
 * Default of `views`: the functions in views/. Each fragment is given `core.views` for those inside it, so that a plugin
 * which replaces one fragment replaces it wherever it stands. And the one catcher of what a view throws, a plugin's or ours.
 */

import { chatPage, main, pageTitle, status, title } from "../../views/chat";
import { go, models, sendKey } from "../../views/composer";
import { html } from "../../views/html";
import { errorPage, loginPage, setupPage } from "../../views/login";
import { join, markdown, openMarkdown, plain } from "../../views/markdown";
import { message, messageFoot, messageItems, messageMenu, messages } from "../../views/message";
import { pluginPage } from "../../views/page";
import { fileChip, fileReport, part, partSummary } from "../../views/part";
import { threadForm, threadGroup, threadItem, threadItems, threadList } from "../../views/thread-list";
import { languages } from "../../views/words";
import { errorOf } from "../basics/errors";
import { pageIds } from "../basics/page-ids";
import type { Core, Html, Message, OpenMarkdown, PartData, ViewsProtocol } from "../protocols";

export function createViews(core: Core): ViewsProtocol {
  return {
    languages,
    chatPage: (chat, words) => chatPage(chat, words, core.views),
    loginPage,
    setupPage,
    errorPage,
    pluginPage,
    main: (chat, words) => main(chat, words, core.views),
    pageTitle,
    title,
    threadList: (list, words) => threadList(list, words, core.views),
    threadItems: (list, words) => threadItems(list, words, core.views),
    threadGroup,
    threadItem,
    threadForm,
    messages: (list, words) => messages(list, words, core.views),
    messageItems: (list, words) => messageItems(list, words, core.views),
    message: (data, words) => message(data, words, core.views),
    messageFoot,
    messageMenu,
    part: (data, words) => part(data, words, core.views),
    partSummary,
    markdown,
    openMarkdown,
    join,
    models,
    fileChip,
    fileReport,
    go,
    sendKey,
    status,
  };
}

/**
 * The same views for everybody to use: what one of them throws on is shown by the server's own view, and where that throws too, or
 * the text is Markdown, as plain text. So the rest of the page and the live channel go on, whatever a model writes and
 * however a plugin fails. It is logged once for each place that throws, not at each update. `plugin` provides them; null =
 * they are the server's own.
 */
export function safeViews(core: Core, views: ViewsProtocol, plugin: string | null): ViewsProtocol {
  const own = plugin === null ? {} : { ...createViews(core), markdown: null, openMarkdown: null };
  const told = new Set<string>();
  const tell = (view: string, thrown: unknown): void => {
    const error = errorOf(thrown);
    const place = `${view} ${/^ +at .*$/m.exec(error.stack ?? "")?.[0]}`;
    if (told.has(place)) return;
    told.add(place);
    core.log.error("A view failed; what it was to show is shown plainly", { view, plugin: plugin ?? undefined, error });
  };
  const safe = ([name, view]: [string, unknown]): [string, unknown] => {
    if (typeof view !== "function") return [name, view];
    const others = [(own as Views)[name], (PLAIN as Views)[name]].filter((other) => other instanceof Function);
    return [name, (...data: unknown[]) => firstOf([view as View, ...others], data, (error) => tell(name, error))];
  };
  return Object.fromEntries(Object.entries(views).map(safe)) as unknown as ViewsProtocol;
}

type View = (...data: readonly unknown[]) => unknown;
type Views = { readonly [name: string]: View | undefined };

/** Throws what the last of the views throws: there is no other way to show it. */
function firstOf(views: readonly View[], data: readonly unknown[], tell: (error: unknown) => void): unknown {
  for (const view of views.slice(0, -1)) {
    try {
      return made(view, data);
    } catch (error) {
      tell(error);
    }
  }
  return views.at(-1)?.(...data);
}

/** Refuses what is no markup here, where its view is known: it would throw later. */
function made(view: View, data: readonly unknown[]): unknown {
  const it = view(...data);
  if (isHtml(it)) return it;
  const { finished, tail } = Object(it) as Partial<OpenMarkdown>;
  if (isHtml(tail) && Number.isInteger(finished) && Number(finished) >= 0) return it;
  throw new TypeError("It gave no markup.");
}

function isHtml(value: unknown): value is Html {
  return typeof (value as Html | null | undefined)?.markup === "string";
}

/** Of what people and models wrote. Each has the element that the live channel finds the fragment by. */
const PLAIN: Partial<ViewsProtocol> = {
  markdown: plain,
  openMarkdown: (text) => ({ finished: 0, tail: plain(text), openFence: null }),
  join: (fragments) => html`${fragments}`,
  part: plainPart,
  partSummary: () => html``,
  message: ({ id, parts, role }) =>
    html`<article id="${id}" class="message ${role === "user" ? "user" : "reply"}"><div id="${pageIds.parts(id)}" class="parts">${parts.map(plainPart)}</div><footer id="${pageIds.foot(id)}"></footer></article>`,
  messageFoot: ({ id }) => html`<footer id="${pageIds.foot(id)}" class="message-foot"></footer>`,
  title: (thread) => html`<div id="title" class="title"><h1>${thread?.title}</h1></div>`,
  pageTitle: (thread) => html`${thread?.title}`,
  threadItem: ({ thread, hit, filter }) =>
    html`<li id="${pageIds.entry(thread.id, !hit && !filter.archived && filter.tag === null)}" class="thread"><a class="open" href="/t/${thread.id}">${thread.title}</a></li>`,
};

/** Its Markdown is no matter of this view, and what is added to it while it grows has to go on from what is shown. */
function plainPart({ id, message, body, tail }: PartData): Html {
  const isMarkdown = message.role !== "user" && (message.type === "text" || message.type === "thinking");
  return html`<div id="${id}" class="part text">${isMarkdown ? body : plain(textOf(message))}${tail && html`<div id="${pageIds.tail(id)}" class="tail">${tail}</div>`}</div>`;
}

function textOf({ name, arguments: given, content, error }: Message): string {
  return [name, given, content, error].filter((text) => text !== undefined && text !== "").join("\n");
}
