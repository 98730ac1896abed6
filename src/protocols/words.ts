/**
 * The texts of the page in one language, grouped by where they stand. Texts with values in them are functions, since languages
 * order and bend words differently. Every member is there in every language; a catalogue that lacks one does not compile.
 */

import type { ErrorWords } from "./error-words";
import type { FileText } from "./file";

export interface Words {
  /** BCP 47 tag, for `<html lang>` and to match a browser's wishes: `en`, `de-AT`. */
  readonly language: string;
  /** A number as it is written in running text, with at most `digits` decimals (0 when not given). */
  number(value: number, digits?: number): string;
  /** A length of time, short: `240 ms`, `3.2 s`, `5 min`. */
  duration(ms: number): string;
  /** A moment, given as ISO 8601, in UTC. The page's script shows it in the person's own zone and way. */
  moment(iso: string): string;
  /** A month, given as `2026-01`. */
  month(month: string): string;

  /** Of every page. */
  readonly page: {
    readonly ephemeral: string;
    readonly ephemeralDetail: string;
  };
  /** The frame of a chat: what is around its messages. */
  readonly chat: {
    readonly chats: string;
    readonly newChat: string;
    readonly skip: string;
    readonly title: string;
    readonly archive: string;
    readonly archiveThis: string;
    readonly archived: string;
    readonly restore: string;
    readonly signOut: string;
  };
  readonly list: {
    readonly search: string;
    readonly searchInChats: string;
    readonly more: string;
    nothingFound(query: string): string;
    readonly nothingHere: string;
    /** Headings of its groups; a month has its own name. */
    readonly pinned: string;
    readonly today: string;
    readonly yesterday: string;
    readonly thisWeek: string;
    /** What it shows. */
    readonly show: string;
    readonly all: string;
    readonly archived: string;
    /** Of the entry of one chat. */
    change(title: string): string;
    readonly title: string;
    readonly tags: string;
    readonly tagsHint: string;
    readonly pin: string;
    readonly unseen: string;
    readonly save: string;
    readonly cancel: string;
  };
  readonly messages: {
    readonly messages: string;
    readonly earlier: string;
    readonly later: string;
    /** On paper, in the place of a link to more messages. */
    readonly unprinted: string;
    readonly latest: string;
    /** On a page that shows another branch than the thread's. */
    readonly otherBranch: string;
    readonly welcome: string;
    readonly welcomeDetail: string;
    readonly you: string;
    readonly reply: string;
    readonly copy: string;
    readonly copyReply: string;
    readonly copyMessage: string;
    readonly edit: string;
    readonly editMessage: string;
    /** Below the text that is edited. */
    readonly editDetail: string;
    readonly send: string;
    readonly cancel: string;
    readonly regenerate: string;
    readonly regenerateReply: string;
    /** Heading of a list of models. */
    readonly regenerateWith: string;
    readonly more: string;
    /** Of the button that opens what more can be done with a reply. */
    readonly menu: string;
    readonly fork: string;
    readonly source: string;
    readonly versions: string;
    version(position: number, count: number): string;
    readonly previousVersion: string;
    readonly nextVersion: string;
    /** Goes to the end of the messages. */
    readonly jump: string;
    readonly writing: string;
    readonly stopped: string;
    readonly interrupted: string;
    readonly failed: string;
    /** Of a reply that the model ended in another way than usual. */
    readonly ended: Readonly<Record<"length" | "filtered", string>>;
    /** Of one in which it said nothing. */
    readonly endedSilent: Readonly<Record<"length" | "filtered" | "thoughts" | "empty", string>>;
    /** For an administrator: which endpoint failed. */
    fault(endpoint: string, address: string | null, status: number | null): string;
    readonly continue: string;
    readonly retry: string;
    tokens(count: number): string;
  };
  readonly part: {
    readonly thinking: string;
    readonly thought: string;
    thoughtFor(duration: string): string;
    readonly running: string;
    /** Of a call that needs the user's yes: its state, the question after the tool's name, and the two answers. */
    readonly waiting: string;
    readonly mayRun: string;
    readonly allow: string;
    readonly deny: string;
    readonly denied: string;
    readonly done: string;
    readonly failed: string;
    readonly arguments: string;
    readonly progress: string;
    readonly result: string;
    cut(shown: string, whole: string): string;
    readonly error: string;
    /** After the name of a file. */
    readonly removed: string;
  };
  /** Markup made of what a model or plugin wrote. */
  readonly markdown: {
    readonly copy: string;
    readonly wrap: string;
    readonly download: string;
    /** Stands in the place of a language when code names none. */
    readonly text: string;
    /** In front of the address of an image, which is not loaded. */
    image(text: string): string;
  };
  readonly composer: {
    readonly message: string;
    readonly placeholder: string;
    readonly send: string;
    readonly stop: string;
    readonly model: string;
    readonly noModel: string;
    readonly systemPrompt: string;
    readonly attach: string;
    /** Said when a message that is too long has become a file. */
    readonly tooLong: string;
    /** In front of the parameters of this chat, which are not those of its prompt. */
    readonly parameters: string;
  };
  /** Files that are attached to a message, or stand in one. */
  readonly files: {
    readonly attached: string;
    readonly remove: (name: string) => string;
    /** Puts the text of a long paste back into the message. */
    readonly asText: string;
    readonly reading: string;
    readonly uploading: string;
    readonly close: string;
    /** Bytes, as people say them. */
    readonly size: (bytes: number) => string;
    /** What of a file a model can read, and what not; empty when there is nothing to say. */
    readonly report: (read: FileText) => string;
  };
  /** The list of keys. */
  readonly keys: {
    readonly title: string;
    readonly close: string;
    readonly enter: string;
    readonly shift: string;
    readonly alt: string;
    readonly escape: string;
    readonly newLine: string;
    readonly sendOrStop: string;
    readonly search: string;
    readonly messageBox: string;
    readonly thisList: string;
    readonly closeOpen: string;
    /** How other browsers name the key that goes with a letter. */
    readonly elsewhere: string;
  };
  /** The administrators' page of plugins. */
  readonly admin: {
    readonly title: string;
    readonly detail: string;
    readonly reload: string;
    readonly faults: string;
    readonly noFaults: string;
    readonly yours: string;
    readonly noneYours: string;
    readonly builtIn: string;
    readonly protocols: string;
    readonly protocol: string;
    readonly providedBy: string;
    readonly plugin: string;
    readonly provides: string;
    readonly hooks: string;
    readonly toolsOf: string;
    readonly page: string;
    readonly priority: string;
  };
  readonly status: {
    readonly offline: string;
    /** A formula, as TeX. */
    readonly copied: string;
    readonly signedOut: string;
    /** Another chat asks for a yes or no; the link to it. */
    readonly waiting: string;
    readonly open: string;
  };
  readonly signIn: {
    readonly signIn: string;
    /** Before a text was sent, which is kept; and what follows it when there were files, which are not. */
    readonly expired: string;
    readonly chooseAgain: string;
    /** Instead of `expired` above a text that is too long to be kept, and what that is called. */
    readonly expiredLong: string;
    readonly yourText: string;
    readonly name: string;
    readonly password: string;
    readonly setup: string;
    readonly setupDetail: string;
    readonly create: string;
    /** After signing out where the server cannot end a session before its time. */
    readonly sessionLasts: string;
  };
  readonly errors: ErrorWords;
}
