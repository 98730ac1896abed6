/**
 * Gives a new thread a title by a model, in the background after its first reply, so that the list tells what threads are
 * about. It takes the place of the server's own title alone, which is how the first message begins: one that a person gave
 * stays, also when they gave it meanwhile. When the model fails, or the user may use none, the title stays as it is and the
 * log says why.
 *
 * Settings (plugins.yaml, `auto-title`): `model`, a small and fast one (default, and for users who may not use it: the
 * thread's own); `instructions`, what it is told; `parameters`, sent to it ({}); `timeout_s` (60).
 * Last change: 2026-11-28.
 */

import { ask, askSettings, type Plugin, type Static, type Turn, t } from "skeleton";

const NAME = "auto-title";

const settings = t.Object(
  askSettings(
    "Write a title of two to six words for the conversation below, in its own language. " +
      "Answer with the title alone: no quotes, no full stop, no other word.",
    60,
  ),
);

type Settings = Static<typeof settings>;

const EXCERPT = 2000; // Characters of each side. What a conversation is about stands at its beginning.
const TITLE_MAX = 80; // Characters. A model that writes more has not written a title.

const PATH_MAX = 10; // Messages. A thread that has more is not new.

interface Beginning {
  /** The server's own title. */
  readonly title: string;
  /** What the person said first. */
  readonly asked: string;
}

/** Turns whose thread has a title that may be replaced when they are done. */
const beginnings = new WeakMap<Turn, Beginning>();

export default {
  name: NAME,
  settings,
  hooks: {
    async preCall(_call, turn) {
      const beginning = turn.messages.length === 0 ? await beginningOf(turn) : null;
      if (beginning) beginnings.set(turn, beginning);
    },

    postCall(reply, turn) {
      const beginning = beginnings.get(turn);
      if (!beginning || reply.toolCalls.length > 0 || reply.content.trim() === "") return;
      turn.core.background(NAME, (signal) => setTitle(turn, beginning, reply.content, signal));
    },
  },
} satisfies Plugin;

/** Null unless this is the first reply of a thread whose title nobody gave. */
async function beginningOf({ core, user, threadId }: Turn): Promise<Beginning | null> {
  const thread = await core.thread.get(user.username, threadId);
  if (!thread) return null;
  const path = await core.thread.messages(user.username, threadId, { limit: PATH_MAX });
  const [first] = path;
  const hasReply = path.some(({ role, type, cut }) => role === "assistant" && type === "text" && cut === undefined);
  if (!first || path.length === PATH_MAX || hasReply || !isOwn(thread.title, first.content)) return null;
  return { title: thread.title, asked: first.content };
}

/** The server's own title is the first line of what was asked, cut when it is long. */
function isOwn(title: string, asked: string): boolean {
  const line = (asked.trim().split(/[\r\n]/, 1)[0] ?? "").replace(/\s+/g, " ");
  return title === "" || title === line || (title.endsWith("…") && line.startsWith(title.slice(0, -1)));
}

async function setTitle(turn: Turn, { title, asked }: Beginning, replied: string, ending: AbortSignal): Promise<void> {
  const { core, user, threadId } = turn;
  const text = `User: ${asked.slice(0, EXCERPT)}\n\nAssistant: ${replied.slice(0, EXCERPT)}`;
  const answer = await ask(turn, { ...core.settings<Settings>(NAME), text, most: EXCERPT }, ending);
  const better = titleIn(answer.text);
  if (better === "") throw new Error(`${answer.model} wrote no title.`);
  await core.thread.update(user.username, threadId, { title: better }, { title });
}

const LINE_MAX = 300; // Characters of the line a title stands in. A longer one would be looked at again from each of its marks.

/** Models put titles in quotes, in bold, in JSON, in a block of code, behind "Title:" or below "Here is a title:", whatever they are told. */
function titleIn(text: string): string {
  const lines = text.split(/[\r\n]+/).map((line) => line.trim().slice(0, LINE_MAX));
  const said = lines.filter((line) => line !== "" && !/^(?:`{3}|~{3})/.test(line));
  // What only leads up to it is not it.
  const line = said.find((it, at) => at === said.length - 1 || !/[:：]["'*_]*$/.test(it)) ?? "";
  const found = (/^[[{]/.test(said[0] ?? "") && inJson(said.join(" ").slice(0, EXCERPT))) || line;
  const bare = found
    .replace(/<\/?\w{1,20}>/g, "")
    .replace(
      /^[\s#*_"'“”„«»`]*(?:(?:chat |suggested )?(?:title|titel|titre|título|titolo|标题|標題|タイトル|제목)["'*_]*[:：]\s*)?[\s*_"'“”„«»`]*/i,
      "",
    )
    .replace(/[\s*_"'“”„«»`.。]+$/, "")
    // Around a part of it they are the title of something else.
    .replace(/^[《〈「『【]([^《〈「『【》〉」』】]*)[》〉」』】]$/, "$1");
  return [...bare.replace(/[\s\p{Cc}]+/gu, " ")].slice(0, TITLE_MAX).join("");
}

/** The value of `title`, or else the first text that is no name; also of JSON that is cut off or has words behind it. */
function inJson(text: string): string | null {
  const found =
    /["']title["']\s*:\s*("(?:[^"\\]|\\.)*")/i.exec(text) ?? /[[:,{]\s*("(?:[^"\\]|\\.)*")(?!\s*:)/.exec(text);
  try {
    return found?.[1] === undefined ? null : String(JSON.parse(found[1]));
  } catch {
    return null;
  }
}
