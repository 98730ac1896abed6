/** English, which everybody gets whose browser asks for no other language that is here. */

import type { Words } from "../../src/protocols";
import { formats } from "./format";

const TITLES: Readonly<Record<number, string>> = {
  400: "That cannot be done",
  401: "Please sign in",
  403: "Not allowed",
  404: "Not found",
  429: "Too often",
  503: "Not now",
};

const format = formats("en-GB");

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
  },
  messages: {
    messages: "Messages",
    earlier: "Earlier messages",
    later: "Later messages",
    latest: "Latest messages",
    otherBranch: "This is another version of the chat. What you send goes on from here.",
    welcome: "What is on your mind?",
    welcomeDetail: "Enter sends, Shift + Enter starts a new line.",
    you: "You",
    reply: "Reply",
    copy: "Copy",
    copyReply: "Copy the reply",
    writing: "Writing…",
    stopped: "Stopped.",
    interrupted: "Interrupted: the server ended while this was written.",
    failed: "Failed.",
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
    error: "Error",
  },
  markdown: {
    copy: "Copy",
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
  },
  status: {
    offline: "The server cannot be reached. What you wrote is still here.",
    signedOut: "You are signed out. Reload the page to sign in again; what you typed stays until then.",
    signIn: "Sign in",
  },
  signIn: {
    signIn: "Sign in",
    name: "Name",
    password: "Password",
    setup: "Make the first administrator",
    setupDetail: "This link works once. Other people are added with the command “users”.",
    create: "Create and sign in",
  },
  errors: {
    title: (status) => TITLES[status] ?? "Something went wrong",
    back: "Back to the chats",
  },
};
