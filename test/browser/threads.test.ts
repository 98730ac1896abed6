/**
 * The list of chats as a person uses it: live in every tab, paged, filtered, searched, changed in place, by key and without script.
 */

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { eventually, noBrowser, peopleOf, screenshot } from "../support/browser";
import { startServer } from "../support/server";
import { gate, reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a", "small-b"] });
afterAll(() => upstream.stop());
upstream.otherwise(reply("Noted."));
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const { core } = server;

const TIMEOUT_MS = 60_000;
const person = peopleOf(server.url);

afterEach(async () => {
  for (const username of ["ann", "bob"]) await clear(username);
});

/** Puts every chat away for good, as far as a list can tell. */
async function clear(username: string): Promise<void> {
  for (const archived of [false, true]) {
    for (const { id } of await core.thread.list(username, { archived, limit: 1000 })) {
      await core.store.delete(username, "threads", id);
    }
  }
  for (const { id } of await core.store.find(username, "thread_tags"))
    await core.store.delete(username, "thread_tags", id);
}

interface Told {
  readonly at?: string;
  readonly says?: string;
  readonly tags?: readonly string[];
  readonly pinned?: boolean;
}

async function addChat(title: string, { at, says = "Hello", ...fields }: Told = {}): Promise<string> {
  const { id } = await core.thread.create("ann", { title, ...fields });
  const message = { parentId: null, role: "user", type: "text", content: says, turnId: "t", step: 0 } as const;
  await core.thread.append("ann", id, { ...message, ...(at && { timestamp: at }) });
  return id;
}

/** Titles in the order of the list, with headings as `# Today`. */
async function listOf(page: Page): Promise<string[]> {
  return page.$$eval("#threads > ul > li:not(.end)", (items) =>
    items
      .filter((item) => (item as unknown as { checkVisibility(): boolean }).checkVisibility())
      .map((item) => {
        const heading = item.querySelector("h2")?.textContent;
        return heading ? `# ${heading}` : (item.querySelector(".name")?.textContent ?? "(form)");
      }),
  );
}

/** A chat that moves is taken out and put in: for a moment it is nowhere. */
async function expectList(page: Page, titles: readonly string[]): Promise<void> {
  await eventually<readonly string[]>(() => listOf(page), titles);
}

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();

async function edit(page: Page, title: string): Promise<void> {
  await page.hover(`.thread:has-text("${title}")`);
  await page.click(`.thread:has-text("${title}") .change`);
  await page.waitForSelector(".thread-form");
}

describe.skipIf(noBrowser !== null)("the list of chats", () => {
  test(
    "what is done in one tab, or by the API, shows in every tab where it belongs",
    async () => {
      await addChat("Older", { at: daysAgo(400) });
      const first = await addChat("First");
      const ann = await person("ann");
      const [page, other] = [await ann.open(`/t/${first}`), await ann.open("/")];
      const month = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric" }).format(
        Date.parse(daysAgo(400)),
      );
      await expectList(other, ["# Today", "First", `# ${month}`, "Older"]);
      const api = await server.signIn("ann");
      await (await api.post("/api/v1/message", { content: "By the API" })).text();
      await expectList(other, ["# Today", "By the API", "First", `# ${month}`, "Older"]);
      await page.bringToFront();
      await expectList(page, ["# Today", "By the API", "First", `# ${month}`, "Older"]);
      await edit(page, "Older");
      await screenshot(page, "list-edit");
      await page.fill(".thread-form [name=title]", "Renamed");
      await page.press(".thread-form [name=title]", "Enter");
      await expectList(page, ["# Today", "Renamed", "By the API", "First"]);
      await other.bringToFront();
      await expectList(other, ["# Today", "Renamed", "By the API", "First"]);
      await page.bringToFront();
      await page.fill("#title input", "At the top again");
      await page.press("#title input", "Enter");
      await other.bringToFront();
      await expectList(other, ["# Today", "At the top again", "Renamed", "By the API"]);
      await (await api.post(`/api/v1/threads/${first}`, { archived: true })).text();
      await expectList(other, ["# Today", "Renamed", "By the API"]);
      await (await api.post(`/api/v1/threads/${first}`, { archived: false, pinned: true })).text();
      await expectList(other, ["# Pinned", "At the top again", "# Today", "Renamed", "By the API"]);
    },
    TIMEOUT_MS,
  );

  test(
    "a chat in which a reply is written shows it, until that ends",
    async () => {
      const id = await addChat("Busy");
      await addChat("Idle");
      const ann = await person("ann");
      const page = await ann.open("/");
      await expectList(page, ["# Today", "Idle", "Busy"]);
      const end = gate();
      upstream.script({ parts: ["Working ", { wait: end.opened }, "done."] });
      await core.turns.start({ username: "ann", role: "admin" }, { content: "Go", threadId: id });
      await page.waitForSelector(".thread:has-text('Busy') .running");
      await expectList(page, ["# Today", "Busy", "Idle"]);
      await screenshot(page, "list-running");
      await eventually(() => page.locator(".running").count(), 1);
      end.open();
      await page.waitForSelector(".running", { state: "detached" });
    },
    TIMEOUT_MS,
  );

  test(
    "chats are pinned, tagged and found by their tag, and archived ones are found and restored",
    async () => {
      for (const title of ["One", "Two", "Three"]) await addChat(title);
      const ann = await person("ann");
      const page = await ann.open("/");
      await edit(page, "One");
      await page.fill(".thread-form [name=tags]", "trip, home");
      await page.check(".thread-form [name=pinned]");
      await page.click(".thread-form button >> text=Save");
      await expectList(page, ["# Pinned", "One", "# Today", "Three", "Two"]);
      await page.click(".filter summary");
      await screenshot(page, "list-filter");
      await page.click(".filter a >> text=trip");
      await expectList(page, ["# Pinned", "One"]);
      expect(new URL(page.url()).search).toBe("?tag=trip");
      await addChat("Four", { tags: ["trip"] });
      await expectList(page, ["# Pinned", "One", "# Today", "Four"]);
      await page.reload();
      await expectList(page, ["# Pinned", "One", "# Today", "Four"]);
      await edit(page, "Four");
      await page.click(".thread-form button >> text=Archive");
      await expectList(page, ["# Pinned", "One"]);
      await page.click(".filter summary");
      await page.click(".filter a >> text=Archived");
      await expectList(page, ["# Today", "Four"]);
      await screenshot(page, "list-archived");
      await edit(page, "Four");
      await page.click(".thread-form button >> text=Restore");
      await expectList(page, []);
      await page.click(".filter summary");
      await page.click(".filter a >> text=All chats");
      await expectList(page, ["# Pinned", "One", "# Today", "Four", "Three", "Two"]);
    },
    TIMEOUT_MS,
  );

  test(
    "a search shows where the words were said, leads there, and gives the list back",
    async () => {
      const id = await addChat("Animals", { says: "The quokka smiles at people." });
      await addChat("Plants", { says: "Nothing smiles here." });
      const ann = await person("ann");
      const page = await ann.open("/");
      await page.locator(".search input").pressSequentially("quok");
      await page.waitForSelector(".threads mark");
      await eventually(() => page.textContent(".threads mark"), "quok");
      await expectList(page, ["Animals"]);
      await core.thread.update("ann", id, { title: "Marsupials" });
      await expectList(page, ["Marsupials"]);
      await screenshot(page, "list-search");
      await page.press(".search input", "ArrowDown");
      await eventually(() => page.evaluate("document.activeElement.className"), "open");
      const [message] = await core.thread.messages("ann", id);
      await page.keyboard.press("Enter");
      await page.waitForURL(`**/t/${id}?at=${message?.id}&mark=quok#m-${message?.id}`);
      await page.waitForSelector(".bubble >> text=The quokka smiles");
      await page.fill(".search input", "no such word");
      await page.waitForSelector(".nothing >> text=Nothing found");
      await page.fill(".search input", "");
      await expectList(page, ["# Today", "Marsupials", "Plants"]);
    },
    TIMEOUT_MS,
  );

  test(
    "five hundred chats come in pages while scrolling, and stay where they are when something happens",
    async () => {
      const ids: string[] = [];
      for (let number = 0; number < 500; number++)
        ids.push(await addChat(`Chat ${number}.`, { at: daysAgo(1 + number) }));
      const ann = await person("ann");
      const page = await ann.open("/");
      const count = () => page.locator(".thread").count();
      expect(await count()).toBe(50);
      for (let pages = 2; pages <= 10; pages++) {
        await page.locator("#list-end").scrollIntoViewIfNeeded();
        await eventually(count, pages * 50);
      }
      const titles = (await listOf(page)).filter((title) => !title.startsWith("#"));
      expect(titles).toEqual(Array.from({ length: 500 }, (_, number) => `Chat ${number}.`));
      const headings = (await listOf(page)).filter((title) => title.startsWith("#"));
      expect(headings).toEqual([...new Set(headings)]);
      await core.thread.update("ann", ids[300] ?? "", { title: "Moved" });
      await eventually(() => page.locator(".thread .name").first().textContent(), "Moved");
      expect(await count()).toBe(500);
      await eventually(() => page.locator(".thread >> text='Chat 300.'").count(), 0);
      await core.thread.archive("ann", ids[400] ?? "");
      await eventually(count, 499);
      await page.locator(".thread >> text='Chat 499.'").scrollIntoViewIfNeeded();
      await screenshot(page, "list-long");
    },
    2 * TIMEOUT_MS,
  );

  test(
    "no chat is there twice when the last one shown has moved to the top before the list goes on",
    async () => {
      const ids: string[] = [];
      for (let number = 0; number < 120; number++)
        ids.push(await addChat(`Chat ${number}.`, { at: daysAgo(1 + number) }));
      const ann = await person("ann");
      const page = await ann.open("/");
      await eventually(() => page.locator(".thread").count(), 50);
      await core.thread.update("ann", ids[49] ?? "", { title: "Moved" });
      await eventually(() => page.locator(".thread .name").first().textContent(), "Moved");
      await page.locator("#list-end").scrollIntoViewIfNeeded();
      await eventually(() => page.locator(".thread").count(), 100);
      const titles = (await listOf(page)).filter((title) => !title.startsWith("#"));
      const others = Array.from({ length: 100 }, (_, number) => `Chat ${number}.`).filter((_, number) => number !== 49);
      expect(titles).toEqual(["Moved", ...others]);
    },
    TIMEOUT_MS,
  );

  test(
    "a list that changes while it is scrolled further keeps what comes",
    async () => {
      const ids: string[] = [];
      for (let number = 0; number < 120; number++)
        ids.push(await addChat(`Chat ${number}.`, { at: daysAgo(1 + number) }));
      const ann = await person("ann");
      const page = await ann.open("/");
      const next = gate();
      await page.route("**/threads?list=*", async (route) => {
        await next.opened;
        await route.continue();
      });
      await page.locator("#list-end").scrollIntoViewIfNeeded();
      await page.waitForSelector("#list-end.htmx-request");
      await core.thread.update("ann", ids[110] ?? "", { title: "Moved" });
      // Longer than the list waits before it is fetched.
      await expect(page.waitForSelector(".thread >> text=Moved", { timeout: 1500 })).rejects.toThrow();
      next.open();
      await page.waitForSelector(".thread >> text=Moved");
      expect(await page.locator(".thread").count()).toBe(100);
    },
    TIMEOUT_MS,
  );

  test(
    "a chat whose reply ended while no page showed it is marked until it is opened, in every tab",
    async () => {
      const ann = await person("ann");
      const page = await ann.open("/");
      upstream.script(reply("Here."));
      await page.fill("#text", "First");
      await page.press("#text", "Enter");
      await page.waitForSelector(".reply >> text=Here.");
      await page.waitForSelector("button.send");
      const path = new URL(page.url()).pathname;
      const other = await ann.open("/");
      await eventually(() => other.locator(".thread").count(), 1);
      await page.goto("/");
      await eventually(() => page.locator(".unseen").count(), 0);
      upstream.script(reply("Elsewhere."));
      const turn = await core.turns.start(
        { username: "ann", role: "admin" },
        { content: "More", threadId: path.slice(3) },
      );
      expect(turn.threadId).toBe(path.slice(3));
      for (const tab of [page, other]) {
        await tab.bringToFront();
        await tab.waitForSelector(".unseen");
      }
      await screenshot(other, "list-unseen");
      await other.click(".thread .open");
      await other.waitForSelector(".reply >> text=Elsewhere.");
      await page.bringToFront();
      await page.waitForSelector(".unseen", { state: "detached" });
      await page.reload();
      await eventually(() => page.locator(".unseen").count(), 0);
    },
    TIMEOUT_MS,
  );

  test(
    "the list is used by key alone",
    async () => {
      for (const title of ["One", "Two", "Three"]) await addChat(title);
      const ann = await person("ann");
      const page = await ann.open("/");
      await page.focus(".search input");
      for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"]) await page.keyboard.press(key);
      const focused = () => page.evaluate("document.activeElement.textContent");
      await eventually(() => focused(), "Two");
      await page.keyboard.press("Tab");
      await screenshot(page, "list-keys");
      await page.keyboard.press("Enter");
      await page.waitForSelector(".thread-form");
      await eventually(() => page.evaluate("document.activeElement.name"), "title");
      await page.keyboard.press("ControlOrMeta+a");
      await page.keyboard.type("Second");
      await page.keyboard.press("Enter");
      await expectList(page, ["# Today", "Second", "Three", "One"]);
      await page.focus(".search input");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await page.waitForSelector("#title input");
      await eventually(() => page.inputValue("#title input"), "Second");
    },
    TIMEOUT_MS,
  );

  test(
    "the focus stays with a chat that is changed or moves",
    async () => {
      const first = await addChat("First");
      const second = await addChat("Second");
      const ann = await person("ann");
      const page = await ann.open("/");
      await expectList(page, ["# Today", "Second", "First"]);
      const focused = () => page.evaluate("document.activeElement.closest('li')?.id ?? document.activeElement.id");
      await page.focus(`#c-${first} .change`);
      await page.keyboard.press("Enter");
      await page.waitForSelector(".thread-form");
      await page.keyboard.press("ControlOrMeta+a");
      await page.keyboard.type("Renamed");
      await page.keyboard.press("Enter");
      await expectList(page, ["# Today", "Renamed", "Second"]);
      await eventually(() => focused(), `c-${first}`);
      const message = { parentId: null, role: "user", type: "text", content: "Up", turnId: "t", step: 0 } as const;
      await page.focus(`#c-${second} .open`);
      await core.thread.append("ann", second, message);
      await expectList(page, ["# Today", "Second", "Renamed"]);
      await eventually(() => focused(), `c-${second}`);
    },
    TIMEOUT_MS,
  );

  test(
    "what is typed, where the focus is and how far the list is scrolled stay when the list changes",
    async () => {
      const ids: string[] = [];
      for (let number = 0; number < 40; number++) ids.push(await addChat(`Chat ${number}.`));
      const ann = await person("ann");
      const page = await ann.open("/");
      const focused = () => page.evaluate("document.activeElement.name");
      let changes = 0;
      const change = async () => {
        await core.thread.update("ann", ids[39] ?? "", { title: `Changed ${++changes}` });
        await page.waitForSelector(`.thread >> text=Changed ${changes}`);
      };
      await edit(page, "Chat 20.");
      await page.fill(".thread-form [name=tags]", "half a ta");
      await page.fill(".thread-form [name=title]", "Half a ti");
      await page.evaluate("document.querySelector('.thread-form [name=title]').setSelectionRange(2, 4)");
      const top = await page.$eval("#threads", (list) => list.scrollTop);
      expect(top).toBeGreaterThan(0);
      await change();
      expect(await focused()).toBe("title");
      expect(await page.$eval("#threads", (list) => list.scrollTop)).toBe(top);
      const selected = "((it) => [it.selectionStart, it.selectionEnd])(document.activeElement)";
      expect(await page.evaluate(selected)).toEqual([2, 4]);
      await page.fill("#text", "Meanwhile");
      await core.thread.update("ann", ids[20] ?? "", { title: "Renamed elsewhere" });
      await change();
      expect(await focused()).toBe("content");
      const typed = () =>
        page.$$eval(".thread-form [type=text], .thread-form input:not([type])", (all) =>
          all.map((it) => (it as unknown as { value: string }).value),
        );
      expect(await typed()).toEqual(["Half a ti", "half a ta"]);
      await page.click(".thread-form .cancel");
      await page.waitForSelector(".thread >> text=Renamed elsewhere");
      await page.fill(".search input", "changed");
      await page.waitForSelector(".threads > ul > li:only-child");
      await change();
      expect(await page.inputValue(".search input")).toBe("changed");
      await eventually(() => page.locator(".thread").count(), 1);
    },
    TIMEOUT_MS,
  );

  test(
    "days are those of the person's zone",
    async () => {
      // In one of the two it is another day than in the other, whenever this runs.
      await addChat("Just now");
      await addChat("Earlier", { at: new Date(Date.now() - 13 * 3_600_000).toISOString() });
      for (const timezoneId of ["Pacific/Kiritimati", "Pacific/Pago_Pago"]) {
        const dayIn = (ms: number) => new Intl.DateTimeFormat("sv", { timeZone: timezoneId }).format(ms);
        const isToday = dayIn(Date.now()) === dayIn(Date.now() - 13 * 3_600_000);
        const ann = await person("ann", { timezoneId });
        const page = await ann.open("/");
        const groups = isToday ? ["Just now", "Earlier"] : ["Just now", "# Yesterday", "Earlier"];
        await expectList(page, ["# Today", ...groups]);
        await page.reload();
        await expectList(page, ["# Today", ...groups]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "models that come or go show in the choice, which stays",
    async () => {
      const ann = await person("ann");
      const page = await ann.open("/");
      await page.selectOption("#models", "small-b");
      const list = core.model.list;
      let models = ["large-new", "small-a", "small-b", "z"];
      Object.assign(core.model, { list: async () => models });
      await core.bus.publish("everybody", { type: "models-changed" });
      const offered = () => page.locator("#models option").count();
      await eventually(offered, 4);
      await eventually(() => page.inputValue("#models"), "small-b");
      models = ["z", "small-b"];
      await core.bus.publish("everybody", { type: "models-changed" });
      await eventually(offered, 2);
      await eventually(() => page.inputValue("#models"), "small-b");
      models = [];
      await core.bus.publish("everybody", { type: "models-changed" });
      await page.waitForSelector("#models option >> text=No model", { state: "attached" });
      Object.assign(core.model, { list });
      await core.bus.publish("everybody", { type: "models-changed" });
      await eventually(offered, 2);
    },
    TIMEOUT_MS,
  );

  test(
    "without script, links and forms do it all",
    async () => {
      await addChat("Words", { says: "The quokka smiles." });
      for (let number = 0; number < 60; number++) await addChat(`Chat ${number}.`);
      const ann = await person("ann", { javaScriptEnabled: false });
      const page = await ann.open("/");
      await page.click(".more a");
      await page.waitForSelector(".thread >> text=Words");
      await page.click(".thread:has-text('Words') .change", { force: true });
      await page.fill(".thread-form [name=title]", "Other words");
      await page.fill(".thread-form [name=tags]", "trip");
      await page.check(".thread-form [name=pinned]");
      await screenshot(page, "list-no-script");
      await page.click(".thread-form button >> text=Save");
      await page.waitForSelector(".thread >> nth=0 >> text=Other words");
      await page.click(".filter summary");
      await page.click(".filter a >> text=trip");
      await eventually(() => page.locator(".thread").count(), 1);
      await page.click(".thread .change", { force: true });
      await page.click(".thread-form button >> text=Archive");
      await page.waitForSelector(".nothing");
      await page.goto("/?archived=true");
      await page.click(".thread .change", { force: true });
      await page.click(".thread-form button >> text=Restore");
      await page.goto("/?q=quokka");
      await page.click(".thread .open");
      await page.waitForSelector(".bubble >> text=The quokka smiles");
    },
    TIMEOUT_MS,
  );

  test(
    "it fits phones, in light and dark",
    async () => {
      const long = "A title that is much longer than any phone is wide, and goes on";
      await addChat(long, { tags: ["a tag of a length that nobody expects to see"], pinned: true });
      await addChat("Trip to Lisbon", { at: daysAgo(1) });
      for (const [width, colorScheme] of [
        [390, "light"],
        [390, "dark"],
        [320, "light"],
      ] as const) {
        const viewport = { width, height: 760 };
        const ann = await person("ann", { viewport, colorScheme, hasTouch: true, isMobile: true });
        const page = await ann.open("/");
        await page.click(".menu");
        await page.waitForSelector("#sidebar:popover-open");
        await page.click(".filter summary");
        await screenshot(page, `list-${width}-${colorScheme}`);
        await page.click(".filter a >> text=a tag of");
        await expectList(page, ["# Pinned", long]);
        await page.click(".thread .change");
        await page.waitForSelector(".thread-form");
        await screenshot(page, `list-${width}-${colorScheme}-edit`);
        await eventually(() => page.locator("#sidebar:popover-open").count(), 1);
        expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
        expect(await page.$eval("#threads", (list) => list.scrollWidth - list.clientWidth)).toBe(0);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "a form that was sent does not come back with an answer that was on its way",
    async () => {
      const id = await addChat("Draft");
      const other = await addChat("Other");
      const ann = await (await person("ann")).open("/");
      await edit(ann, "Draft");
      // The list's answer is held back until the form's is there; then the form's, while the list changes again.
      for (const held of ["GET", "POST"]) {
        const [begun, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        await ann.route(/\/threads\?|\/details/, async (route) => {
          if (route.request().method() !== held) return route.fallback();
          begun.resolve();
          await released.promise;
          await route.fallback().catch(() => {}); // It may have been given up.
        });
        if (held === "GET") {
          await core.thread.update("ann", other, { title: "Renamed" });
          await begun.promise;
        }
        await ann.fill(".thread-form [name=title]", `Sent ${held}`);
        await ann.press(".thread-form [name=title]", "Enter");
        if (held === "POST") {
          await begun.promise;
          await core.thread.update("ann", other, { title: "Renamed again" });
        } else await expectList(ann, ["# Today", "Sent GET", "Renamed"]);
        released.resolve();
        await ann.unrouteAll({ behavior: "wait" });
        await eventually(() => core.thread.get("ann", id).then((thread) => thread?.title), `Sent ${held}`);
        if (held === "GET") await edit(ann, "Sent GET");
      }
      await expectList(ann, ["# Today", "Sent POST", "Renamed again"]);
    },
    TIMEOUT_MS,
  );

  test(
    "a form that was opened stays when a list that was on its way comes, and the list is as it is now",
    async () => {
      await addChat("Draft");
      const other = await addChat("Other");
      const ann = await (await person("ann")).open("/");
      const [begun, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      await ann.route(/\/threads\?/, async (route) => {
        if (route.request().url().includes("change=")) return route.fallback();
        begun.resolve();
        await released.promise;
        await route.fallback().catch(() => {}); // It may have been given up.
      });
      await core.thread.update("ann", other, { title: "Renamed" });
      await begun.promise;
      await edit(ann, "Draft");
      released.resolve();
      await expectList(ann, ["# Today", "Renamed", "(form)"]);
      await ann.unrouteAll({ behavior: "wait" });
      await expectList(ann, ["# Today", "Renamed", "(form)"]);
    },
    TIMEOUT_MS,
  );
});
