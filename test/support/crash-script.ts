/** What the model says in the turns of the crash harness: random steps of thinking, text and slow tools, with a record of what was sent. */

import type { Random } from "./random";
import { type Answer, type Part, reply, toolCall, type UpstreamBody } from "./upstream";

export interface Script {
  /** Stands in the user's message, which is how a model call is told from others. */
  readonly id: string;
  readonly tool: "slow" | "ask";
  readonly steps: readonly Step[];
  /** What has left for the server, the next piece possibly included. */
  readonly sent: { text: string; thinking: string };
  readonly calls: UpstreamBody[];
  /** From here on the model says one short text. */
  isContinued: boolean;
}

interface Step {
  readonly thinking: number;
  readonly text: number;
  readonly pauseMs: number;
  readonly tools: readonly { readonly n: string; readonly ms: number }[];
}

export function createScript(id: string, random: Random, asks: boolean): Script {
  const steps: Step[] = [];
  const count = random.integer(asks ? 2 : 1, 3);
  for (let at = 1; at <= count; at++) {
    const tools = at === count ? 0 : random.integer(1, 3);
    steps.push({
      thinking: random.chance(0.5) ? random.integer(1, 30) : 0,
      // A round of questions is about what comes after the text.
      text: random.integer(at === count ? 20 : 0, asks ? 40 : 120),
      pauseMs: random.pick([0, 1, 3, 8]),
      tools: Array.from({ length: tools }, (_, n) => ({ n: `${id}-${at}-${n}`, ms: random.integer(0, 300) })),
    });
  }
  return { id, tool: asks ? "ask" : "slow", steps, sent: { text: "", thinking: "" }, calls: [], isContinued: false };
}

/** Answers the model calls of all scripts. */
export function answerBy(scripts: ReadonlyMap<string, Script>): (body: UpstreamBody) => Answer {
  return (body) => {
    const question = body.messages.findLast(({ role }) => role === "user");
    const script = scripts.get(/turn-\d+/.exec(String(question?.content))?.[0] ?? "");
    if (!script) return reply("Who is asking?");
    const step = script.steps[script.calls.push(body) - 1];
    if (script.isContinued || !step) return reply(continuation(script.id));
    return { parts: play(script, step) };
  };
}

export function continuation(id: string): string {
  return ` And so ${id} ends.`;
}

async function* play({ id, tool: name, sent }: Script, step: Step): AsyncGenerator<Part> {
  for (let n = 0; n < step.thinking; n++) {
    const reasoning = `(${id} thinks ${sent.thinking.length}) `;
    sent.thinking += reasoning;
    yield { reasoning };
  }
  for (let n = 0; n < step.text; n++) {
    // Each piece says where it stands, so that none can pass for another; some are longer than a character each way.
    const text = `${sent.text.length}${n % 7 === 0 ? " 😀é\n" : " "}`;
    sent.text += text;
    yield text;
    if (step.pauseMs > 0) yield { pauseMs: step.pauseMs };
  }
  for (const [index, tool] of step.tools.entries()) {
    yield* toolCall(name, tool, { index, id: `call_${tool.n}` });
  }
}
