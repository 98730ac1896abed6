import { afterAll, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { createLog } from "../../src/basics/log";
import { ask, askSettings, t } from "../../src/kit";
import { install } from "../../src/plugins";
import type { Turn } from "../../src/protocols";
import { atEnd } from "../support/at-end";
import { temporaryFolder, testConfig } from "../support/temporary";
import { type Answer, gate, httpError, reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["large", "small"] });
afterAll(() => upstream.stop());

const { core, stop } = await install({
  config: testConfig(temporaryFolder(), { openaiBaseUrl: upstream.baseUrl, modelMaxRetries: 0 }),
  log: createLog("error", () => {}),
});
atEnd(() => stop(0));

const open = new AbortController().signal;
const QUESTION = { instructions: "Write a title.", text: "User: hello" };

/** What comes of asking beside a turn of the model "large". */
async function askFor(question: object, answer: Answer, signal = open, modelMask?: string) {
  upstream.script(answer);
  const user = { username: "ann", role: "user", ...(modelMask && { modelMask }) } as const;
  return ask({ core, user, model: "large" } as Turn, { ...QUESTION, ...question }, signal);
}

test("the turn's own model writes a text by the instructions, and nothing else is sent", async () => {
  const answer = await askFor({ parameters: { temperature: 0 } }, reply(" A greeting \n"));
  expect(answer).toEqual({ text: "A greeting", model: "large", isWhole: true });
  const sent = upstream.requests.at(-1)?.body;
  expect({ model: sent?.model, tools: sent?.tools, temperature: sent?.temperature, messages: sent?.messages }).toEqual({
    model: "large",
    tools: undefined,
    temperature: 0,
    messages: [
      { role: "system", content: "Write a title." },
      { role: "user", content: "User: hello" },
    ],
  });
});

test("another model is asked where the user may use it, the turn's own where they may not, and none where they may use neither", async () => {
  expect(await askFor({ model: "small" }, reply("x"))).toMatchObject({ model: "small" });
  expect(await askFor({ model: "small" }, reply("x"), open, "large")).toMatchObject({ model: "large" });
  const before = upstream.requests.length;
  const refused = ask(
    { core, user: { username: "ann", role: "user", modelMask: "none" }, model: "large" } as Turn,
    { ...QUESTION, model: "small" },
    open,
  );
  await expect(refused).rejects.toThrow("ann may not use small now, so there is no model to ask.");
  expect(upstream.requests.length).toBe(before);
});

test("an answer that a limit cut says so, of the model or of who asks", async () => {
  expect(await askFor({}, { parts: ["Half a"], finish: "length" })).toMatchObject({ text: "Half a", isWhole: false });
  const endless = { parts: ["1234567890", "1234567890", { wait: gate().opened }] };
  expect(await askFor({ most: 15 }, endless)).toEqual({ text: "123456789012345", model: "large", isWhole: false });
});

test("no answer is an error that says why", async () => {
  await expect(askFor({}, { parts: [" "] })).rejects.toThrow("large answered nothing.");
  await expect(askFor({}, httpError(500, "no"))).rejects.toThrow("500");
  const hanging = { parts: ["Half", { wait: gate().opened }] };
  await expect(askFor({ timeout_s: 0.05 }, hanging)).rejects.toThrow("large took longer than 0.05 seconds to answer.");
  const ending = new AbortController();
  const asked = askFor({}, hanging, ending.signal);
  ending.abort(new Error("the server ends"));
  await expect(asked).rejects.toThrow("the server ends");
});

test("its settings have defaults, and the owner can set each", () => {
  const schema = t.Object({ ...askSettings("Write a title.", 30), more: t.Optional(t.String()) });
  expect(Value.Default(schema, {})).toEqual({ instructions: "Write a title.", parameters: {}, timeout_s: 30 });
  const own = { model: "small", instructions: "Sum up.", parameters: { temperature: 0 }, timeout_s: 1, more: "x" };
  expect(Value.Check(schema, own)).toBe(true);
});
