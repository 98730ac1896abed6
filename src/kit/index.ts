/** What `import … from "skeleton"` gives a plugin: every type, and the values that a plugin needs. */

/**
 * Makes schemas, for a plugin's settings and for the parameters of a tool.
 *
 * @example
 * ```ts
 * const settings = t.Object({ words: t.Integer({ minimum: 1, default: 6 }) });
 * type Settings = Static<typeof settings>;
 * const { words } = core.settings<Settings>("my-plugin");
 * ```
 */
export { type Static, Type as t } from "@sinclair/typebox";
/**
 * The framework of the server, for a page with many addresses.
 *
 * @example
 * ```ts
 * const app = new Elysia().get("/_plugin/clock/now", () => new Date().toISOString());
 * const plugin: Plugin = { name: "clock", page: () => ({ handle: (request) => app.handle(request) }) };
 * ```
 */
export { Elysia } from "elysia";
export { html, raw } from "../../views/html";
export { type IconName, icon } from "../../views/icon";
export { type AllowedParameters, allowedParameters, requireRoom, takeSlotFor } from "../basics/allowed";
export { readJson } from "../basics/body";
export { AppError, type ErrorFacts, HTTP_STATUS } from "../basics/errors";
export { htmlToMarkdown } from "../basics/html-to-markdown";
export { isRecord } from "../basics/json";
export { onceDone, perServer } from "../basics/once";
export { type AskedTerms, type SearchTerms, searchTerms } from "../basics/search-terms";
export type { SseMessage } from "../basics/sse";
export { type WaitLimit, within } from "../basics/within";
export { filesIn } from "../core/file";
export type { RemoteBytes } from "../core/file/bytes";
export { callEndpoint, type EndpointCall, type ReplyReader } from "../core/model/call";
export { createLists, fetchEndpoint, type Lister, type Lists } from "../core/model/endpoints";
export { StreamFault } from "../core/model/failure";
export { createFileParts, type FilePart, type FilePartsOptions } from "../core/model/file-parts";
export { toFinishReason } from "../core/model/reply";
export { plainCalls, toolSchema } from "../core/model/request";
export { storeRules } from "../core/store/rules";
export type * from "../protocols";
export { toolResult } from "../tools/tools";
export { type ApiFailure, answerStream, apiFailure, readDataUrl } from "./api";
export { type Answered, ask, askSettings, type Question } from "./ask";
export { eventStream } from "./event-stream";
export { type Fetched, type FetchPublicOptions, fetchPublic } from "./fetch-public";
