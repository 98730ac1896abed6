/** The promises of `systemPrompt`, whatever prompts there are. */

import assert from "node:assert/strict";
import { type ContractCase, holds } from "./contract";

export const systemPromptContract: readonly ContractCase[] = [
  {
    name: "there is always a prompt named default",
    async run({ systemPrompt }) {
      const names = (await systemPrompt.list()).map(({ name }) => name);
      holds(names, "one that is default", () => names.includes("default"));
      assert.equal((await systemPrompt.get("default"))?.name, "default");
    },
  },
  {
    name: "every listed prompt has a name of its own, a description and a content",
    async run({ systemPrompt }) {
      const prompts = await systemPrompt.list();
      assert.equal(new Set(prompts.map(({ name }) => name)).size, prompts.length);
      for (const { name, description, content } of prompts) {
        assert.notEqual(name, "");
        assert.equal(typeof description, "string");
        assert.equal(typeof content, "string");
      }
    },
  },
  {
    name: "get gives what list gives",
    async run({ systemPrompt }) {
      for (const prompt of await systemPrompt.list()) assert.deepEqual(await systemPrompt.get(prompt.name), prompt);
    },
  },
  {
    name: "an unknown name is null",
    async run({ systemPrompt }) {
      for (const name of ["", "no such prompt", "__proto__", "constructor", "DEFAULT", "x".repeat(10_000)]) {
        assert.equal(await systemPrompt.get(name), null);
      }
    },
  },
  {
    name: "changing the list that was given changes nothing",
    async run({ systemPrompt }) {
      const before = await systemPrompt.list();
      (await systemPrompt.list()).length = 0;
      assert.deepEqual(await systemPrompt.list(), before);
    },
  },
];
