/** What `import … from "skeleton"` gives a plugin: every type, and the values that a plugin needs. */

export { type Static, Type as t } from "@sinclair/typebox";
export { Elysia } from "elysia";
export { html, raw } from "../../views/html";
export { type AllowedParameters, allowedParameters } from "../allowed";
export { readJson } from "../body";
export { callEndpoint, type EndpointCall, type Reply } from "../core/model/call";
export { plainCalls } from "../core/model/calls";
export { StreamFault } from "../core/model/failure";
export { createFileParts, type FilePart, type FilePartsOptions } from "../core/model/file-parts";
export { toFinishReason } from "../core/model/finish-reason";
export { createLists, type Lister, type Lists } from "../core/model/lists";
export { fetchEndpoint } from "../core/model/send";
export { toolSchema } from "../core/model/tool-schema";
export { AppError, type ErrorFacts, HTTP_STATUS } from "../errors";
export { htmlToMarkdown } from "../html-to-markdown";
export type * from "../protocols";
export { requireRoom } from "../quota";
export type { SseMessage } from "../sse";
export { takeSlotFor } from "../stream-slots";
export { toolResult } from "../turn/tools";
export { type Answered, ask, askSettings, type Question } from "./ask";
export { eventStream } from "./event-stream";
export { type Fetched, type FetchPublicOptions, fetchPublic } from "./fetch-public";
