/** The plugin author's reference in one place: every type of every protocol. */

export type * from "./auth";
export type * from "./bus";
export type * from "./config";
export type * from "./context";
export type * from "./core";
export type * from "./counts";
export type * from "./error-words";
export type * from "./fact";
export type * from "./file";
export type * from "./json";
export type * from "./limit";
export type * from "./list-data";
export type * from "./log";
export type * from "./message-data";
export type * from "./message-processor";
export type * from "./model";
export type * from "./plugin";
export type * from "./store";
export type * from "./system-prompt";
export type * from "./thread";
export type * from "./tool";
export type * from "./turn";
export type * from "./views";
export type * from "./words";
