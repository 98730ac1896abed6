/**
 * Keeps long conversations within what a model can take: when a turn ends above a number of tokens, the older messages are
 * summarised in the background, and from then on the model gets the summary in their place. The thread keeps every word;
 * a notice with the next reply says from where on the model has a summary. Nothing is done when somebody else edited the
 * context meanwhile, or showed another branch. Calls of tools stay with their results.
 *
 * Settings (plugins.yaml, `compact-context`): `tokens`, above which it begins (default: 75 % of what the model is known to
 * take, else 24,000); `keep`, how many of the last messages stay as they are, at least (8); `model`, which summarises
 * (default, and for users who may not use it: the thread's own); `instructions`, what it is told; `parameters`, sent to it
 * ({}); `timeout_s` (300).
 * Last change: 2026-11-23.
 */

import {
  ask,
  askSettings,
  type ContextMessage,
  type ModelReply,
  type Plugin,
  type Static,
  type Turn,
  t,
} from "skeleton";

const NAME = "compact-context";
const STORE = "compact_context";

const settings = t.Object({
  tokens: t.Optional(t.Integer({ minimum: 1 })),
  keep: t.Integer({ default: 8, minimum: 1 }),
  ...askSettings(
    "Summarise the conversation below for an assistant that will go on with it and sees nothing else of it. Keep facts, " +
      "names, figures, decisions, code that is still needed, and what is open. Write it in the language of the conversation.",
    300,
  ),
});

type Settings = Static<typeof settings>;

const TOKENS = 24_000; // Where nothing is known of the model: most take 32,000, and the reply needs room too.
const SHARE = 0.75;
const CHARACTERS_PER_TOKEN = 4;
const LEAST = 4; // Messages. A summary of fewer saves little, and each costs some of what was said.
const RESULT_MAX = 4000; // Characters of a tool's result that the summary is made from.

const NOTICE =
  "To make room, the model now gets a summary in the place of the older messages. The chat itself keeps every word.";
const ASK = "[What was said before was summarised. Give the summary.]";

/** Threads whose summary is being made in this process. */
const running = new Set<string>();

export default {
  name: NAME,
  settings,
  start: (core) => core.store.createStoreIfNotExists(STORE, { made: "str" }),
  hooks: {
    async preCall(_call, turn) {
      if (turn.messages.length === 0) await tell(turn);
    },

    async postCall(reply, turn) {
      if (reply.toolCalls.length > 0 || running.has(turn.threadId)) return;
      const { core, user, threadId } = turn;
      // A turn without a thread has nothing that could be used again.
      if (!(await core.thread.get(user.username, threadId))) return;
      const context = await core.context.get(user.username, threadId);
      if (tokensOf(reply, context) < (await limitOf(turn))) return;
      running.add(threadId);
      core.background(NAME, (signal) => compact(turn, signal).finally(() => running.delete(threadId)));
    },
  },
} satisfies Plugin;

/** The notice stands where the summary is used first. */
async function tell({ core, user, threadId, notify }: Turn): Promise<void> {
  if (await core.store.delete(user.username, STORE, threadId)) notify(NOTICE);
}

function tokensOf({ usage }: ModelReply, context: readonly ContextMessage[]): number {
  if (usage) return usage.inputTokens + usage.outputTokens;
  const characters = context.reduce((sum, message) => sum + render(message).length, 0);
  return characters / CHARACTERS_PER_TOKEN;
}

async function limitOf({ core, model }: Turn): Promise<number> {
  const { tokens } = core.settings<Settings>(NAME);
  if (tokens !== undefined) return tokens;
  const known = (await core.model.describe?.(model))?.contextLength;
  return known === undefined ? TOKENS : known * SHARE;
}

async function compact(turn: Turn, ending: AbortSignal): Promise<void> {
  const { core, user, threadId } = turn;
  const { username } = user;
  // Before the copy: an edit in between must be noticed.
  const mutationCount = await core.context.mutationCount(username, threadId);
  const context = await core.context.get(username, threadId);
  const own = core.settings<Settings>(NAME);
  const old = context.slice(0, splitAt(context, own.keep));
  const upTo = old.at(-1)?.id;
  if (upTo === undefined || old.length < LEAST) return;
  const summary = await ask(turn, { ...own, text: old.map(render).join("\n\n") }, ending);
  // Half a summary would lose the other half.
  if (!summary.isWhole) throw new Error(`${summary.model} wrote no whole summary.`);
  const replacing = [
    { role: "user", content: ASK },
    { role: "assistant", content: summary.text },
  ] as const;
  const isThere = (await core.context.getMessage(username, threadId, upTo)) !== null;
  if (isThere && (await core.context.replace(username, threadId, replacing, { upTo, mutationCount }))) {
    const fields = { made: new Date().toISOString() };
    // A second summary before the next reply is told of once.
    const isKnown = await core.store.update(username, STORE, threadId, fields);
    if (!isKnown) await core.store.add(username, STORE, fields, threadId);
  } else core.log.info("A summary was thrown away, because the context was edited meanwhile", { plugin: NAME });
}

/**
 * How many of the oldest messages go: all but the last `keep`, and so that what stays begins with a person's message. So no
 * result of a tool is parted from its call.
 */
function splitAt(context: readonly ContextMessage[], keep: number): number {
  return Math.max(
    0,
    context.findLastIndex(({ role }, at) => role === "user" && at <= context.length - keep),
  );
}

function render({ role, content, files, toolCalls }: ContextMessage): string {
  const names = (files ?? []).map(({ name }) => `(file: ${name})`);
  const calls = (toolCalls ?? []).map((call) => `(calls ${call.name} with ${call.arguments})`);
  const text = role === "tool" ? content.slice(0, RESULT_MAX) : content;
  return [`${role}: ${text}`, ...names, ...calls].join("\n");
}
