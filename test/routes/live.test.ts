import { describe, expect, test } from "bun:test";
import type { User, Words } from "../../src/protocols";
import { atEnd } from "../support/at-end";
import { readSse, type SseEvent } from "../support/read-sse";
import { type Client, startServer } from "../support/server";
import { type Answer, gate, reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
atEnd(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const { core } = server;
const [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];
const ANN: User = { username: "ann", role: "admin" };

/** A page's live channel, read message by message. */
interface Live {
  /** All messages up to the one whose data or event name holds `words`. */
  until(words: string): Promise<SseEvent[]>;
  close(): void;
}

async function listen(client: Client, path: string, headers: Record<string, string> = {}): Promise<Live> {
  const controller = new AbortController();
  const response = await client.fetch(path, { signal: controller.signal, headers });
  const messages = readSse(response)[Symbol.asyncIterator]();
  return {
    async until(words) {
      const seen: SseEvent[] = [];
      for (;;) {
        const next = await messages.next();
        if (next.done) throw new Error(`The channel ended before ${words}`);
        seen.push(next.value);
        if (`${next.value.event} ${next.value.data}`.includes(words)) return seen;
      }
    },
    close: () => controller.abort(),
  };
}

/** Where the page's live channel connects. */
async function channelOf(client: Client, path: string): Promise<string> {
  const markup = await (await client.fetch(path, { headers: { accept: "text/html" } })).text();
  return /hx-sse:connect="([^"]+)"/.exec(markup)?.[1]?.replaceAll("&amp;", "&") ?? "";
}

async function begin(content: string, answer: Answer, threadId?: string): Promise<{ id: string; path: string }> {
  upstream.script(answer);
  const turn = await core.turns.start(ANN, { content, ...(threadId !== undefined && { threadId }) });
  return { id: turn.threadId, path: `/t/${turn.threadId}` };
}

async function settle(threadId: string): Promise<void> {
  const live = await core.turns.live(ANN, threadId);
  const events = live && (await core.turns.follow(ANN, live.id, 0, new AbortController().signal));
  for await (const _ of events ?? []);
}

describe("the live channel", () => {
  test("a page that is up to date hears nothing until something happens", async () => {
    const { id, path } = await begin("Hello", reply("Hi."));
    await settle(id);
    const live = await listen(ann, await channelOf(ann, path));
    await core.thread.update("ann", id, { title: "Renamed" });
    await core.bus.publish("user:ann", { type: "threads-changed", threadId: id });
    const heard = await live.until('value="Renamed"');
    const told = heard.map(({ data }) => data).join("");
    expect(told).toMatch(/^<hx-partial hx-target="#title".*<hx-partial hx-target="#page-title".*<\/hx-partial>$/);
    live.close();
  });

  test("each page hears its own language, and the words stay those of the page", async () => {
    const end = gate();
    const { id, path } = await begin("Hello", { parts: ["Hi.", { wait: end.opened }] });
    const at = await channelOf(ann, path);
    const [english, german] = [await listen(ann, at), await listen(ann, at, { "accept-language": "de" })];
    for (const live of [english, german]) await live.until("Hi.");
    end.open();
    const told = await Promise.all([english.until('hx-target="#go"'), german.until('hx-target="#go"')]);
    expect(told.map((it) => /Copy the reply|Antwort kopieren/.exec(it.map(({ data }) => data).join(""))?.[0])).toEqual([
      "Copy the reply",
      "Antwort kopieren",
    ]);
    await settle(id);
    for (const live of [english, german]) live.close();
  });

  test("a message shows at once, with the place of its reply", async () => {
    const { id, path } = await begin("Hello", reply("Hi."));
    await settle(id);
    const live = await listen(ann, await channelOf(ann, path));
    const sentMs = performance.now();
    await begin("Are you there?", { parts: [{ wait: new Promise(() => {}) }] }, id);
    const heard = await live.until("Writing…");
    expect(heard.map(({ data }) => data).join("")).toContain("Are you there?");
    // A question to a turn that does not run yet would take two seconds.
    expect(performance.now() - sentMs).toBeLessThan(1500);
    const running = await core.turns.live(ANN, id);
    await core.turns.stop(ANN, running?.id ?? "");
    live.close();
  });

  test("a page that missed something gets the state, by its cursor, Last-Event-ID first", async () => {
    const { id, path } = await begin("One", reply("First reply."));
    await settle(id);
    const old = await channelOf(ann, path);
    await begin("Two", reply("Second reply."), id);
    await settle(id);
    const late = await listen(ann, old);
    const message = (await late.until("Second reply.")).at(-1);
    expect(message?.data).toStartWith('<hx-partial hx-target="#messages" hx-swap="outerMorph">');
    const caughtUp = await listen(ann, old, { "last-event-id": message?.id ?? "" });
    await core.bus.publish("user:ann", { type: "threads-changed", threadId: "another" });
    // What its list missed comes first, then what is published now.
    const heard = [...(await caughtUp.until("threads-changed")), ...(await caughtUp.until("threads-changed"))];
    expect(heard.filter(({ id: cursor }) => cursor !== null && cursor !== undefined)).toEqual([]);
    for (const live of [late, caughtUp]) live.close();
  });

  test("pages that look at one reply are told the same bytes, and it is rendered once", async () => {
    const [half, end] = [gate(), gate()];
    const text = { parts: ["# A\n\nb", { wait: half.opened }, " c\n\n", "- d", { wait: end.opened }, "\n\nlast"] };
    const { id, path } = await begin("Both", text);
    await upstream.request(upstream.requests.length || 1);
    const at = await channelOf(ann, path);
    const lives = [await listen(ann, at), await listen(ann, at)];
    for (const live of lives) await live.until("<p>b");
    let rendered = 0;
    const markdown = core.views.markdown;
    Object.assign(core.views, {
      markdown: (source: string, words: Words) => {
        rendered++;
        return markdown(source, words);
      },
    });
    half.open();
    const told = await Promise.all(lives.map((live) => live.until("<li>d</li>")));
    const whileTwo = rendered;
    Object.assign(core.views, { markdown });
    expect(told[0]).toEqual(told[1] ?? []);
    expect(whileTwo).toBeLessThan(12);
    end.open();
    for (const live of lives) await live.until('hx-target="#go"');
    for (const live of lives) live.close();
    await settle(id);
  });

  test("finished blocks are told once, and a late page starts from the whole", async () => {
    const [more, rest] = [gate(), gate()];
    const parts = ["Alpha\n\nBeta\n\nGam\n", { wait: more.opened }, "ma\n\nDelta", { wait: rest.opened }, "."];
    const { id, path } = await begin("Greek", { parts });
    const first = await listen(ann, await channelOf(ann, path));
    await first.until("Gam");
    const late = await listen(ann, await channelOf(ann, path));
    const [snapshot] = await late.until("Gam");
    expect(snapshot?.data).toMatch(/Alpha.*Beta.*class="tail".*Gam/s);
    more.open();
    const next = (await first.until("Delta")).map(({ data }) => data).join("");
    expect(next).not.toContain("Alpha");
    expect(next).toContain("ma</p>");
    rest.open();
    const end = (await first.until('hx-target="#go"')).map(({ data }) => data).join("");
    expect(end).not.toContain("Gam");
    first.close();
    late.close();
    await settle(id);
  });

  test("another branch, shown from elsewhere, replaces the messages", async () => {
    const { id, path } = await begin("Which?", reply("This one."));
    await settle(id);
    const [question, answer] = await core.thread.messages("ann", id);
    const live = await listen(ann, await channelOf(ann, path));
    upstream.script(reply("That one."));
    await core.turns.start(ANN, { content: null, threadId: id, parentId: question?.id ?? null });
    await live.until("That one.");
    await settle(id);
    await core.thread.update("ann", id, { headId: answer?.id ?? "" });
    await core.bus.publish("user:ann", { type: "threads-changed", threadId: id });
    await live.until("This one.");
    live.close();
  });

  test("line breaks of a model cannot make up messages of their own", async () => {
    const hostile = "a\r\revent: signed-out\rdata: x\r\r\n\nid: 9\n\nb";
    const end = gate();
    const { id, path } = await begin(hostile, { parts: [{ wait: end.opened }, hostile] });
    const live = await listen(ann, await channelOf(ann, path));
    const first = await live.until("Writing");
    end.open();
    const heard = [...first, ...(await live.until('hx-target="#go"'))];
    expect(heard.some(({ event }) => event === "signed-out")).toBe(false);
    expect(heard.some(({ id: eventId }) => eventId === "9")).toBe(false);
    live.close();
    await settle(id);
  });

  test("another user's thread is as silent as one that does not exist", async () => {
    const { id } = await begin("Secret", reply("A secret reply."));
    const live = await listen(bob, `/live?t=${id}&after=x`);
    await settle(id);
    await core.bus.publish("user:bob", { type: "threads-changed", threadId: id });
    await core.bus.publish("user:bob", { type: "threads-changed", threadId: "z" });
    const heard = (await live.until("threads-changed")).map(({ data }) => data).join("");
    expect(heard).not.toContain("ecret");
    expect(heard).not.toContain("#messages");
    live.close();
  });

  test("who is signed out is told so, in a stream that ends", async () => {
    const response = await fetch(`${server.url}/live`);
    expect(response.headers.get("content-type")).toStartWith("text/event-stream");
    const [said, closed] = await Array.fromAsync(readSse(response));
    expect(said?.data).toContain("You are signed out.");
    expect(closed?.event).toBe("signed-out");
  });

  test("windows of one browser come together: each is told its own chat, and nothing that is somebody else's", async () => {
    const [one, two] = [await begin("One", reply("First.")), await begin("Two", reply("Second."))];
    for (const { id } of [one, two]) await settle(id);
    const queries = await Promise.all([one, two].map(async ({ path }) => (await channelOf(ann, path)).split("?")[1]));
    expect(queries[0]).toContain("&user=ann");
    const pages = [...queries, "user=bob&facts=x"].map((it, index) => encodeURIComponent(`${it}&number=${index + 1}`));
    const response = await ann.fetch(`/live?${pages.map((it) => `page=${it}`).join("&")}`);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    /** What each window was told, by its number. */
    const told: Record<string, string> = {};
    let [text, number] = ["", ""];
    const until = async (isTold: () => boolean) => {
      while (!isTold()) {
        text += (await reader?.read())?.value ?? "";
        const messages = text.split("\n\n");
        text = messages.pop() ?? "";
        for (const message of messages) {
          const [, next] = /^page: (.*)/.exec(message) ?? [];
          if (next !== undefined) number = next;
          else if (!message.startsWith(":")) told[number] = `${told[number] ?? ""}${message}\n\n`;
        }
      }
    };
    await core.thread.update("ann", two.id, { title: "Renamed" });
    await core.bus.publish("user:ann", { type: "threads-changed", threadId: two.id });
    await until(() => ["1", "2"].every((it) => told[it]?.includes("facts: ")));
    expect(told[2]).toContain('value="Renamed"');
    expect(told[1]).toContain("event: threads-changed");
    expect(told[1]).not.toContain("Renamed");
    expect(told[1]).not.toContain('hx-target="#title"');
    expect(told[3]).toMatch(/^data: .*signed out.*\n\nevent: signed-out\ndata: \n\n$/);
    const [, facts = ""] = /facts: (.*)/.exec(told[1] ?? "") ?? [];
    await reader?.cancel();
    // Whoever goes on after that place is not told the same again.
    const later = await listen(ann, `/live?t=${one.id}&after=x&user=ann&facts=${facts}`);
    const heard = await later.until("#messages");
    expect(heard.map(({ event }) => event)).not.toContain("threads-changed");
    later.close();
    const hers = await listen(ann, "/live?user=bob");
    await hers.until("signed-out");
    await expect(hers.until("anything")).rejects.toThrow("ended");
  });
});
