/** Needs the machine alone: it measures how late a server hears of what another one does. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Api, answerCall, followAfter, type Seen, sendMessage, signIn } from "../support/crash-client";
import { writePlugins } from "../support/plugin-files";
import { readSse, textOf, type WireEvent } from "../support/read-sse";
import { type ServerProcess, SOURCE, startServer } from "../support/server-process";
import { temporaryFolder } from "../support/temporary";
import { until } from "../support/until";
import { type Part, reply, startUpstream, toolCall, type Upstream } from "../support/upstream";

const PASSWORD = "one of two servers";
const LATE_MS = 50; // A person cannot tell it from at once.

const ASKING = `
import { type Plugin, t } from "skeleton";
const ask = { name: "ask", description: "", parameters: t.Object({}), approval: true, execute: async () => "done" };
export default { name: "asking", tools: [ask] } satisfies Plugin;
`;

describe("two servers that were started on one folder", () => {
  let upstream: Upstream;
  let servers: ServerProcess[] = [];
  let [here, there] = [] as unknown as [Api, Api];

  beforeAll(async () => {
    upstream = startUpstream();
    const folder = temporaryFolder();
    const hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
    writeFileSync(join(folder, "users.yaml"), `ann: { password_hash: "${hash}", role: user }\n`);
    writePlugins(join(folder, "plugins"), { "tools/asking.ts": ASKING });
    const env = { OPENAI_BASE_URL: upstream.baseUrl, LOG_LEVEL: "WARNING" };
    servers = [];
    for (let n = 0; n < 2; n++) servers.push(await startServer({ command: SOURCE, folder, env }));
    [here, there] = (await Promise.all(servers.map(({ address }) => signIn(address, PASSWORD)))) as [Api, Api];
  });

  afterAll(async () => {
    const codes = await Promise.all(servers.map((server) => server.stop()));
    await upstream.stop();
    expect(codes).toEqual([0, 0]);
    // As all says that the bus has to say of trouble.
    expect(servers.map((server) => server.output()).join("")).not.toContain("on the same data");
  });

  const ask = (api: Api, path: string, init: RequestInit = {}) =>
    fetch(api.address + path, {
      ...init,
      headers: { authorization: `Bearer ${api.token}`, "content-type": "application/json" },
    });
  const arrival = async ({ events }: Seen, is: (event: WireEvent) => boolean): Promise<number> => {
    await until(() => events.some(is));
    return events.find(is)?.atMs ?? Number.NaN;
  };
  const idsOf = async (seen: Seen) => {
    await until(() => seen.events.length > 0);
    const { turn_id: turnId = "", thread_id: threadId = "" } = seen.events[0]?.data ?? {};
    return { turnId, threadId };
  };
  /** The median of what `measure` gives in some rounds. */
  const median = async (rounds: number, measure: () => Promise<number>): Promise<number> => {
    const times: number[] = [];
    for (let n = 0; n < rounds; n++) times.push(await measure());
    return times.sort((a, b) => a - b)[rounds >> 1] ?? Number.NaN;
  };

  test("a follower of the other one's turn hears each word as soon as its own", async () => {
    const gates = Array.from({ length: 15 }, () => Promise.withResolvers<void>());
    upstream.script({ parts: ["Begun.", ...gates.flatMap(({ promise }, n): Part[] => [{ wait: promise }, ` ${n}.`])] });
    const first = sendMessage(here, { content: "Go" });
    const { turnId } = await idsOf(first);
    const follower = followAfter(there, turnId, 0);
    await until(() => textOf(follower.events) === "Begun.");
    const late: number[] = [];
    for (const [n, gate] of gates.entries()) {
      gate.resolve();
      const is = ({ data }: WireEvent) => data.content?.includes(` ${n}.`) === true;
      late.push((await arrival(follower, is)) - (await arrival(first, is)));
    }
    await Promise.all([first.over, follower.over]);
    expect(textOf(follower.events)).toBe(textOf(first.events));
    const lateMs = late.sort((a, b) => a - b)[late.length >> 1];
    console.log(`following across processes: ${lateMs?.toFixed(1)} ms later than at the owner`);
    expect(lateMs).toBeLessThan(LATE_MS);
  });

  test("what happens at one is told by the live stream of the other", async () => {
    upstream.script(reply("A chat."));
    const first = sendMessage(here, { content: "Go" });
    await first.over;
    const { threadId } = await idsOf(first);
    let tell = (_atMs: number): void => {};
    const live = new AbortController();
    const response = await ask(there, "/api/v1/live", { signal: live.signal });
    const reading = (async () => {
      for await (const { data } of readSse(response)) if (data.includes(threadId)) tell(performance.now());
    })().catch(() => {}); // Of the abort.
    let n = 0;
    const rename = async () => {
      n += 1;
      const body = JSON.stringify({ title: `Title ${n}` });
      expect((await ask(here, `/api/v1/threads/${threadId}`, { method: "POST", body })).status).toBe(200);
    };
    const lateMs = await median(9, async () => {
      const told = new Promise<number>((resolve) => {
        tell = resolve;
      });
      const begun = performance.now();
      await rename();
      return (await told) - begun;
    });
    live.abort();
    await reading;
    console.log(`told of a rename by the other process: ${lateMs.toFixed(1)} ms after it was asked for`);
    expect(lateMs).toBeLessThan(LATE_MS);
  });

  test("a stop at one ends the turn of the other", async () => {
    const lateMs = await median(5, async () => {
      upstream.script({ parts: ["Begun.", { wait: new Promise(() => {}) }] });
      const first = sendMessage(here, { content: "Go" });
      await until(() => textOf(first.events) === "Begun.");
      const { turnId } = await idsOf(first);
      const begun = performance.now();
      expect((await ask(there, `/api/v1/turns/${turnId}`, { method: "DELETE" })).status).toBe(200);
      return (await arrival(first, ({ event }) => event === "stream_end")) - begun;
    });
    console.log(`stopped from the other process in ${lateMs.toFixed(1)} ms`);
    expect(lateMs).toBeLessThan(LATE_MS);
  });

  test("a yes at one lets the call of the other go on", async () => {
    const lateMs = await median(5, async () => {
      upstream.script({ parts: toolCall("ask", {}, { id: "call_1" }) });
      upstream.script(reply("Done."));
      const first = sendMessage(here, { content: "Go" });
      await arrival(first, ({ event }) => event === "approval_asked");
      const { turnId } = await idsOf(first);
      const begun = performance.now();
      expect((await answerCall(there, turnId, "call_1", true)).status).toBe(200);
      const late = (await arrival(first, ({ event }) => event === "tool_result")) - begun;
      await first.over;
      return late;
    });
    console.log(`approved from the other process in ${lateMs.toFixed(1)} ms`);
    expect(lateMs).toBeLessThan(LATE_MS);
  });

  test("a session that was ended at one is over at the other", async () => {
    const other = await signIn(here.address, PASSWORD);
    const elsewhere = { ...other, address: there.address };
    expect((await ask(elsewhere, "/api/v1/models")).status).toBe(200);
    expect((await ask(other, "/logout", { method: "POST" })).status).toBe(200);
    await until(async () => (await ask(elsewhere, "/api/v1/models")).status === 401);
  });
});
