import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { createFileParts } from "../../../src/core/model/file-parts";
import type { FileInfo, FileText, ModelCall, ModelMessage, Tool } from "../../../src/protocols";
import { PIXEL, PIXEL_BASE64 } from "../../support/pixel";
import {
  behindDeadProxy,
  httpError,
  reply,
  startUpstream,
  type Upstream,
  type UpstreamBody,
} from "../../support/upstream";
import { fileInfo, modelCall, modelOf, OWNER_KEY, openaiCore } from "../../support/upstream-core";

let upstream: Upstream;

beforeAll(() => {
  upstream = startUpstream();
});
afterAll(() => upstream.stop());

/** The request body that a call leads to. */
async function sent(overrides: Partial<ModelCall>, files: Record<string, Blob> = {}): Promise<UpstreamBody> {
  const model = modelOf(openaiCore(upstream, {}, files).core);
  await Array.fromAsync(model.stream(modelCall(overrides), new AbortController().signal));
  const request = upstream.requests.at(-1);
  if (!request) throw new Error("nothing was sent");
  return request.body;
}

/** What a user message with these files becomes. */
async function contentWith(contents: Record<string, Blob>, infos: FileInfo[], username = "ann") {
  const messages = [{ role: "user" as const, content: "Look", files: infos }];
  return (await sent({ messages, username }, contents)).messages[0]?.content;
}

test("without tools and parameters nothing is sent but model, messages and how to stream", async () => {
  const messages = [
    { role: "system" as const, content: "Be brief." },
    { role: "user" as const, content: "Hi" },
  ];
  expect(await sent({ messages })).toEqual({
    model: "test-model",
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
});

test("a call of a tool and its result are sent as the model must see them again", async () => {
  const { messages } = await sent({
    messages: [
      { role: "assistant", content: "", toolCalls: [{ callId: "c1", name: "clock", arguments: "{}" }] },
      { role: "tool", callId: "c1", content: "noon" },
      { role: "assistant", content: "It is noon." },
    ],
  });
  expect(messages).toEqual([
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "c1", type: "function", function: { name: "clock", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "c1", content: "noon" },
    { role: "assistant", content: "It is noon." },
  ]);
});

test("a call of a tool that is demanded is asked for, when there are tools", async () => {
  const tools: Tool[] = [{ name: "clock", description: "", parameters: Type.Object({}), execute: async () => "noon" }];
  const choiceOf = async (call: Partial<ModelCall>) => (await sent(call)).tool_choice;
  expect(await choiceOf({ tools, toolChoice: "required" })).toBe("required");
  const named = { type: "function", function: { name: "clock" } };
  expect(await choiceOf({ tools, toolChoice: { name: "clock" }, parameters: { tool_choice: "none" } })).toEqual(named);
  expect(await choiceOf({ toolChoice: "required" })).toBeUndefined();
});

const DEEP = `{"a":${"[".repeat(100)}${"]".repeat(100)}}`;
const LONG_ID = `call_${crypto.randomUUID()}`;
const ODD_CALLS: [callId: string, name: string, args: string, sentName: string, sentArgs: string][] = [
  ["c1", "clock", "{broken", "clock", "{}"],
  ["c2", "clock", "", "clock", "{}"],
  ["c3", "clock", '["UTC"]', "clock", "{}"],
  ["c4", "clock", "null", "clock", "{}"],
  ["c5", "clock", DEEP, "clock", "{}"],
  ["c6", "no such tool!", '{"a": 1}', "no_such_tool_", '{"a": 1}'],
  ["c7", "", "{}", "unnamed", "{}"],
  ["c8", "x".repeat(65), "{}", "x".repeat(64), "{}"],
  [LONG_ID, "clock", "{}", "clock", "{}"],
  ["functions.clock:0", "clock", "{}", "clock", "{}"],
  ["", "clock", "{}", "clock", "{}"],
];

test("odd calls of earlier replies are sent in a form that strict endpoints take, the same each time", async () => {
  const history: ModelMessage[] = ODD_CALLS.flatMap(([callId, name, args]) => [
    { role: "assistant", content: "", toolCalls: [{ callId, name, arguments: args }] },
    { role: "tool", callId, content: `of ${callId}` },
  ]);
  const { messages } = await sent({ messages: history });
  const calls = messages.flatMap(({ tool_calls = [] }) => tool_calls);
  expect(calls.map((call) => [call.function.name, call.function.arguments])).toEqual(
    ODD_CALLS.map(([, , , name, args]) => [name, args]),
  );
  const ids = calls.map(({ id }) => id);
  expect(messages.flatMap(({ tool_call_id: id }) => id ?? [])).toEqual(ids);
  expect(ids.slice(0, 8)).toEqual(ODD_CALLS.slice(0, 8).map(([id]) => id));
  expect(ids.filter((id) => !/^[\w-]{1,40}$/.test(id))).toEqual([]);
  expect((await sent({ messages: history })).messages).toEqual(messages);
});

test("an id that two replies used is sent as two, each with its own result", async () => {
  const history: ModelMessage[] = ["first", "second"].flatMap((content) => [
    { role: "assistant", content: "", toolCalls: [{ callId: "call_0", name: "clock", arguments: "{}" }] },
    { role: "tool", callId: "call_0", content },
  ]);
  const { messages } = await sent({ messages: history });
  const results = messages
    .flatMap(({ tool_calls = [] }) => tool_calls)
    .map(({ id }) => messages.filter((it) => it.tool_call_id === id).map(({ content }) => content));
  expect(results).toEqual([["first"], ["second"]]);
});

test("tools are sent as functions with their schema", async () => {
  const parameters = Type.Object({ zone: Type.String() });
  const clock: Tool = { name: "clock", description: "Tells the time.", parameters, execute: async () => "noon" };
  expect((await sent({ tools: [clock] })).tools).toEqual([
    {
      type: "function",
      function: {
        name: "clock",
        description: "Tells the time.",
        parameters: { type: "object", required: ["zone"], properties: { zone: { type: "string" } } },
      },
    },
  ]);
});

test("parameters of the call are passed on as they are, but cannot change what the call is", async () => {
  const messages = [{ role: "user" as const, content: "Hi" }];
  const parameters = { temperature: 0.5, stop: ["x"], model: "other", stream: false, messages: [] };
  expect(await sent({ messages, parameters })).toMatchObject({
    temperature: 0.5,
    stop: ["x"],
    model: "test-model",
    stream: true,
    messages,
  });
});

test("headers are the key, the types and nothing of the SDK's or its environment variables", async () => {
  const names = ["OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"];
  for (const name of names) process.env[name] = "x-leak: leak";
  await sent({});
  for (const name of names) delete process.env[name];
  const headers = Object.fromEntries(upstream.requests.at(-1)?.headers ?? []);
  expect(headers.authorization).toBe(`Bearer ${OWNER_KEY}`);
  expect(JSON.stringify(headers)).not.toContain("leak");
  expect(Object.keys(headers).filter((name) => name.startsWith("x-") || name.startsWith("openai-"))).toEqual([]);
});

function picture(size = PIXEL.length): Blob {
  return new Blob([PIXEL, "x".repeat(size - PIXEL.length)]);
}

test("an image is sent as a data URL after the text, with the type that its bytes have", async () => {
  const content = await contentWith({ cat: picture() }, [fileInfo("cat", "application/octet-stream", PIXEL.length)]);
  expect(content).toEqual([
    { type: "text", text: "Look" },
    { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL_BASE64}` } },
  ]);
});

test("what can be read is written out and everything else is named, in one plain string", async () => {
  const contents = { "a.rb": new Blob(["puts 'ü'\n"]), "b.zip": new Blob(["PK\0"]) };
  const infos = [fileInfo("a.rb", "application/octet-stream", 10), fileInfo("b.zip", "application/zip", 3)];
  expect(await contentWith(contents, infos)).toBe(
    `Look\n\nFile "a.rb":\nputs 'ü'\n\n\nFile "b.zip" (application/zip, 3 bytes) is attached, but this kind cannot be read.`,
  );
});

test("what is too large is cut or named", async () => {
  const long = "x".repeat(300 * 1024);
  const infos = [fileInfo("long", "text/plain", long.length), fileInfo("huge", "image/png", 6 * 1024 * 1024)];
  const huge = new Blob([PIXEL.subarray(0, 8), "x".repeat(6 * 1024 * 1024 - 8)]);
  const content = await contentWith({ long: new Blob([long]), huge }, infos);
  expect(content).toContain("\n(Cut here: these are the first 262144 of 307200 characters.)");
  expect(content).toContain(
    'File "huge" (image/png, 6291456 bytes) is attached, but this kind of picture cannot be shown to you.',
  );
  expect(content?.length).toBeLessThan(270 * 1024);
});

test("how much of files is sent follows the model's context, and what is left out of a document is said", async () => {
  const { core } = openaiCore(upstream, {}, {});
  const read: FileText = {
    kind: "document",
    text: "x".repeat(5000),
    tokens: 1250,
    pages: 30,
    emptyPages: [2, 5],
    pictures: 1,
  };
  Object.assign(core.file, { text: async () => read });
  const readFile = createFileParts(core, { username: "ann", canSee: true, contextLength: 2000 });
  const text = async () => (await readFile(fileInfo("a.pdf", "application/pdf", 9))) as { text: string };
  const { text: first } = await text();
  expect(first).toStartWith('File "a.pdf" (30 pages, no text on 2, 5; without its 1 picture):\nxxx');
  expect(first).toEndWith("x\n(Cut here: these are the first 4800 of 5000 characters.)");
  expect(await text()).toEqual({
    type: "text",
    text: 'File "a.pdf" (application/pdf, 9 bytes) is attached, but there are too many files.',
  } as { text: string });
});

test("a picture that is too large, or of a kind that vendors do not take, is made smaller", async () => {
  const pixels = Buffer.alloc(54 + 3 * 1600 * 1200);
  pixels.write("BM", 0, "latin1");
  for (const [at, value] of [
    [2, pixels.length],
    [10, 54],
    [14, 40],
    [18, 1600],
    [22, 1200],
  ] as const)
    pixels.writeUInt32LE(value, at);
  pixels.writeUInt16LE(1, 26);
  pixels.writeUInt16LE(24, 28);
  const content = await contentWith({ scan: new Blob([pixels]) }, [fileInfo("scan", "image/bmp", pixels.length)]);
  const [, part] = content as unknown as readonly { image_url?: { url: string } }[];
  const [head, base64 = ""] = part?.image_url?.url.split(",") ?? [];
  expect(head).toBe("data:image/jpeg;base64");
  expect(await new Bun.Image(Buffer.from(base64, "base64")).metadata()).toMatchObject({ width: 1600, height: 1200 });
});

test("a picture that cannot be read is only named", async () => {
  const broken = new Blob([PIXEL.subarray(0, 12)]);
  expect(await contentWith({ cat: broken }, [fileInfo("cat", "image/png", 12)])).toBe(
    'Look\n\nFile "cat" (image/png, 12 bytes) is attached, but this kind of picture cannot be shown to you.',
  );
});

test("pictures of results follow the last result of a reply, and models that do not see get none", async () => {
  const call = (callId: string) => ({ callId, name: "draw", arguments: "{}" });
  const result = (callId: string, files: FileInfo[]) => ({ role: "tool" as const, callId, content: callId, files });
  const [cat, dog] = [fileInfo("cat", "image/png", PIXEL.length), fileInfo("dog", "image/png", PIXEL.length)];
  const messages: ModelMessage[] = [
    { role: "assistant", content: "", toolCalls: [call("c1"), call("c2")] },
    result("c1", [cat, fileInfo("notes", "text/plain", 5)]),
    result("c2", [dog]),
    { role: "assistant", content: "", toolCalls: [call("c3")] },
    result("c3", [fileInfo("notes", "text/plain", 5)]),
  ];
  const files = { cat: picture(), dog: picture(), notes: new Blob(["words"]) };
  const image = { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL_BASE64}` } };
  const body = await sent({ messages, username: "ann" }, files);
  expect(body.messages.map(({ role, content }) => [role, content])).toEqual([
    ["assistant", null],
    ["tool", "c1"],
    ["tool", "c2"],
    ["user", [{ type: "text", text: "From the results above: cat, dog" }, image, image]],
    ["assistant", null],
    ["tool", "c3"],
  ] as never);
  const { core } = openaiCore(upstream, {}, files);
  const models = [{ id: "blind", capabilities: ["tools"] }];
  writeFileSync(
    join(core.config.dataPath, "models.yaml"),
    JSON.stringify([{ name: "own", base_url: upstream.baseUrl, models }]),
  );
  const blind = modelCall({ messages, username: "ann", model: "blind" });
  await Array.fromAsync(modelOf(core).stream(blind, new AbortController().signal));
  expect(upstream.requests.at(-1)?.body.messages.map(({ role }) => role)).not.toContain("user");
});

const CAT = fileInfo("cat", "image/png", PIXEL.length);
const DRAWN: readonly ModelMessage[] = [
  { role: "assistant", content: "", toolCalls: [{ callId: "c1", name: "draw", arguments: "{}" }] },
  { role: "tool", callId: "c1", content: "drawn", files: [CAT] },
];

test.each([
  [400, "Failed to deserialize the JSON body: messages[2]: unknown variant `image_url`, expected `text`"],
  [400, "messages[2].content must be a string"],
  [400, "Unexpected role 'user' after role 'tool'"],
  [400, "Conversation roles must alternate user/assistant/user/assistant/..."],
  [404, "No endpoints found that support image input"],
  [422, "Input should be a valid string"],
  [500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"],
])(
  "pictures of results that are refused (%i, %s) are left out for a while, and the person is told",
  async (status, words) => {
    const refusing = startUpstream();
    const { core } = openaiCore(refusing, {}, { cat: picture() });
    const model = modelOf(core);
    const stream = async (messages: readonly ModelMessage[]) => {
      const before = refusing.requests.length;
      const call = modelCall({ messages, username: "ann" });
      const events = await Array.fromAsync(model.stream(call, new AbortController().signal));
      const roles = refusing.requests.slice(before).map(({ body }) => body.messages.map(({ role }) => role).join(" "));
      return { events, roles };
    };
    refusing.script(httpError(status, words), reply("Well."));
    const { events, roles } = await stream(DRAWN);
    expect(roles).toEqual(["assistant tool user", "assistant tool"]);
    expect(events).toContainEqual({ type: "notice", text: expect.stringContaining("pictures that tools give") });
    expect((await stream(DRAWN)).roles).toEqual(["assistant tool"]);
    // What the user attached and said beside them is sent in any case.
    expect((await stream([...DRAWN, { role: "user", content: "And this?" }])).roles).toEqual(["assistant tool user"]);
    expect(refusing.requests.at(-1)?.body.messages.at(-1)?.content).toBe("And this?");
    await stream([...DRAWN, { role: "user", content: "See", files: [CAT] }]);
    expect(refusing.requests.at(-1)?.body.messages.at(-1)?.content).toHaveLength(2);
    await refusing.stop();
  },
);

test("a failure that says nothing of pictures is no refusal of them", async () => {
  const failing = startUpstream();
  const { core } = openaiCore(failing, { modelMaxRetries: 0 }, { cat: picture() });
  failing.script(httpError(500, "The engine is overloaded."));
  const call = modelCall({ messages: DRAWN, username: "ann" });
  const events = Array.fromAsync(modelOf(core).stream(call, new AbortController().signal));
  expect(await events.catch(({ message }) => message)).toContain("overloaded");
  expect(failing.requests).toHaveLength(1);
  await failing.stop();
});

test("of many images in a conversation the newest are sent", async () => {
  const large = 4 * 1024 * 1024;
  const image = picture(large);
  const messages = ["a", "b", "c"].map((id) => ({
    role: "user" as const,
    content: "",
    files: [fileInfo(id, "image/png", large)],
  }));
  const body = await sent({ messages, username: "ann" }, { a: image, b: image, c: image });
  // One message: three in a row are merged.
  const parts = body.messages.flatMap(({ content }) => content as { type: string }[]);
  expect(parts.map(({ type }) => type)).toEqual(["text", "image_url", "image_url"]);
});

test("a file that is gone, or another user's, or nobody's, is only named", async () => {
  const info = fileInfo("a.txt", "text/plain", 5);
  const gone = 'Look\n\nFile "a.txt" (text/plain, 5 bytes) is attached, but it is gone.';
  expect(await contentWith({}, [info])).toBe(gone);
  expect(await contentWith({ "a.txt": new Blob(["Hello"]) }, [info], "bob")).toBe(gone);
});

test("an endpoint of this machine is reached past a proxy of the environment", () =>
  behindDeadProxy(`${upstream.baseUrl}/models`, async () => {
    expect(await sent({})).toMatchObject({ model: "test-model" });
    const near = upstream.baseUrl.replace("127.0.0.1", "localhost");
    const model = modelOf(openaiCore(upstream, { openaiBaseUrl: near }).core);
    expect(await model.list()).toEqual(["test-model"]);
  }));
