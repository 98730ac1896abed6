import { describe, expect, test } from "bun:test";
import { noteSeen } from "../../../src/routes/page/branch";
import { atEnd } from "../../support/at-end";
import { startServer } from "../../support/server";
import { reply, startUpstream } from "../../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
atEnd(() => upstream.stop());
const server = await startServer({ config: { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl } });
const { core } = server;
const ann = await server.signIn("ann");
const PAGE = { accept: "text/html" };

/** By the API, of which no page knows. */
async function say(content: string, threadId?: string): Promise<string> {
  upstream.script(reply("Yes."));
  const sent = await ann.post("/api/v1/message", { content, ...(threadId !== undefined && { thread_id: threadId }) });
  const id = /"thread_id":"([^"]+)"/.exec(await sent.text())?.[1] ?? "";
  expect(sent.status).toBe(200);
  return id;
}

const isMarked = async (): Promise<boolean> =>
  (await (await ann.fetch("/threads", { headers: PAGE })).text()).includes('class="unseen"');

describe("a chat", () => {
  test("is marked once its reply came after a page had shown it, until a page shows it again", async () => {
    const id = await say("First");
    expect(await isMarked()).toBe(false);
    await ann.fetch(`/t/${id}`, { headers: PAGE });
    expect(await isMarked()).toBe(false);
    await say("Second", id);
    expect(await isMarked()).toBe(true);
    // An older part of it is not where the reply is.
    const [first] = await core.thread.messages("ann", id);
    await ann.fetch(`/t/${id}?before=${first?.id}`, { headers: PAGE });
    expect(await isMarked()).toBe(true);
    await ann.fetch(`/t/${id}`, { headers: PAGE });
    expect(await isMarked()).toBe(false);
  });

  test("is noted as seen once, and stays where it is in the list", async () => {
    const id = await say("Again");
    const before = await core.thread.get("ann", id);
    if (!before) throw new Error("There is no thread.");
    await noteSeen(core, "ann", before);
    const seen = await core.thread.get("ann", id);
    expect(seen).toEqual({ ...before, metadata: { seen: before.headId } });
  });
});
