import { describe, expect, test } from "bun:test";
import { daysOf, groupOf } from "../../../src/routes/page/list";
import { type Client, startServer } from "../../support/server";

const server = await startServer();
const { core } = server;
const [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];
const PAGE = { accept: "text/html" };
const HTMX = { ...PAGE, "hx-request": "true" };

async function get(client: Client, path: string, headers: Record<string, string> = PAGE): Promise<string> {
  return (await client.fetch(path, { headers })).text();
}

function send(client: Client, path: string, fields: Record<string, string>, headers: Record<string, string> = PAGE) {
  return client.fetch(path, { method: "POST", body: new URLSearchParams(fields), headers, redirect: "manual" });
}

const create = async (title: string, fields: object = {}) => (await core.thread.create("ann", { title, ...fields })).id;
const namesIn = (markup: string) => [...markup.matchAll(/class="name" dir="auto">([^<]*)</g)].map(([, name]) => name);

describe("the list of chats", () => {
  test("groups what is pinned and what is of one time, and a group goes on over pages without a second heading", async () => {
    const pinned = await create("on top", { pinned: true });
    for (let number = 0; number < 60; number++) await create(`day ${number}`);
    const first = await get(ann, "/threads");
    expect(first).toMatch(/id="g-pinned".*on top.*id="g-today".*day 59/s);
    const next = /hx-get="(\/threads\?list=[^"]+)"/.exec(first)?.[1]?.replaceAll("&amp;", "&") ?? "";
    const second = await get(ann, next);
    expect(second).not.toContain("<h2>");
    expect([...namesIn(first), ...namesIn(second)]).toHaveLength(61);
    expect(second).toContain('name="shown" value="61"');
    expect(namesIn(await get(ann, "/threads?shown=61"))).toHaveLength(61);
    await core.thread.archive("ann", pinned);
    for (const { id } of await core.thread.list("ann", { limit: 100 })) await core.thread.archive("ann", id);
  });

  test("comes as a whole when its last entry has moved before the next page was asked for, so that none is there twice", async () => {
    for (let number = 0; number < 60; number++) await create(`chat ${number}`);
    const first = await get(ann, "/threads");
    const next = /hx-get="(\/threads\?list=[^"]+)"/.exec(first)?.[1]?.replaceAll("&amp;", "&") ?? "";
    const last = (await core.thread.list("ann", { limit: 50 })).at(-1)?.id ?? "";
    const message = { role: "user", type: "text", content: "More", turnId: "none", step: 0 } as const;
    await core.thread.append("ann", last, { ...message, parentId: null });
    const response = await ann.fetch(next, { headers: HTMX });
    expect(response.headers.get("hx-retarget")).toBe("#threads");
    const names = namesIn(await response.text());
    expect([names.length, new Set(names).size, names[0]]).toEqual([60, 60, "chat 10"]);
    for (const { id } of await core.thread.list("ann", { limit: 100 })) await core.thread.archive("ann", id);
  });

  test("shows the chats of a tag, and archived ones", async () => {
    const id = await create("tagged", { tags: ["a & b"] });
    const other = await create("other");
    expect(namesIn(await get(ann, "/threads?tag=a+%26+b"))).toEqual(["tagged"]);
    expect(await get(ann, "/?tag=a+%26+b")).toContain('<input type="hidden" name="tag" value="a &amp; b">');
    expect(await get(ann, "/threads")).toContain('href="?tag=a+%26+b"');
    await core.thread.archive("ann", other);
    expect(namesIn(await get(ann, "/threads?archived=true"))).toContain("other");
    expect(namesIn(await get(ann, "/threads"))).toEqual(["tagged"]);
    await core.thread.archive("ann", id);
    expect(await get(ann, "/threads")).toContain("Nothing here yet.");
  });

  test("an entry is changed by one form, with the list made anew or the page shown again", async () => {
    const id = await create("before");
    const form = await get(ann, `/threads/${id}?change=${id}`);
    expect(form).toContain(`id="e-${id}"`);
    expect(await get(ann, `/?change=${id}`)).toContain(`id="e-${id}"`);
    const fields = { change: id, back: "?tag=x", title: " after ", tags: "x, y ,x", pinned: "on" };
    const plain = await send(ann, `/t/${id}/details`, fields, { ...PAGE, referer: `${server.url}/t/${id}?change=1` });
    expect(plain.headers.get("location")).toBe(`/t/${id}?tag=x`);
    expect(await core.thread.get("ann", id)).toMatchObject({ title: "after", tags: ["x", "y"], pinned: true });
    const swapped = await send(ann, `/t/${id}/details`, { ...fields, pinned: "", tag: "y" }, HTMX);
    const markup = await swapped.text();
    expect(markup).toStartWith('<hx-partial hx-target="#threads" hx-swap="outerMorph">');
    expect(markup).toContain('name="tag" value="y"');
    expect(markup).not.toContain(`id="e-${id}"`);
    expect((await core.thread.get("ann", id))?.pinned).toBe(false);
    await core.thread.archive("ann", id);
  });

  test("what is archived or restored while it is open is shown anew", async () => {
    const id = await create("open");
    const archived = await send(ann, `/t/${id}/archive`, { change: id, current: id }, HTMX);
    expect([archived.status, archived.headers.get("hx-redirect")]).toEqual([204, "/"]);
    const restored = await send(ann, `/t/${id}/restore`, { change: id, current: id }, HTMX);
    expect([restored.status, restored.headers.get("hx-redirect")]).toEqual([204, `/t/${id}`]);
    const elsewhere = await send(ann, `/t/${id}/archive`, { change: id, current: "another" }, HTMX);
    expect(await elsewhere.text()).toContain('hx-target="#threads"');
  });

  test("a form leads to no other site, whatever it and the page before say", async () => {
    const id = await create("safe");
    for (const [referer, back] of [
      ["https://evil.example//evil.example", "?x"],
      [`${server.url}//evil.example`, "?x"],
      ["", "//evil.example"],
      [`${server.url}/`, "/\\evil.example"],
    ] as const) {
      const fields = { change: id, back, title: "x", tags: "" };
      const answer = await send(ann, `/t/${id}/details`, fields, { ...PAGE, ...(referer && { referer }) });
      const target = new URL(answer.headers.get("location") ?? "", server.url);
      expect(target.origin).toBe(server.url);
    }
  });

  test("the form of another user's chat is not in the page", async () => {
    expect(await get(bob, `/?change=${await create("mine")}`)).not.toContain("mine");
  });

  test("is made once for windows that fetch it at one time, marks each one's own chat, and is made anew after a change", async () => {
    const [id, other] = [await create("Fetched"), await create("Beside it")];
    const list = core.thread.list;
    let reads = 0;
    Object.assign(core.thread, {
      list: (...args: Parameters<typeof list>) => {
        reads++;
        return list(...args);
      },
    });
    const [first, same, beside] = [
      await get(ann, `/threads?current=${id}`),
      await get(ann, `/threads?current=${id}`),
      await get(ann, `/threads?current=${other}`),
    ];
    expect([reads, same]).toEqual([1, first]);
    const currentOf = (markup: string) => /href="\/t\/([^"]+)" aria-current/.exec(markup)?.[1];
    expect([currentOf(first), currentOf(beside)]).toEqual([id, other]);
    await core.thread.update("ann", id, { title: "Fetched anew" });
    expect(await get(ann, "/threads")).toContain("Fetched anew");
    Object.assign(core.thread, { list });
    expect(await get(bob, "/threads")).not.toContain("Fetched");
  });

  test("that could not be read is read again by whoever comes next", async () => {
    const { list } = core.thread;
    Object.assign(core.thread, { list: () => Promise.reject(new Error("The disk is busy.")) });
    expect((await ann.fetch("/threads?shown=2", { headers: PAGE })).status).toBe(500);
    Object.assign(core.thread, { list });
    expect((await ann.fetch("/threads?shown=2", { headers: PAGE })).status).toBe(200);
  });

  test("days are those of the zone in the cookie, and a cookie that makes no sense is passed over", async () => {
    const id = await create("zoned");
    const message = { parentId: null, role: "user", type: "text", content: "x", turnId: "t", step: 0 } as const;
    await core.thread.append("ann", id, { ...message, timestamp: new Date(Date.now() - 13 * 3_600_000).toISOString() });
    const groupsOf = async (zone: string) => {
      const markup = await get(ann, "/threads", { ...PAGE, cookie: `zone=${zone}` });
      return /id="g-(\w+)"[^i]*><h2>[^<]*<\/h2><\/li><li id="c-[^"]*" class="thread"><a[^>]*><span[^>]*>zoned/.exec(
        markup,
      )?.[1];
    };
    const zones = ["Etc/GMT-14", "Etc/GMT-2", "Etc/GMT+11"];
    const days = zones.map((zone) => {
      const day = (ms: number) => new Intl.DateTimeFormat("sv", { timeZone: zone }).format(ms);
      return day(Date.now()) === day(Date.now() - 13 * 3_600_000) ? undefined : "yesterday";
    });
    for (const [index, zone] of zones.entries()) if (days[index]) expect(await groupsOf(zone)).toBe("yesterday");
    expect(days).toContain("yesterday");
    for (const zone of ["Nowhere/Land", "../../etc", "x".repeat(500), "%00"]) {
      expect((await ann.fetch("/threads", { headers: { ...PAGE, cookie: `zone=${zone}` } })).status).toBe(200);
    }
  });
});

describe("the calendar of a reader", () => {
  const now = "2026-07-16T10:00:00Z"; // A Thursday.
  const groups: [iso: string, zone: string, group: string][] = [
    ["2026-07-16T00:00:00Z", "UTC", "today"],
    ["2026-07-17T09:00:00Z", "UTC", "today"],
    ["2026-07-15T23:59:59.999Z", "UTC", "yesterday"],
    ["2026-07-15T23:59:59.999Z", "Europe/Berlin", "today"],
    ["2026-07-16T06:00:00Z", "America/Los_Angeles", "yesterday"],
    ["2026-07-14T12:00:00Z", "UTC", "week"],
    ["2026-07-13T00:00:00Z", "UTC", "week"],
    ["2026-07-12T23:59:59Z", "UTC", "2026-07"],
    ["2026-06-30T23:00:00Z", "Europe/Berlin", "2026-07"],
    ["2026-06-30T23:00:00Z", "UTC", "2026-06"],
    ["1999-12-31T12:00:00Z", "UTC", "1999-12"],
    ["not a time", "UTC", "1970-01"],
  ];
  test.each(groups)("%s in %s is in the group %s", (iso, zone, group) => {
    const dayOf = daysOf(zone);
    expect(groupOf(dayOf(Date.parse(iso)), dayOf(Date.parse(now)))).toBe(group);
  });

  test("on a Monday the week has only that day", () => {
    const [saturday = 0, sunday = 0, monday = 0] = ["2026-07-11", "2026-07-12", "2026-07-13"].map((date) =>
      daysOf("UTC")(Date.parse(date)),
    );
    expect([groupOf(sunday, monday), groupOf(saturday, monday)]).toEqual(["yesterday", "2026-07"]);
  });

  test("days follow each other over a change of the clocks", () => {
    const days = ["2026-03-28T22:30:00Z", "2026-03-29T21:30:00Z", "2026-03-30T21:30:00Z"].map((iso) =>
      daysOf("Europe/Berlin")(Date.parse(iso)),
    );
    expect(days.map((day) => day - (days[0] ?? 0))).toEqual([0, 1, 2]);
  });
});
