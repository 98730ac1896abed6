/**
 * `views`: every page and fragment of the browser's side as a function of data. Default: `src/core/views.ts`, the functions in
 * `views/`. All are pure: no clock, no await, no look at anything but their arguments; so one function serves the page, the
 * response and the live channel. Wrap one to change a fragment: `views: (core, base) => ({ ...base, threadItem: … })`.
 *
 * Each is given the data and, second, the words of the reader's language, chosen per request by Accept-Language, so that data stay
 * data. One that calls another passes them on: `message: (data, words) => base.message(mine(data), words)`. The catalogues of the server are
 * in `views/words/`; sentences of errors that programs get are English and come from where the error is. A language more: `views: (core, base) => ({ ...base, languages: [...base.languages, french] })`; other words for one
 * that is there: map over them.
 *
 * Contract: each fragment has one element with the id named here, which stays the same while it changes, because the live
 * channel finds it by that id; and every value in it is escaped, which the `html` template does by itself. None needs to catch
 * what it throws: `core.views` shows that fragment by the server's own view, and Markdown as plain text, and logs it once; the rest of the page and
 * the live channel go on.
 */

import type { User } from "./auth";
import type { FileInfo, FileText } from "./file";
import type { Html } from "./html";
import type { JsonObject } from "./json";
import type { ThreadItemData, ThreadListData } from "./list-data";
import type { MessageData, MessageMenuData, MessagesData, PartData } from "./message-data";
import type { PluginPageContent } from "./plugin-page";
import type { SystemPrompt } from "./system-prompt";
import type { Thread } from "./thread";
import type { Words } from "./words";

export interface ViewsProtocol {
  /** The catalogues of words, one per language; the first is for everybody whose language is not among them. Never empty. */
  readonly languages: readonly Words[];

  /** The whole chat: thread list, messages, composer, live channel. */
  chatPage(chat: ChatData, words: Words): Html;
  /** Where a person signs in. */
  loginPage(form: LoginData, words: Words): Html;
  /** Where the first administrator is made. */
  setupPage(form: SetupData, words: Words): Html;
  /** What went wrong, in the place of a page. */
  errorPage(error: ErrorData, words: Words): Html;
  /** A page of a plugin: its title and body with a way back to the chats. */
  pluginPage(page: PluginPageData, words: Words): Html;

  /** `#main`: what belongs to one thread, that is all but the thread list. Holds the fragments below and `#live`. */
  main(chat: ChatData, words: Words): Html;
  /** The words inside `#page-title`, which is the name of the browser's tab. */
  pageTitle(thread: Thread | null, words: Words): Html;
  /** `#title`: the name of the thread, to be edited in place. */
  title(thread: Thread | null, words: Words): Html;

  /** `#threads`: the list, or what was found when `query` is not empty. */
  threadList(list: ThreadListData, words: Words): Html;
  /** Entries of a page of the list under their headings, and `#list-end`: the way to the next page, or nothing. */
  threadItems(list: ThreadListData, words: Words): Html;
  /** `#g-<id>`: the heading of a group. */
  threadGroup(id: string, words: Words): Html;
  /** One entry: `#c-<thread.id>` in the list of all that are not archived, else `#f-<thread.id>`. */
  threadItem(item: ThreadItemData, words: Words): Html;
  /** `#e-<thread.id>`: an entry while its title, tags and pin are changed. */
  threadForm(item: ThreadItemData, words: Words): Html;

  /** `#messages`: the branch that is shown. New messages are appended to it. */
  messages(messages: MessagesData, words: Words): Html;
  /** Messages of a page, and the way to the page before. */
  messageItems(messages: MessagesData, words: Words): Html;
  /** `#<message.id>`: a user's message, or a reply; a reply's parts are appended to `#<message.id>-parts`. */
  message(message: MessageData, words: Words): Html;
  /** `#<message.id>-foot`: what stands below a message: how a reply ended, other versions, and what can be done with it. */
  messageFoot(message: MessageData, words: Words): Html;
  /** `#message-menu`: more that can be done with a reply. Null = none is chosen: an empty popover. */
  messageMenu(menu: MessageMenuData | null, words: Words): Html;
  /** `#<part.id>`: one part of a reply. While it grows, `#<part.id>-tail` ends it and what is finished goes before that. */
  part(part: PartData, words: Words): Html;
  /** `#<part.id>-summary`: the line that stands for a part that can be opened. Empty for others. */
  partSummary(part: PartData, words: Words): Html;
  /**
   * What a model or a plugin wrote, as markup. Streams call it with whole top-level blocks, one or several at a time: the
   * blocks' markup joined must be that of the whole, unless "]:" stands in the text, as where a link is defined: then the
   * part is sent again once it is complete. It must depend on nothing else, since what it gives is kept; only where `formulas`
   * had not yet what was looked for is it called again. Without `formulas`, what takes long is shown as it was written.
   */
  markdown(text: string, words: Words, formulas?: Formulas): Html;
  /**
   * Markdown that is still being written, from the start of a block on: which of it is finished, and how to show the rest
   * meanwhile. Half-finished syntax is held back, so that nothing which was shown is taken back when it is completed.
   */
  openMarkdown(text: string, words: Words, formulas?: Formulas): OpenMarkdown;
  /** Fragments one after the other. */
  join(fragments: readonly Html[]): Html;

  /** What stands in the `<select id=models>`: the models to choose from. */
  models(composer: Pick<ComposerData, "models" | "model">, words: Words): Html;
  /** `#go`: Send, or Stop while a turn runs. */
  go(go: GoData, words: Words): Html;
  /** `#file-<file.id>`: one file that is attached and not sent yet: what the form sends of it, and the way to take it off. */
  fileChip(chip: ChipData, words: Words): Html;
  /** `#file-<id>-report`: what of it a model can read. */
  fileReport(id: string, read: FileText, words: Words): Html;
  /** `#send-key`: goes with what is sent next, and is another one after that. */
  sendKey(key: string): Html;

  /** `#status`: one sentence on what just happened; empty = nothing to say. */
  status(status: StatusData, words: Words): Html;
}

/** Formulas that take too long to be drawn while others wait: they are made elsewhere, and looked up here. */
export interface Formulas {
  /** By the TeX between the marks. Null = it is being made; until then its source is shown. */
  find(source: string, isDisplay: boolean): DrawnFormula | null;
}

export interface DrawnFormula {
  /** A `<math>` element. Null = it cannot be drawn. */
  readonly markup: string | null;
}

export interface OpenMarkdown {
  /** Characters of `text` that are whole blocks, which nothing that follows can change; `markdown` renders them. */
  readonly finished: number;
  /** The rest, as it is to be shown now. */
  readonly tail: Html;
  /**
   * Null, or the mark whose repetition on a line of its own ends the code that the text is in: until then, all that follows
   * goes as it is to the end of the innermost last element of `tail`, but for a last line of nothing but the mark's character.
   */
  readonly openFence: string | null;
}

/** What every page knows. */
export interface PageData {
  readonly user: User | null;
  /** URL path of a public file by name, with its content hash: `asset("style.css")` → `/static/style.css?v=…`. */
  readonly asset: (name: string) => string;
  /** True in ephemeral mode: the page says that nothing is kept. */
  readonly ephemeral: boolean;
}

export interface ChatData extends PageData {
  readonly user: User;
  /** Null = a new chat. */
  readonly thread: Thread | null;
  readonly threads: ThreadListData;
  readonly messages: MessagesData;
  readonly composer: ComposerData;
  /** A reply whose menu was asked for without script. */
  readonly menu: MessageMenuData | null;
  readonly status: StatusData;
  /** Where the live channel goes on after what this page shows; null = the page shows an earlier part and stays as it is. */
  readonly cursor: string | null;
  /** Where the live channel goes on with facts about the list: an id of the facts' journal. */
  readonly factCursor: string;
}

export interface ComposerData {
  readonly threadId: string | null;
  readonly models: readonly string[];
  readonly prompts: readonly SystemPrompt[];
  readonly model: string | null;
  readonly systemPrompt: string;
  readonly parameters: JsonObject;
  /** Text to start with, when a send was refused on a page without script. */
  readonly draft: string;
  /** A paste of more characters becomes a file; 0 = none does. */
  readonly pasteCharacters: number;
  /** The most characters that a message may have. */
  readonly maxCharacters: number;
  readonly liveTurnId: string | null;
  /** The page is one that a reply is written into while it loads, without script: it ends with `#ended`, and Stop is Send then. */
  readonly isStreamed?: boolean;
  /** The message to go below; null = the end of the thread's branch. */
  readonly parentId: string | null;
  /** False on a page that does not follow its thread: what is sent shows on another one. */
  readonly isLive: boolean;
  /** As `key` of a TurnRequest. */
  readonly sendKey: string;
}

export interface ChipData {
  readonly file: FileInfo;
  /** A long text that was pasted: it can be put back into the message. */
  readonly isPasted: boolean;
}

export interface GoData {
  readonly threadId: string | null;
  readonly liveTurnId: string | null;
}

export interface StatusData {
  readonly text: string;
  /** `busy`: an error that has gone as soon as no turn runs in the thread; `offline`: as soon as the page hears what happens. */
  readonly kind: "info" | "error" | "busy" | "offline";
  /** A page of this server where the person can do something about it. */
  readonly link?: { readonly path: string; readonly label: string };
}

export interface PluginPageData extends PageData, PluginPageContent {}

export interface LoginData extends PageData {
  readonly username: string;
  readonly error: string | null;
  /** Where to go after sign-in: a path of this server. */
  readonly next: string;
  /** A message that was sent after the session had ended: the form must send it along as `draft`, in multipart. */
  readonly draft?: string;
  /** Such a message that is too long to be sent along: the page must show it, so that the person can copy it. */
  readonly toCopy?: string;
}

export interface SetupData extends PageData {
  readonly token: string;
  readonly username: string;
  readonly error: string | null;
}

export interface ErrorData extends PageData {
  /** HTTP status. */
  readonly status: number;
  /** A sentence that says what to do. */
  readonly detail: string;
}
