/** English, which everybody gets whose browser asks for no other language that is here. */

import type { FileText, FileTextFault, Words } from "../../src/protocols";
import { errors } from "./en-errors";
import { formats } from "./format";

const { size, ...format } = formats("en-GB");

export const en: Words = {
  ...format,
  language: "en",
  page: {
    ephemeral: "Ephemeral mode.",
    ephemeralDetail: "Nothing is kept: chats end with the server.",
  },
  chat: {
    chats: "Chats",
    newChat: "New chat",
    skip: "Skip to the message box",
    title: "Title of this chat",
    archive: "Archive",
    archiveThis: "Archive this chat",
    archived: "Archived",
    restore: "Restore",
    signOut: "Sign out",
  },
  list: {
    search: "Search",
    searchInChats: "Search in your chats",
    more: "More",
    nothingFound: (query) => `Nothing found for “${query}”.`,
    nothingHere: "Nothing here yet.",
    pinned: "Pinned",
    today: "Today",
    yesterday: "Yesterday",
    thisWeek: "This week",
    show: "Show",
    all: "All chats",
    archived: "Archived",
    change: (title) => `Change “${title}”`,
    title: "Title",
    tags: "Tags",
    tagsHint: "work, travel",
    pin: "Pinned",
    unseen: "New reply",
    save: "Save",
    cancel: "Cancel",
  },
  messages: {
    messages: "Messages",
    earlier: "Earlier messages",
    later: "Later messages",
    unprinted: "There are more messages here, which are not printed.",
    latest: "Latest messages",
    otherBranch: "This is another version of the chat. What you send goes on from here.",
    welcome: "What is on your mind?",
    welcomeDetail: "Enter sends, Shift + Enter starts a new line.",
    you: "You",
    reply: "Reply",
    copy: "Copy",
    copyReply: "Copy the reply",
    copyMessage: "Copy your message",
    edit: "Edit",
    editMessage: "Edit your message",
    editDetail: "Sends it as another version. This one and its replies are kept.",
    send: "Send",
    cancel: "Cancel",
    regenerate: "Regenerate",
    regenerateReply: "Regenerate the reply",
    regenerateWith: "Regenerate with",
    more: "More",
    menu: "More for this reply",
    fork: "Fork: new chat from here",
    source: "Show the source",
    versions: "Versions",
    version: (position, count) => `Version ${position} of ${count}`,
    previousVersion: "Previous version",
    nextVersion: "Next version",
    jump: "Jump to the latest",
    writing: "Writing…",
    stopped: "Stopped.",
    interrupted: "Interrupted: the server ended while this was written.",
    failed: "Failed.",
    ended: {
      length: "The reply was cut: the model reached the limit of a reply.",
      filtered: "A filter of the endpoint, or the model itself, broke the reply off.",
    },
    endedSilent: {
      length: "The model reached the limit of a reply before it said anything.",
      filtered: "A filter of the endpoint held the reply back before it said anything.",
      thoughts: "The model thought, and ended without an answer.",
      empty: "The model ended without an answer.",
    },
    fault: (endpoint, address, status) =>
      [`Endpoint ${endpoint}`, address, status === null ? "no HTTP status" : `HTTP ${status}`]
        .filter(Boolean)
        .join(" · "),
    continue: "Continue",
    retry: "Retry",
    tokens: (count) => (count === 1 ? "1 token" : `${format.number(count)} tokens`),
  },
  part: {
    thinking: "Thinking…",
    thought: "Thought",
    thoughtFor: (duration) => `Thought for ${duration}`,
    running: "running…",
    waiting: "waits for you",
    mayRun: "The model wants to use this tool. May it?",
    allow: "Allow",
    deny: "Do not allow",
    denied: "not allowed",
    done: "done",
    failed: "failed",
    arguments: "Arguments",
    progress: "Progress",
    result: "Result",
    cut: (shown, whole) => `These are the first ${shown} of ${whole} characters.`,
    error: "Error",
    removed: "(removed)",
  },
  markdown: {
    copy: "Copy",
    wrap: "Wrap",
    download: "Download",
    text: "text",
    image: (text) => `Image: ${text}`,
  },
  composer: {
    message: "Message",
    placeholder: "Message…",
    send: "Send",
    stop: "Stop",
    model: "Model",
    noModel: "No model is available now.",
    systemPrompt: "System prompt",
    attach: "Attach files",
    tooLong: "Your message is too long, so it is attached as a file. Write what it is about, then send.",
    parameters: "Parameters of this chat",
  },
  files: {
    attached: "Attached files",
    remove: (name) => `Remove “${name}”`,
    asText: "Put it into the message",
    reading: "Reading…",
    uploading: "Uploading…",
    close: "Close",
    size,
    report,
  },
  keys: {
    title: "Keyboard",
    close: "Close",
    enter: "Enter",
    shift: "Shift",
    alt: "Alt",
    escape: "Esc",
    newLine: "New line",
    sendOrStop: "Send, or stop the reply",
    search: "Search",
    messageBox: "To the message box",
    thisList: "This list, when no text is being written",
    closeOpen: "Close what is open",
    elsewhere: "With a letter: Alt + Shift in Firefox, Control + Option on a Mac.",
  },
  admin: {
    title: "Plugins",
    detail: "A saved file takes effect by itself; this also tries again what failed.",
    reload: "Reload plugins",
    faults: "Not in use",
    noFaults: "Every plugin is in use.",
    yours: "Your plugins",
    noneYours: "There are none yet. Put a file into the folder plugins/.",
    builtIn: "Built in",
    protocols: "Who provides what",
    protocol: "Protocol",
    providedBy: "Provided by",
    plugin: "Plugin",
    provides: "Provides",
    hooks: "Hooks",
    toolsOf: "Tools",
    page: "Page",
    priority: "Priority",
  },
  status: {
    offline: "The server cannot be reached. What you wrote is still here.",
    copied: "The formula is copied as TeX.",
    signedOut: "You are signed out. Reload the page to sign in again; what you typed stays until then.",
    waiting: "Another chat waits for your answer.",
    open: "Open it",
  },
  signIn: {
    signIn: "Sign in",
    expired: "Your session has ended. Sign in, and what you wrote is back.",
    chooseAgain: "Your files were not kept: attach them again.",
    expiredLong: "Your session has ended. Your text is too long to be kept while you sign in: copy it from here first.",
    yourText: "Your text",
    name: "Name",
    password: "Password",
    setup: "Make the first administrator",
    setupDetail: "This link works once. Other people are added with the command “users”.",
    create: "Create and sign in",
    sessionLasts:
      "You are signed out here, but the server could not end the session itself: whoever has its token can use it until it expires.",
  },
  errors,
};

const FAULTS: Readonly<Record<FileTextFault, string>> = {
  encrypted: "needs a password: the model cannot read it",
  broken: "damaged: the model cannot read it",
  oldFormat: "an old Office format: save it as DOCX, XLSX or PPTX, then the model can read it",
  tooLarge: "too large for the model to read",
  tooSlow: "takes too long to read",
  unknownKind: "the model cannot read this kind of file",
};

function report({ kind, tokens, fault, isCut, emptyPages = [], ...counted }: FileText): string {
  if (fault) return FAULTS[fault];
  if (kind === "image") return "";
  const { pages = 0, slides = 0, sheets = 0, pictures = 0, formulas = 0 } = counted;
  const parts = [count(pages, "page"), count(slides, "slide"), count(sheets, "sheet"), `about ${roughly(tokens)}`];
  const left = [
    emptyPages.length > 0 && `${count(emptyPages.length, "page")} ${emptyPages.length === 1 ? "has" : "have"} no text`,
    pictures > 0 && `${count(pictures, "picture")} left out`,
    formulas > 0 && `${count(formulas, "formula")} left out`,
    isCut && "only its beginning can be read",
  ];
  return [parts.filter(Boolean).join(", "), ...left.filter(Boolean)].join("; ");
}

function count(number: number, noun: string): string {
  return number === 0 ? "" : `${format.number(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** Nobody counts tokens one by one. */
function roughly(tokens: number): string {
  return count(tokens > 100 ? Number(tokens.toPrecision(2)) : tokens, "token") || "0 tokens";
}
