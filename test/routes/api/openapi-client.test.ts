/** The document is good enough for a stranger's generator: its client compiles, its types hold, and it can do what an API is for. */

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder, runBun, runTool } from "../../support/project";
import { PASSWORD, startServer } from "../../support/server";
import { temporaryFolder } from "../../support/temporary";
import { reply, startUpstream } from "../../support/upstream";

/** What somebody writes who has nothing but the document. Where an error is expected, the types would miss it if they were loose. */
const PROGRAM = `
import { getFilesById, getModels, getThreadsById, getThreadsByIdMessages, postFiles, postLogin, postMessage } from "./client";
import { client } from "./client/client.gen";
import type { Message, Thread, TurnEvent } from "./client";

const [baseUrl = "", password = ""] = process.argv.slice(2);
client.setConfig({ baseUrl });

const refused = await postLogin({ body: { username: "ann", password: "wrong" } });
const wrong: string | undefined = refused.error?.detail;

const { data: signedIn } = await postLogin({ body: { username: "ann", password }, throwOnError: true });
client.setConfig({ baseUrl, auth: signedIn.access_token });

const { data: models } = await getModels({ throwOnError: true });
const { data: file } = await postFiles({ body: { file: new File(["Hi!"], "hi.txt", { type: "text/plain" }) }, throwOnError: true });

let threadId = "";
let text = "";
const names: TurnEvent["event"][] = [];
const { stream } = await postMessage({ body: { content: "Hello", model: models[0] ?? "", files: [file.id] } });
for await (const event of stream) {
  names.push(event.event);
  if (event.event === "thread_id") threadId = event.data.thread_id;
  if (event.event === "message_tokens") text += event.data.content;
  // @ts-expect-error only an error has one
  if (event.event === "message_tokens") event.data.message;
}

const { data: thread } = await getThreadsById({ path: { id: threadId }, throwOnError: true });
const { data: history } = await getThreadsByIdMessages({ path: { id: threadId }, query: { limit: 10 }, throwOnError: true });
const title: Thread["title"] = thread.title;
const roles: Message["role"][] = history.map(({ role }) => role);
const size: number | undefined = history[0]?.files?.[0]?.size;
const download = await getFilesById({ path: { id: file.id }, parseAs: "text", throwOnError: true });

// @ts-expect-error a message has a text
void (() => postMessage({ body: { model: "small-one" } }));
// @ts-expect-error a limit is a number
void (() => getThreadsByIdMessages({ path: { id: threadId }, query: { limit: "10" } }));
// @ts-expect-error no thread has this
void (() => thread.colour);

console.log(JSON.stringify({ wrong, models, names: [...new Set(names)], text, title, roles, size, bytes: download.data }));
`;

const SETTINGS = {
  compilerOptions: {
    lib: ["ESNext", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
    module: "Preserve",
    strict: true,
    noEmit: true,
    types: ["bun-types"],
    typeRoots: [join(projectFolder, "node_modules")],
    skipLibCheck: true,
  },
};

test("a client that is generated from the document compiles, signs in, uploads, sends a message and reads what was said", async () => {
  const upstream = startUpstream({ models: ["small-one"] });
  upstream.otherwise(reply("Hello there."));
  const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl, openaiApiKey: "key" } });
  const folder = temporaryFolder();
  const [document, program] = [join(folder, "openapi.json"), join(folder, "program.ts")];
  writeFileSync(document, await (await fetch(`${server.url}/openapi/json`)).text());
  writeFileSync(program, PROGRAM);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(SETTINGS));

  const generated = await runBun("test/support/generate-client.ts", document, join(folder, "client"));
  expect(generated).toEqual({ code: 0, output: expect.any(String) });
  expect(await runTool("tsc", "--project", folder)).toEqual({ code: 0, output: "" });
  const { code, output } = await runBun(program, server.url, PASSWORD);
  expect([code, output]).toEqual([0, expect.stringMatching(/^\{.*\}\n$/)]);
  expect(JSON.parse(output)).toEqual({
    wrong: "Wrong user name or password.",
    models: ["small-one"],
    names: ["thread_id", "message_tokens", "stream_end"],
    text: "Hello there.",
    title: "Hello",
    roles: ["user", "assistant"],
    size: 3,
    bytes: "Hi!",
  });
}, 30_000);
