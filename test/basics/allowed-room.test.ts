import { expect, test } from "bun:test";
import { usedBytes } from "../../src/basics/allowed";
import type { User } from "../../src/protocols";
import { atEnd } from "../support/at-end";
import { type Client, startServer, type TestServer } from "../support/server";
import { reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-one"] });
upstream.otherwise(reply("Yes."));
atEnd(() => upstream.stop());

const QUOTA = 10_000;
const ANN: User = { username: "ann", role: "admin" };

const start = (): Promise<TestServer> =>
  startServer({ config: { openaiBaseUrl: upstream.baseUrl, quotaBytes: QUOTA } });

interface FileJson {
  readonly id: string;
  readonly size: number;
  readonly removed?: boolean;
}

function upload(client: Client, bytes: number, letter = "x"): Promise<Response> {
  const body = new FormData();
  body.set("file", new File([letter.repeat(bytes)], `${letter}.txt`, { type: "text/plain" }));
  return client.fetch("/api/v1/files", { method: "POST", body });
}

const remove = (client: Client, id: string) => client.fetch(`/api/v1/files/${id}`, { method: "DELETE" });

async function say(server: TestServer, content: string, threadId?: string): Promise<string> {
  const turn = await server.core.turns.start(ANN, { content, ...(threadId && { threadId }) });
  for await (const _ of (await server.core.turns.follow(ANN, turn.id, 0, new AbortController().signal)) ?? []);
  return turn.threadId;
}

test("a file beyond the quota is refused in a sentence, one of a content that is there costs nothing, and others have room", async () => {
  const server = await start();
  const [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];
  expect((await upload(ann, 6000, "a")).status).toBe(200);
  const refused = await upload(ann, 6000, "b");
  expect(refused.status).toBe(413);
  const { detail } = (await refused.json()) as { detail: string };
  expect(detail).toContain("take 6 kB of the 10 kB");
  expect(detail).toContain("no room for 6 kB more");
  expect(detail).toContain("DELETE /api/v1/files");
  expect((await upload(ann, 6000, "a")).status).toBe(200);
  expect((await upload(bob, 6000, "b")).status).toBe(200);
  expect(await usedBytes(server.core, "ann")).toBe(6000);
});

test("of many messages at once, no more are taken than there is room for", async () => {
  const server = await start();
  const sent = await Promise.allSettled(
    Array.from({ length: 8 }, () => server.core.turns.start(ANN, { content: "x".repeat(4000) })),
  );
  const taken = sent.filter(({ status }) => status === "fulfilled").length;
  expect([1, 2]).toContain(taken);
  const refused = sent.flatMap((it) => (it.status === "rejected" ? [it.reason] : []));
  for (const error of refused) expect(error).toMatchObject({ code: "tooLarge" });
  expect(await usedBytes(server.core, "ann")).toBeLessThan(QUOTA);
});

test("of many files at once, of different and of the same contents, none goes beyond the quota", async () => {
  const server = await start();
  const ann = await server.signIn("ann");
  const letters = ["a", "a", "b", "b", "c", "c", "d", "d"];
  const answers = await Promise.all(letters.map((letter) => upload(ann, 4000, letter)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 413]));
  const files = await ann.json<FileJson[]>("/api/v1/files");
  expect(files.length).toBe(answers.filter(({ status }) => status === 200).length);
  const used = await usedBytes(server.core, "ann");
  expect(used).toBeLessThanOrEqual(QUOTA);
  for (const { id } of files) await remove(ann, id);
  expect(await usedBytes(server.core, "ann")).toBe(0);
  expect((await upload(ann, QUOTA)).status).toBe(200);
});

test("files are listed in pages and removed; others keep theirs, and messages say that a file is gone", async () => {
  const server = await start();
  const [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];
  const answers = [await upload(ann, 100), await upload(ann, 100), await upload(bob, 100)];
  const [one, again, his] = await Promise.all(answers.map((it) => it.json() as Promise<FileJson>));
  if (!one || !again || !his) throw new Error("Not uploaded");
  const listed = await ann.json<FileJson[]>("/api/v1/files?limit=1");
  expect(listed.map(({ id }) => id)).toEqual([again.id]);
  expect((await ann.json<FileJson[]>(`/api/v1/files?before=${again.id}`)).map(({ id }) => id)).toEqual([one.id]);
  const info = await server.core.file.get("ann", one.id);
  const turn = await server.core.turns.start(ANN, { content: "Look", files: info ? [info] : [] });
  for await (const _ of (await server.core.turns.follow(ANN, turn.id, 0, new AbortController().signal)) ?? []);

  expect((await remove(bob, one.id)).status).toBe(404);
  expect(await (await remove(ann, one.id)).json()).toMatchObject({ id: one.id, size: 100, removed: true });
  expect((await remove(ann, one.id)).status).toBe(404);
  expect((await ann.fetch(`/api/v1/files/${one.id}`)).status).toBe(404);
  for (const [client, { id }] of [
    [ann, again],
    [bob, his],
  ] as const) {
    expect((await (await client.fetch(`/api/v1/files/${id}`)).text()).length).toBe(100);
  }
  const [message] = await ann.json<{ files: FileJson[] }[]>(`/api/v1/threads/${turn.threadId}/messages`);
  expect(message?.files).toMatchObject([{ id: one.id, removed: true }]);
  const page = await (await ann.fetch(`/t/${turn.threadId}`, { headers: { accept: "text/html" } })).text();
  expect(page).toMatch(/<s[^>]*>x\.txt<\/s> \(removed\)/);
  expect(page).not.toContain(`/api/v1/files/${one.id}`);
});

test("of many forks at once, none goes beyond the quota", async () => {
  const server = await start();
  const ann = await server.signIn("ann");
  const threadId = await say(server, "y".repeat(4000));
  const [message] = await ann.json<{ id: string }[]>(`/api/v1/threads/${threadId}/messages`);
  const fork = () => ann.post(`/api/v1/threads/${threadId}/fork`, { message_id: message?.id });
  const answers = await Promise.all([fork(), fork(), fork(), fork()]);
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 413, 413, 413]);
  expect(await usedBytes(server.core, "ann")).toBeLessThanOrEqual(QUOTA);
});

test("texts count: a message, another reply, going on and a fork are refused when there is no room, and leave nothing", async () => {
  const server = await start();
  const ann = await server.signIn("ann");
  const threadId = await say(server, "y".repeat(4000));
  expect(await usedBytes(server.core, "ann")).toBeGreaterThan(4000);
  const messages = await ann.json<{ id: string; turn_id: string }[]>(`/api/v1/threads/${threadId}/messages`);
  const last = messages.at(-1);
  const fork = () => ann.post(`/api/v1/threads/${threadId}/fork`, { message_id: last?.id });
  expect((await fork()).status).toBe(200);
  expect(await usedBytes(server.core, "ann")).toBeGreaterThan(8000);
  const threads = (await server.core.thread.list("ann")).length;
  expect((await fork()).status).toBe(413);
  expect((await ann.post("/api/v1/message", { content: "z".repeat(4000) })).status).toBe(413);
  const most = QUOTA - (await usedBytes(server.core, "ann"));
  expect((await upload(ann, most)).status).toBe(200);
  await server.core.thread.update("ann", threadId, { metadata: { note: "beyond".repeat(20) } });
  const regenerate = { parent_id: messages[0]?.id, thread_id: threadId, regenerate: true };
  expect((await ann.post("/api/v1/message", regenerate)).status).toBe(413);
  const german = await ann.fetch("/t", {
    method: "POST",
    headers: { "hx-request": "true", "accept-language": "de", "content-type": "application/x-www-form-urlencoded" },
    body: "content=Hallo",
  });
  expect(german.status).toBe(413);
  expect(await german.text()).toContain("belegen 10,1 kB von 10 kB");
  expect((await server.core.thread.list("ann")).length).toBe(threads);
  expect((await ann.fetch(`/t/${threadId}`)).status).toBe(200);
});

test("without a quota nothing is refused", async () => {
  const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl, quotaBytes: 0 } });
  const ann = await server.signIn("ann");
  expect((await upload(ann, 2 * QUOTA)).status).toBe(200);
  await say(server, "Hello");
});
