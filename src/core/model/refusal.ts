/**
 * Requests as an endpoint takes them that has refused one: without the field that it does not know, without tools, without the role
 * `system`. Which part of a request it does not support is told by the code and the field that it names, or else by its sentence: one that
 * merely names a field, such as for a value out of range, is not such a refusal.
 */

import type { ChatCompletionMessageParam } from "openai/resources/chat/completions";
import { fieldOf, isRecord, textOf } from "../../basics/json";
import { endpointWords } from "./failure";
import type { JsonRecord } from "./opaque";
import { mergeNeighbours, OF_TOOLS_RESULT, type RequestBody } from "./request";

const [SYSTEM_ROLE, TOOL_PICTURES, USER_FIRST, USER_LAST] = ["role system", "tool pictures", "user first", "user last"];

/** What a request can be made without: a field, or one of those below. */
interface RequestPart {
  /** A pattern of the names that people and programs have for it. */
  readonly names: string;
  isIn(body: RequestBody): boolean;
  without(body: RequestBody, refused: ReadonlySet<string>): RequestBody;
  /** What the person should know; null = nothing is lost, or another field says it as well; undefined = the name of the field. */
  readonly notice: string | null | undefined;
}

/** Where a part is not as any field is. A request is made without them in this order. */
const PARTS: Readonly<Record<string, Partial<RequestPart>>> = {
  // Servers know the limit of a reply by an old name, a newer one, or both.
  max_tokens: { without: renamed("max_tokens", "max_completion_tokens"), notice: null },
  max_completion_tokens: { without: renamed("max_completion_tokens", "max_tokens"), notice: null },
  stream: {
    without: ({ stream_options: _, ...body }) => Object.assign(body, { stream: false as true }),
    notice: null,
  },
  stream_options: { notice: null },
  parallel_tool_calls: { notice: null },
  strict: {
    isIn: ({ tools }) => tools?.some((tool) => "function" in tool && tool.function.strict !== undefined) === true,
    without: (body) => ({ ...body, ...(body.tools && { tools: body.tools.map(withoutStrict) }) }),
    notice: null,
  },
  reasoning_effort: { names: "reasoning[_ ]?effort|reasoning|thinking" },
  response_format: { names: "response[_ ]?format|json[_ ]?(?:mode|schema|object)|structured[_ ]outputs?" },
  [TOOL_PICTURES]: {
    isIn: ({ messages }) => messages.some(({ content }) => Array.isArray(content) && content.some(isToolPicture)),
    without: (body) => ({ ...body, messages: body.messages.flatMap(withoutToolPictures) }),
    notice: "This model does not take pictures that tools give, so it has not seen them.",
  },
  tools: {
    names:
      "tools?(?:[_ -]?(?:use|usage|calls?|calling|role))?|functions?(?:[_ -]?(?:calls?|calling))?|role ['\"]?tool|工具(?:调用)?|函数调用",
    isIn: ({ tools, messages }) => tools !== undefined || messages.some(({ role }) => role === "tool"),
    without: (body) => ({ ...omit(body, OF_TOOLS), messages: mergeNeighbours(body.messages.map(inWords)) }),
    notice: "This model takes no tools.",
  },
  [SYSTEM_ROLE]: {
    names:
      "(?:system|developer) (?:roles?|messages?|prompts?|instructions?)|roles?:? ['\"`]?(?:system|developer)|(?<=['\"`])(?:system|developer)(?=['\"`])|(?<=roles?:? )(?:system|developer)",
    isIn: ({ messages }) => messages.some(({ role }) => role === "system" || role === "developer"),
    without: (body) => ({ ...body, messages: withSystemInFirst(body.messages) }),
    notice: "This model takes no system prompt. Its text is sent in front of your first message.",
  },
  [USER_FIRST]: { without: (body) => ({ ...body, messages: withUserFirst(body.messages) }), notice: null },
  [USER_LAST]: { without: (body) => ({ ...body, messages: withUserLast(body.messages) }), notice: null },
};

function partOf(name: string): RequestPart {
  const isOfMessage = !OF_MESSAGE.has(name);
  return {
    names: name.split("_").map(RegExp.escape).join("[_ -]?"),
    isIn: (body) =>
      name !== "model" &&
      (Object.hasOwn(body, name) || (isOfMessage && body.messages.some((it) => Object.hasOwn(it, name)))),
    without: (body) => ({
      ...omit(body, NEEDED.has(name) ? [] : [name]),
      messages: isOfMessage ? body.messages.map((message) => omit(message, [name])) : body.messages,
    }),
    notice: undefined,
    ...PARTS[name],
  };
}

/** What every message has, and what a message is not one without. */
const OF_MESSAGE = new Set(["role", "content", "tool_calls", "tool_call_id"]);
const NEEDED = new Set(["model", "messages", "stream"]);
const OF_TOOLS = ["tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"];

function omit<Fields extends object>(fields: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name))) as Fields;
}

/** The request without these. */
export function without(body: RequestBody, refused: ReadonlySet<string>): RequestBody {
  const order = [...[...refused].filter((name) => !Object.hasOwn(PARTS, name)), ...Object.keys(PARTS)];
  return order.filter((name) => refused.has(name)).reduce((made, name) => partOf(name).without(made, refused), body);
}

/** What the person should know of a request that is made without these. */
export function noticesOf(asked: RequestBody, refused: ReadonlySet<string>): string[] {
  const isTold = (name: string) => (name === "tools" ? asked.tools !== undefined : partOf(name).isIn(asked));
  const told = Object.keys(PARTS).filter((name) => refused.has(name) && isTold(name));
  // With the tools it went anyway.
  const names = [...refused].filter(
    (name) => Object.hasOwn(asked, name) && (name !== "tool_choice" || !refused.has("tools")),
  );
  const others = names.filter((name) => partOf(name).notice === undefined).map((name) => JSON.stringify(name));
  const left = `This model does not take ${others.join(", ")}, which ${others.length === 1 ? "was" : "were"} left out.`;
  return [...told.flatMap((name) => PARTS[name]?.notice ?? []), ...(others.length > 0 ? [left] : [])];
}

function renamed(from: "max_tokens" | "max_completion_tokens", to: typeof from): RequestPart["without"] {
  return ({ [from]: limit, ...body }, refused) =>
    refused.has(to) || limit === undefined ? (body as RequestBody) : { [to]: limit, ...body };
}

function withoutStrict(tool: NonNullable<RequestBody["tools"]>[number]): typeof tool {
  return "function" in tool ? { ...tool, function: omit(tool.function, ["strict"]) } : tool;
}

function isToolPicture(part: object): boolean {
  return OF_TOOLS_RESULT in part;
}

function withoutToolPictures(message: ChatCompletionMessageParam): ChatCompletionMessageParam[] {
  if (message.role !== "user" || typeof message.content === "string") return [message];
  const content = message.content.filter((part) => !isToolPicture(part));
  if (content.length === message.content.length) return [message];
  // The parts that are left are the user's, whose text many endpoints take as a string alone.
  const text = content.every(({ type }) => type === "text") ? textIn(content) : content;
  return content.length === 0 ? [] : [{ ...message, content: text }];
}

/** A call and its result as the model can read them where it has no tools. */
function inWords(message: ChatCompletionMessageParam): ChatCompletionMessageParam {
  if (message.role === "tool") return { role: "user", content: `(Result of the tool)\n${textIn(message.content)}` };
  if (message.role !== "assistant" || !message.tool_calls) return message;
  const calls = message.tool_calls.flatMap((call) =>
    "function" in call ? [`(Called the tool ${call.function.name} with ${call.function.arguments})`] : [],
  );
  const text = [textIn(message.content), ...calls].filter((part) => part !== "").join("\n\n");
  return { role: "assistant", content: text };
}

function textIn(content: unknown): string {
  return Array.isArray(content) ? content.map((part) => textOf(fieldOf(part, "text"))).join("") : textOf(content);
}

function withSystemInFirst(messages: readonly ChatCompletionMessageParam[]): ChatCompletionMessageParam[] {
  const system = messages.filter(({ role }) => role === "system").map(({ content }) => textIn(content));
  const rest = messages.filter(({ role }) => role !== "system");
  if (system.length === 0) return rest;
  return mergeNeighbours([{ role: "user", content: system.join("\n\n") }, ...rest]);
}

function withUserFirst(messages: readonly ChatCompletionMessageParam[]): ChatCompletionMessageParam[] {
  const at = messages.findIndex(({ role }) => role !== "system");
  if (at < 0 || messages[at]?.role === "user") return [...messages];
  return messages.toSpliced(at, 0, { role: "user", content: LEFT_OUT });
}

function withUserLast(messages: readonly ChatCompletionMessageParam[]): ChatCompletionMessageParam[] {
  return messages.at(-1)?.role === "assistant" ? [...messages, { role: "user", content: GO_ON }] : [...messages];
}

const LEFT_OUT = "(What was said before is left out.)";
const GO_ON = "Go on exactly where your last message ends, without repeating anything of it.";

const STATUSES = new Set([400, 404, 422]);

/** The name for `without` of the part that is refused, or null. `sent` is the request that was refused. */
export function refusedPart(status: number, body: unknown, sent: RequestBody): string | null {
  const words = endpointWords(body, null);
  const pictures = ifSent(TOOL_PICTURES, sent);
  if (pictures && (OF_PICTURES.test(words) || AFTER_A_RESULT.test(words)) && ![401, 403, 429].includes(status)) {
    return pictures;
  }
  // Of what the owner did not switch on, llama.cpp says that it is its own fault.
  if (status === 500 && TOOLS_NEED_A_FLAG.test(words)) return ifSent("tools", sent);
  if (!STATUSES.has(status)) return null;
  // Of most models nobody knows whether they see, and not each says of what kind its fault with a message is.
  return byCode(body, words, sent) ?? bySentence(words, sent) ?? pictures;
}

const OF_PICTURES = /image|vision|visual|picture|multi-?modal|mmproj/i;
/** The pictures of tools are a message of the user's after a result. */
const AFTER_A_RESULT = /\buser\b.*\bafter\b.*\btool\b|\broles?\b.*\balternat/i;

const CODE =
  /unsupported|not_supported|unknown_(?:parameter|field|argument)|unrecogni[sz]ed|extra_forbidden|value_error\.extra|unexpected_(?:parameter|keyword)/;

function byCode(body: unknown, words: string, sent: RequestBody): string | null {
  for (const error of errorsIn(body)) {
    if (!CODE.test(`${error.code} ${error.type}`)) continue;
    const path = Array.isArray(error.loc) ? error.loc.join(".") : textOf(error.param);
    const steps = path.split(/[.[\]]+/).filter((step) => step !== "" && step !== "body" && !/^\d+$/.test(step));
    const [first = "", last = ""] = [steps[0], steps.at(-1)];
    if (last === "role") return /\btool\b/.test(words) ? ifSent("tools", sent) : ifSent(SYSTEM_ROLE, sent);
    // What is wrong inside of a tool or a message may be left out by its own name.
    const part = ifSent(steps.length > 1 && /^(?:tools|messages)$/.test(first) ? last : first, sent);
    if (part) return part;
  }
  return null;
}

const ERRORS_MAX = 20;

/** The error, wherever it is in what came, and each entry of a validator's list. */
function errorsIn(body: unknown, levels = 4): JsonRecord[] {
  if (Array.isArray(body)) return body.slice(0, ERRORS_MAX).flatMap((entry) => errorsIn(entry, levels));
  if (!isRecord(body) || levels === 0) return [];
  return [body, ...[body.error, body.detail, body.message, body.errors].flatMap((it) => errorsIn(it, levels - 1))];
}

function ifSent(name: string, sent: RequestBody): string | null {
  return partOf(name).isIn(sent) ? name : null;
}

function bySentence(words: string, sent: RequestBody): string | null {
  const order = byOrder(words, sent);
  if (order) return order;
  const sentences = words.split(/(?<=[.;!?])\s+/);
  for (const part of partsOf(sent)) {
    const name = `(?:${partOf(part).names})`;
    if (!new RegExp(name, "i").test(words)) continue;
    if (sentences.some((sentence) => isRefused(sentence, name, part))) return part;
  }
  if (TOOLS_NEED_A_FLAG.test(words)) return ifSent("tools", sent);
  if (ONLY_TWO_ROLES.test(words)) return ifSent(SYSTEM_ROLE, sent) ?? ifSent("tools", sent);
  return null;
}

/** “tools param requires --jinja flag”, “launch the server with --tool-call-parser if you want to use tool” */
const TOOLS_NEED_A_FLAG =
  /\btools?\b.{0,60}\b(?:requires?|without|need)\b.{0,20}--[\w-]+|\b(?:launch|start|run)\b.{0,40} with --[\w-]*tool[\w-]*/i;
const ONLY_TWO_ROLES = /\bonly (?:the )?['"]?user['"]?,? (?:and|or|\/) ?['"]?assistant['"]? (?:roles?|messages?) /i;

const MUST = "must|should|has to|have to|needs? to|expected|ensure|required|not support(?:ed)?";
const ORDER = {
  last: new RegExp(
    `\\b(?:${MUST})\\b.*\\b(?:last|end|ends|prefill)\\b|\\b(?:last|end|ends|prefill\\w*)\\b.*\\b(?:${MUST})\\b`,
    "i",
  ),
  first: new RegExp(
    `\\b(?:${MUST})\\b.*\\b(?:first|start|begin)|\\b(?:first|start|begin)\\w*\\b.*\\b(?:${MUST})\\b`,
    "i",
  ),
};

/** What templates say of the order of roles. Neighbours of one role are merged in any request. */
function byOrder(words: string, sent: RequestBody): string | null {
  const rest = sent.messages.filter(({ role }) => role !== "system");
  if (rest.at(-1)?.role === "assistant" && ORDER.last.test(words) && /\b(?:user|prefill\w*)\b/i.test(words))
    return USER_LAST;
  const isOfUser = ORDER.first.test(words) && /\buser\b/i.test(words);
  if (!isOfUser && !/\b(?:roles?|messages?|turns?)\b.*\balternat|\balternat\w*\b.*\buser\b/i.test(words)) return null;
  if (rest[0]?.role === "assistant") return USER_FIRST;
  return ifSent(SYSTEM_ROLE, sent);
}

/** Longest first: where a sentence names `tool_choice`, it is not about `tool`. */
function partsOf(sent: RequestBody): string[] {
  const names = [...Object.keys(sent), ...sent.messages.flatMap((message) => Object.keys(message))];
  const parts = new Set(
    [...names, "tools", "strict", SYSTEM_ROLE].filter((part) => ifSent(part, sent) && !NOT_ALONE.has(part)),
  );
  return [...parts].sort((a, b) => b.length - a.length);
}

const NOT_ALONE = new Set(["messages", "role", "content", "name"]); // Words that sentences have for other things.

const NOUN =
  "(?: (?:parameters?|params?|arguments?|options?|fields?|property|properties|roles?|values?|messages?|feature))?";
const QUOTE = "['\"`´‘’“”\\])]*";
const VERB = "(?:support|accept|take|allow|recogni[sz]e|handle|permit|have|know)";
const DONE =
  "(?:supported|permitted|allowed|accepted|available|enabled|implemented|recogni[sz]ed|known|compatible|used|set|specified|provided|sent|passed)";
const KIND =
  "(?:request )?(?:parameters?|params?|(?:keyword )?arguments?|fields?|options?|property|properties|keys?|names?|inputs?|roles?)";
const FILLER =
  "(?:(?:the|any|a|an|this|these|use|usage|of|using|provided|native|custom|either|both|with|following|parameters?|params?|arguments?|fields?|options?|roles?|value|for)\\b|[\\s:=\\[('\"`“‘,])*";
/** What may follow a thing that is not supported as a whole; not “longer than”, “with more than”. */
const END = `(?=${QUOTE}(?:$|\\s*[=:,.;!(]|\\s+(?:with (?:this|the|that|your)|for|in|on|at|by|and|or|when|yet|set|value|parameters?|params?|roles?|messages?|as|json\\w*|true|false|auto|required|\\d)\\b))`;

function isRefused(sentence: string, names: string, part: string): boolean {
  const name = `(?<![\\w.\\]-])(?:${names})(?![\\w[-])`;
  const forms = [
    // “tools are not supported”, “System role not supported”, “`a` and `b` cannot both be specified”
    `${name}${QUOTE}${NOUN}\\s+(?:(?:is|are|was|were|can|may|must|should)\\s*)?(?:not|n['’]t|cannot)\\s+(?:(?:currently|yet|be|been|both) )*${DONE}\\b(?! (?:to|more|longer|larger)\\b)`,
    // “'stream_options' was unexpected”
    `${name}${QUOTE}${NOUN}\\s+(?:is |are |was |were )?(?:currently )?(?:unsupported|unrecogni[sz]ed|unexpected|unknown|forbidden|disabled|unavailable|deprecated)\\b`,
    // “does not support tools”, “No endpoints found that support tool use”
    `(?:\\b(?:not|cannot|never)|n['’]t|\\bno endpoints?(?: found)? (?:that|which)(?: can)?)\\s+(?:(?:currently|yet) )?${VERB}s?\\s+${FILLER}${name}${END}`,
    // “Unknown parameter: 'temperature'”, “unexpected keyword argument 'temperature'”
    `\\b(?:unsupported|unknown|unrecogni[sz]ed|unexpected|extra|additional|undefined|forbidden)\\s+(?:${KIND}|values?)(?: (?:supplied|provided|found|given|passed|received))?[\\s:=\\[('"\`“‘]*${name}(?![.\\w])`,
    // “Unrecognized request arguments supplied: tool_choice, tools”
    `\\b(?:unsupported|unknown|unrecogni[sz]ed|unexpected|extra)\\s+${KIND}\\b[^.;]{0,30}:[\\w, '"\`]*(?<![\\w.])(?:${names})(?![.\\w])`,
    // “参数 stream_options 不支持”, “该模型不支持工具调用”
    `(?:不支持|暂不支持|未开启)[\\s'"\`“‘「]*(?:使用|参数)?[\\s'"\`“‘「:：]*(?:${names})`,
    `(?:${names})[\\s'"\`”’」]*(?:参数)?(?:暂)?不支持`,
    // “invalid temperature: only 1 is allowed for this model”
    `\\binvalid ${name}: only \\S+ (?:is|are) (?:allowed|supported)\\b`,
    // “Argument not supported on this model: stop”, “Extra inputs are not permitted, field: 'stream_options'”
    `\\b${KIND}\\s+(?:is |are )?not ${DONE}[\\w ]*[\\s:=,('"\`“‘]+(?:(?:field|parameter|name|argument)s?\\W+)?${name}`,
    // “stream_options: Extra inputs are not permitted”
    `^(?:[\\w.]+\\.)?(?:${names}):\\s+(?:extra|additional) (?:inputs?|fields?|properties|parameters?) (?:are |is )?not\\b`,
    `^(?:[\\w.]+\\.)?(?:${names}):\\s+(?:unknown|unsupported|unrecogni[sz]ed|unexpected|not supported|not permitted|not allowed)\\b`,
    ...(part === SYSTEM_ROLE ? [`\\binvalid roles?[\\s:=('"\`“‘]*${name}`] : []),
    // “'temperature' does not support 0.2 with this model”
    ...(part === "tools" ? [] : [`${name}${QUOTE}${NOUN}\\s+(?:does not|doesn['’]t|only) supports?\\b`]),
  ];
  return forms.some((form) => new RegExp(form, "i").test(sentence));
}
