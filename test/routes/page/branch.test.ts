import { beforeEach, expect, test } from "bun:test";
import type { Plugin, StoreProtocol, User } from "../../../src/protocols";
import { loadBranch } from "../../../src/routes/page/branch";
import { atEnd } from "../../support/at-end";
import { startServer } from "../../support/server";
import { gate, startUpstream } from "../../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
atEnd(() => upstream.stop());

/** What the store was asked, as "find messages". */
let asked: string[] = [];
const reads = ["get", "find", "collectionGet"] as const;

function noting(base: StoreProtocol): StoreProtocol {
  const noted = reads.map((name) => [
    name,
    (...args: unknown[]) => {
      asked.push(`${name} ${args[1]}`);
      return (base[name] as (...args: unknown[]) => unknown)(...args);
    },
  ]);
  return { ...base, ...Object.fromEntries(noted) };
}

const plugin: Plugin = { name: "noting", provide: { store: (_core, base) => noting(base) } };
const { core } = await startServer({ config: { openaiBaseUrl: upstream.baseUrl }, plugins: [plugin] });
const user: User = { username: "ann", role: "admin" };
const words = core.views.languages[0];
if (!words) throw new Error("There are no words.");
const reader = { user, words, zone: "UTC" };

beforeEach(() => {
  asked = [];
});

async function say(threadId: string, parentId: string | null, content: string): Promise<string> {
  const said = { role: "user", type: "text", content, turnId: "none", step: 0, parentId } as const;
  return (await core.thread.append("ann", threadId, said)).id;
}

test("a page of a thread reads its tree once and the messages that it shows once, however many there are", async () => {
  const { id } = await core.thread.create("ann", { title: "Long" });
  let parent: string | null = null;
  for (let number = 0; number < 250; number++) parent = await say(id, parent, `${number}`);
  asked = [];
  const branch = await loadBranch(core, reader, id);
  expect(branch?.messages.messages).toHaveLength(100);
  expect(asked.sort()).toEqual(["find messages", "find messages", "find turns", "get threads", "get turn_claims"]);
});

test("a page of a message with 500 versions reads no more than that of any other", async () => {
  const { id } = await core.thread.create("ann", { title: "Versions" });
  for (let number = 0; number < 500; number++) await say(id, null, `version ${number}`);
  asked = [];
  const [shown, ...others] = (await loadBranch(core, reader, id))?.messages.messages ?? [];
  expect(others).toEqual([]);
  expect(shown?.siblings).toMatchObject({ position: 500, count: 500, nextId: null });
  expect(asked).toHaveLength(5);
});

test("a page opened while a reply is written takes it from the memory of the turn, and does not read its log", async () => {
  const open = gate();
  upstream.script({ parts: ["Begun", { wait: open.opened }, " and done."] });
  const { id: turnId, threadId } = await core.turns.start(user, { content: "Go", model: "small-a" });
  const events = await core.turns.follow(user, turnId, 0, new AbortController().signal);
  const follower = events?.[Symbol.asyncIterator]();
  let seen = "";
  while (!seen.includes("Begun")) seen += JSON.stringify((await follower?.next())?.value);
  asked = [];
  const branch = await loadBranch(core, reader, threadId);
  expect(branch?.live?.parts.map(({ content }) => content)).toEqual(["Begun"]);
  expect(asked).not.toContain("collectionGet turns");
  expect(asked).not.toContain("get turns");
  open.open();
  while (!(await follower?.next())?.done);
  expect((await loadBranch(core, reader, threadId))?.live).toBeNull();
});
