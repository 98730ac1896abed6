/** What the page says of errors, in English. */

import { sizeText } from "../../src/basics/size";
import type { ErrorWords } from "../../src/protocols";

const TITLES: Readonly<Record<number, string>> = {
  400: "That cannot be done",
  401: "Please sign in",
  403: "Not allowed",
  404: "Not found",
  429: "Too often",
  503: "Not now",
};

export const errors: ErrorWords = {
  title: (status) => TITLES[status] ?? "Something went wrong",
  back: "Back to the chats",
  reasons: {
    busy: "A reply is still being written in this chat. Stop it, or wait until it is complete.",
    empty: "The message is empty. Write something to send.",
    tooLong: (most) => `The message is too long: it may have ${most.toLocaleString("en")} characters.`,
    fileTooLarge: (most) => `A file may have at most ${most} MiB.`,
    heic: "Pictures in HEIC format, as phones take them, cannot be shown. Save it as JPEG first.",
    manyFiles: (most) => `A message may have at most ${most} files.`,
    modelRefused: "You may not use this model. Choose another one.",
    modelGone: "This model is not offered now. Choose another one.",
    noModel: "There is no model that you may use now. Ask the owner of this server to configure one.",
    endpointDown:
      "The endpoint of this server’s models does not work at the moment. Its administrator sees why by sending a message.",
    noChat: "There is no such chat. It may have been another account’s.",
    noMessage: "There is no such message in this chat.",
    noTitle: "A chat needs a title.",
    noPage: "There is nothing at this address.",
    wrongPassword: "Wrong user name or password.",
    signedOut: "You are signed out. Sign in, then try again.",
    closing: "The server is shutting down. Try again in a moment.",
    overloaded: "The server has more to do than it can at the moment. Try again in some seconds.",
    otherHost:
      "In ephemeral mode, where anybody may sign in, the server answers only to addresses and names of its own network. Set PUBLIC_URL to the address at which people reach it.",
    broken: "Something went wrong in the server; its log says what.",
    noFiles: "The server has too many files and connections open. Try again in a moment.",
    manyStreams: "You have too many windows open at the same time. Close some that you do not need.",
    quotaFull: (used, most) =>
      `Your files and messages take ${sizeText(used)} of the ${sizeText(most)} that you may use. Remove files that you no longer need, or ask the owner of this server for more.`,
    manyMessages: (seconds) => `Too many messages. Try again in ${seconds === 1 ? "a second" : `${seconds} seconds`}.`,
    manySignIns: (seconds) =>
      `Too many failed attempts. Try again in ${seconds === 1 ? "a second" : `${seconds} seconds`}.`,
  },
};
