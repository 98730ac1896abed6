import { describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../../src/basics/log";
import { systemPromptContract } from "../../src/contracts/system-prompt";
import { createSystemPrompt } from "../../src/core/system-prompt";
import type { Core, SystemPromptProtocol } from "../../src/protocols";
import { temporaryFolder, testConfig } from "../support/temporary";
import { until } from "../support/until";

interface Prompts {
  readonly prompts: SystemPromptProtocol;
  readonly path: string;
  readonly lines: string[];
}

function open(text?: string): Prompts {
  const config = testConfig(temporaryFolder());
  const path = join(config.dataPath, "system_prompts.yaml");
  if (text !== undefined) writeFileSync(path, text);
  const lines: string[] = [];
  const log = createLog("debug", (_, line) => lines.push(line.replace(/^\S+ /, "")));
  return { prompts: createSystemPrompt({ config, log } as Core), path, lines };
}

async function namesOf(prompts: SystemPromptProtocol): Promise<string[]> {
  return (await prompts.list()).map(({ name }) => name);
}

describe("the contract", () => {
  for (const { name, run } of systemPromptContract) {
    test(name, () => run({ systemPrompt: open().prompts } as Core));
    test(`${name} (with a file)`, () => run({ systemPrompt: open("pirate: Arr.\nempty: ''\n").prompts } as Core));
  }
});

test("without a file, or with an empty one, there are built-in prompts, default first", async () => {
  for (const text of [undefined, "", "# none yet\n"]) {
    const names = await namesOf(open(text).prompts);
    expect(names[0]).toBe("default");
    expect(names.length).toBeGreaterThan(1);
  }
});

test("a prompt is a text, or a map with description, content, model and parameters, in the order of the file", async () => {
  const { prompts, lines } = open(`
pirate: Arr.
default:
  description: Ours
  content: Be brief.
poet:
  prompt: |
    Rhyme.
    Always.
  model: gpt-4
  parameters: { temperature: 1.2, stop: [a, b], logit_bias: { "50256": -100 } }
`);
  expect(await prompts.list()).toEqual([
    { name: "pirate", description: "pirate", content: "Arr." },
    { name: "default", description: "Ours", content: "Be brief." },
    {
      name: "poet",
      description: "poet",
      content: "Rhyme.\nAlways.\n",
      model: "gpt-4",
      parameters: { temperature: 1.2, stop: ["a", "b"], logit_bias: { "50256": -100 } },
    },
  ]);
  expect(lines).toEqual([]);
});

test("a file without a default gets the built-in one, first", async () => {
  expect(await namesOf(open("pirate: Arr.\n").prompts)).toEqual(["default", "pirate"]);
});

const bad: [what: string, entry: string, reason: string][] = [
  ["a number", "bad: 7", "must be a text, or a map"],
  ["nothing", "bad:", "must be a text, or a map"],
  ["no content", "bad: { description: x }", "needs a text as content"],
  ["a description that is no text", "bad: { content: x, description: [] }", "description must be a text"],
  ["a model that is no text", "bad: { content: x, model: 4 }", "model must be a text"],
  ["parameters that are no map", "bad: { content: x, parameters: hot }", "parameters must be a map"],
  ["parameters that contain themselves", "bad: { content: x, parameters: &p { a: *p } }", "parameters must be a map"],
  ["parameters beyond JSON", "bad: { content: x, parameters: { a: .inf } }", "parameters must be a map"],
];
test.each(bad)("an entry with %s is left out and named, the others stay", async (_, entry, reason) => {
  const { prompts, lines } = open(`${entry}\npirate: Arr.\n`);
  expect(await namesOf(prompts)).toEqual(["default", "pirate"]);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toStartWith(`WARNING system_prompts.yaml: "bad": ${reason}`);
});

test("a changed file is in use without a restart, a broken one is not, and a deleted one gives the built-in prompts", async () => {
  const { prompts, path, lines } = open("pirate: Arr.\n");
  expect(await namesOf(prompts)).toEqual(["default", "pirate"]);
  writeFileSync(path, "poet: Rhyme.\n");
  await until(async () => (await namesOf(prompts)).includes("poet"));
  writeFileSync(path, "poet: [\n");
  await until(async () => (await namesOf(prompts)).length > 0 && lines.some((line) => line.startsWith("ERROR")));
  expect(await namesOf(prompts)).toEqual(["default", "poet"]);
  rmSync(path);
  await until(async () => (await prompts.get("poet")) === null);
  expect((await prompts.get("default"))?.description).toBe("Helpful assistant");
});
