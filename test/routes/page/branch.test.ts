import { beforeEach, describe, expect, test } from "bun:test";
import type { MessageNode, Plugin, StoreProtocol, User } from "../../../src/protocols";
import { chooseWindow, loadBranch, noteSeen } from "../../../src/routes/page/branch";
import { atEnd } from "../../support/at-end";
import { startServer } from "../../support/server";
import { gate, reply, startUpstream } from "../../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
atEnd(() => upstream.stop());

/** What the store was asked, as "find messages". */
let asked: string[] = [];
const reads = ["get", "getMany", "find", "collectionGet"] as const;

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
const server = await startServer({
  config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl },
  plugins: [plugin],
});
const { core } = server;
const ann = await server.signIn("ann");
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
  expect(asked.sort()).toEqual(["find messages", "find turns", "get threads", "get turn_claims", "getMany messages"]);
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

/** Replies of `length` messages to `count` questions, below `from`; ids are numbers with `prefix` before them. */
function conversation(count: number, length: number, prefix = "", from: string | null = null): MessageNode[] {
  const size = count * (length + 1);
  return Array.from({ length: size }, (_, index) => ({
    id: `${prefix}${index}`,
    parentId: index === 0 ? from : `${prefix}${index - 1}`,
    role: index % (length + 1) === 0 ? ("user" as const) : ("assistant" as const),
    turnId: "t",
  }));
}

const ids = (nodes: readonly MessageNode[]) => nodes.map(({ id }) => id);

describe("the window of a page", () => {
  const nodes = conversation(100, 2);

  test("is the end of the branch, and begins with a message of the user", () => {
    const { shown, before, next, endId, isThreadsBranch } = chooseWindow(nodes, "299", {});
    expect(ids(shown)).toEqual(ids(nodes.slice(198)));
    expect({ before, next, endId, isThreadsBranch }).toEqual({
      before: "198",
      next: null,
      endId: "299",
      isThreadsBranch: true,
    });
  });

  test("pages upwards follow each other without a gap, whatever the lengths of replies", () => {
    for (const length of [0, 1, 2, 7, 150]) {
      const all = conversation(20, length);
      const seen: string[] = [];
      let before: string | undefined;
      for (let pages = 0; pages < 30; pages++) {
        const page = chooseWindow(all, all.at(-1)?.id ?? "", { before });
        expect(page.shown[0]?.role).toBe("user");
        seen.unshift(...ids(page.shown));
        if (page.before === null) break;
        before = page.before;
      }
      expect(seen).toEqual(ids(all));
    }
  });

  test("around a message has some before it, and links on to the rest", () => {
    const page = chooseWindow(nodes, "299", { at: "130" });
    expect(page.before).toBe("108");
    expect(page.next).toBe("210");
    expect(ids(page.shown)).toEqual(ids(nodes.slice(108, 210)));
    expect(chooseWindow(nodes, "299", { at: page.next ?? "" }).shown).toEqual(nodes.slice(198));
  });

  test("around a message of the end is the end", () => {
    expect(chooseWindow(nodes, "299", { at: "250" })).toEqual(chooseWindow(nodes, "299", {}));
    expect(chooseWindow(nodes, "299", { at: "0" }).before).toBeNull();
  });

  test("around a message of another branch is that branch, to its newest end", () => {
    const other = conversation(2, 2, "b", "2");
    const all = [...nodes, ...other];
    const page = chooseWindow(all, "299", { at: "b1" });
    expect(ids(page.shown)).toEqual(["0", "1", "2", ...ids(other)]);
    expect(page.isThreadsBranch).toBe(false);
    expect(page.endId).toBe("b5");
    expect(chooseWindow(all, "299", { at: "1" }).isThreadsBranch).toBe(true);
  });

  test("what is not in the thread is as not asked for, and an empty thread has an empty window", () => {
    expect(chooseWindow(nodes, "299", { at: "no such" })).toEqual(chooseWindow(nodes, "299", {}));
    expect(chooseWindow(nodes, "299", { before: "no such" })).toEqual(chooseWindow(nodes, "299", {}));
    expect(chooseWindow([], null, {})).toEqual({
      shown: [],
      before: null,
      next: null,
      endId: null,
      isThreadsBranch: true,
    });
  });
});

const PAGE = { accept: "text/html" };

/** By the API, of which no page knows. */
async function sayByApi(content: string, threadId?: string): Promise<string> {
  upstream.script(reply("Yes."));
  const sent = await ann.post("/api/v1/message", { content, ...(threadId !== undefined && { thread_id: threadId }) });
  const id = /"thread_id":"([^"]+)"/.exec(await sent.text())?.[1] ?? "";
  expect(sent.status).toBe(200);
  return id;
}

const isMarked = async (): Promise<boolean> =>
  (await (await ann.fetch("/threads", { headers: PAGE })).text()).includes('class="unseen"');

describe("a chat that was seen", () => {
  test("is marked once its reply came after a page had shown it, until a page shows it again", async () => {
    const id = await sayByApi("First");
    expect(await isMarked()).toBe(false);
    await ann.fetch(`/t/${id}`, { headers: PAGE });
    expect(await isMarked()).toBe(false);
    await sayByApi("Second", id);
    expect(await isMarked()).toBe(true);
    // An older part of it is not where the reply is.
    const [first] = await core.thread.messages("ann", id);
    await ann.fetch(`/t/${id}?before=${first?.id}`, { headers: PAGE });
    expect(await isMarked()).toBe(true);
    await ann.fetch(`/t/${id}`, { headers: PAGE });
    expect(await isMarked()).toBe(false);
  });

  test("is noted as seen once, and stays where it is in the list", async () => {
    const id = await sayByApi("Again");
    const before = await core.thread.get("ann", id);
    if (!before) throw new Error("There is no thread.");
    await noteSeen(core, "ann", before);
    const seen = await core.thread.get("ann", id);
    expect(seen).toEqual({ ...before, metadata: { seen: before.headId } });
  });
});
