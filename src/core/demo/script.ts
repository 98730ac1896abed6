/** What the scripted model says. Answers what a person wrote only so far as to repeat a few words of it. */

import type { ModelMessage } from "../../protocols";

export interface ScriptedReply {
  readonly thinking: string;
  readonly text: string;
  /** Whether the reply ends by calling the tool. */
  readonly callsTool: boolean;
}

export function replyTo(messages: readonly ModelMessage[], hasTool: boolean): ScriptedReply {
  const step = stepAfter(messages, hasTool);
  const last = messages.at(-1);
  const said = last?.role === "assistant" ? last.content : "";
  // A reply that was stopped goes on where it was.
  return said !== "" && step.text.startsWith(said)
    ? { ...step, thinking: "", text: step.text.slice(said.length) }
    : step;
}

function stepAfter(messages: readonly ModelMessage[], hasTool: boolean): ScriptedReply {
  const asked = messages.findLastIndex(({ role }) => role === "user");
  const time = messages.slice(asked + 1).find(({ role }) => role === "tool")?.content;
  if (time !== undefined) return { thinking: AFTER_TOOL, text: timeFor(time) + TOUR, callsTool: false };
  const opening = openingFor(wordsOf(messages[asked]?.content ?? ""));
  return hasTool
    ? { thinking: BEFORE_TOOL, text: opening, callsTool: true }
    : { thinking: WITHOUT_TOOL, text: opening + TOUR, callsTool: false };
}

const MAX_WORDS = 8;
const MAX_WORD_CHARACTERS = 30;

/** Letters and digits alone, so that nothing a person wrote becomes markup here. */
function wordsOf(content: string): string {
  const words = content.slice(0, 1000).match(/[\p{L}\p{N}]+/gu) ?? [];
  const some = words
    .slice(0, MAX_WORDS)
    .map((word) => word.slice(0, MAX_WORD_CHARACTERS))
    .join(" ");
  return words.length > MAX_WORDS ? `${some} …` : some;
}

const BEFORE_TOOL = `Nobody thinks here: this is a script. It shows what the thinking of a model looks like while it arrives.
First a greeting, then a call of a tool, then a tour of what a reply can contain.`;

const WITHOUT_TOOL = `Nobody thinks here: this is a script. It shows what the thinking of a model looks like while it arrives.
No tool is on offer, so the tour comes at once.`;

const AFTER_TOOL = "The tool has answered, so the script can go on.";

function openingFor(words: string): string {
  const heard = words === "" ? "You wrote something without words." : `You wrote: “${words}”.`;
  return `**This is a scripted demonstration, not a language model.** ${heard} It would get this answer whatever it said.\n\n`;
}

function timeFor(time: string): string {
  // Backticks would end the code that the result is shown as.
  return `The tool \`demo_clock\` says that it is \`${time.replace(/[`\s]+/g, " ").slice(0, 100)}\`.\n\n`;
}

const TOUR = `## How to get a real model

1. Start a model server on this machine: [Ollama](https://ollama.com), LM Studio or llama.cpp. It is found by itself.
2. Or set variables, in the environment or in a file \`.env\`, and start the server again:
   - \`OPENAI_API_KEY\` for the key,
   - \`OPENAI_BASE_URL\` for any endpoint that speaks OpenAI's protocol.
3. Or describe several endpoints in \`models.yaml\`:

\`\`\`yaml
local:
  base_url: http://localhost:11434/v1
  models: "*"
\`\`\`

## What a reply can contain

Text that is *slanted*, **bold**, ~~struck out~~ or \`code\`, a list within a list:

- a branch
  - a twig
    - a leaf
- another branch

### A table

| part | replaced by |
|:-----|:------------|
| the model | one file |
| the store | one file |
| this page | one file |

### Things to do

- [x] see a demonstration
- [ ] connect a model
- [ ] write a plugin

### A quotation, a formula and a program

> Everything should be made as simple as possible, but not simpler.

A formula within a line, $e^{i\\pi} + 1 = 0$, and one on its own:

$$
\\sum_{n=1}^{\\infty} \\frac{1}{n^2} = \\frac{\\pi^2}{6}
$$

\`\`\`ts
/** A tool is a plain function in plugins/tools/. */
export function add(a: number, b: number): number {
  return a + b;
}
\`\`\`

---

Stop, search and renaming work here as with any model. Send something else to see it again.
`;
