import { expect, test } from "bun:test";
import type { Core, Plugin, User } from "../../../src/protocols";
import { factJournals } from "../../../src/routes/api/live-events";
import { createFeeds, type Feeds, type OpenPage } from "../../../src/routes/live/feeds";
import type { Reader } from "../../../src/routes/session/session";
import { en } from "../../../views/words/en";
import { atEnd } from "../../support/at-end";
import { startCore } from "../../support/test-core";
import { until } from "../../support/until";
import { reply, startUpstream } from "../../support/upstream";

const upstream = startUpstream({ models: ["small-one"] });
upstream.otherwise(reply("Hello."));
atEnd(() => upstream.stop());

const ANN: User = { username: "ann", role: "admin" };
const BOB: User = { username: "bob", role: "admin" };
const READER: Reader = { user: ANN, words: en, zone: "UTC" };
const decoder = new TextDecoder();

/** Counts what is read of chats. */
let reads = 0;
const CHATS = ["threads", "thread_tags", "messages"];
const counting: Plugin = {
  name: "counting",
  provide: {
    store: (_core, base) => ({
      ...base,
      get: (...args) => {
        if (CHATS.includes(args[1])) reads++;
        return base.get(...args);
      },
      find: (...args) => {
        if (CHATS.includes(args[1])) reads++;
        return base.find(...args);
      },
    }),
  },
};

const start = (): Promise<Core> => startCore({ config: { openaiBaseUrl: upstream.baseUrl }, plugins: [counting] });

interface TestPage {
  readonly page: OpenPage;
  readonly told: Uint8Array[];
  text(): string;
  leave(): void;
}

async function openPage(feeds: Feeds, threadId: string | null, facts = ""): Promise<TestPage> {
  const told: Uint8Array[] = [];
  const page = { threadId, after: "unknown", facts, put: (message: Uint8Array) => void told.push(message) };
  const leave = await feeds(READER)(page);
  return { page, told, leave, text: () => told.map((it) => decoder.decode(it)).join("") };
}

async function say(core: Core, user: User, threadId: string): Promise<void> {
  const turn = await core.turns.start(user, { content: "Hello?", threadId });
  for await (const _ of (await core.turns.follow(user, turn.id, 0, new AbortController().signal)) ?? []);
}

const LIST_MS = 700; // The list rests for half a second between two changes.

test.each([
  ["one chat", 1],
  ["many chats", 30],
])(
  "300 pages of one user on %s cost others about what one costs",
  async (_, chats) => {
    const core = await start();
    const bobs = await core.thread.create("bob", { title: "his" });
    const anns = await Promise.all(
      Array.from({ length: chats }, (_, at) => core.thread.create("ann", { title: `hers ${at}` })),
    );
    const feeds = createFeeds(core);
    const costOf = async (count: number) => {
      const pages = await Promise.all(
        Array.from({ length: count }, (_, at) => openPage(feeds, anns[at % chats]?.id ?? null)),
      );
      await until(() => pages.every(({ told }) => told.length > 0));
      await Bun.sleep(150); // What each page asks for when it opens is over then, and is not what is measured.
      const [cpu, before] = [process.cpuUsage(), reads];
      await Promise.all([say(core, ANN, anns[0]?.id ?? ""), say(core, BOB, bobs.id)]);
      await Bun.sleep(LIST_MS); // Each told page makes its list within it.
      const { user, system } = process.cpuUsage(cpu);
      for (const { leave } of pages) leave();
      return { us: user + system, reads: reads - before };
    };
    await costOf(1);
    const [one, many] = [await costOf(1), await costOf(300)];
    expect(many.reads).toBeLessThan(2 * one.reads);
    expect(many.us).toBeLessThan(3 * one.us);
  },
  20_000,
);

test("pages of one chat are sent the same bytes, and a page that comes late has all of them", async () => {
  const core = await start();
  const thread = await core.thread.create("ann", { title: "hers" });
  const feeds = createFeeds(core);
  const pages = [await openPage(feeds, thread.id), await openPage(feeds, thread.id)];
  await until(() => pages.every(({ text }) => text().includes("#messages")));
  const before = pages[0]?.told.length;
  await say(core, ANN, thread.id);
  await until(() => pages.every(({ text }) => text().includes('id="r-') && /event: threads-[ac]/.test(text())));
  const [one, two] = pages;
  const later = one?.told.slice(before) ?? [];
  expect(later.length).toBeGreaterThan(2);
  expect(later.filter((message) => !two?.told.includes(message))).toEqual([]);
  const late = await openPage(feeds, thread.id);
  await until(() => late.text().includes("Hello."));
  for (const { leave } of [...pages, late]) leave();
});

test("a page that comes with a place hears what it missed, and one whose place is not known makes its list anew", async () => {
  const core = await start();
  const feeds = createFeeds(core);
  const place = await factJournals(core).position("ann");
  const thread = await core.thread.create("ann", { title: "Missed" });
  const [knows, lost] = [await openPage(feeds, null, place), await openPage(feeds, null, "of another process.7")];
  expect(knows.text()).toBe("event: threads-changed\ndata: \n\n");
  expect(lost.text()).toBe("event: threads-reload\ndata: \n\n");
  await core.thread.update("ann", thread.id, { title: "Heard" });
  for (const page of [knows, lost]) await until(() => page.told.length === 2);
  for (const page of [knows, lost]) expect(page.text()).toMatch(/event: threads-changed\ndata: \n\nfacts: \S+\n\n$/);
  for (const { leave } of [knows, lost]) leave();
});

test("when the last page has left, nothing is read or told any more", async () => {
  const core = await start();
  const thread = await core.thread.create("ann", { title: "hers" });
  const feeds = createFeeds(core);
  const pages = [await openPage(feeds, thread.id), await openPage(feeds, null)];
  await until(() => pages[0]?.told.length === 2);
  for (const { leave } of pages) leave();
  const told = pages.map((page) => page.told.length);
  const before = reads;
  await core.thread.update("ann", thread.id, { title: "Alone" });
  const own = reads - before;
  await Bun.sleep(LIST_MS);
  expect(reads - before).toBe(own);
  expect(pages.map((page) => page.told.length)).toEqual(told);
});
