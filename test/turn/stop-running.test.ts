/** A send that stops the reply that runs in its thread. */

import { expect, test } from "bun:test";
import { startCore } from "../support/test-core";
import { gate, startUpstream } from "../support/upstream";

const ann = { username: "ann", role: "user" } as const;

test("of several that come at once, each stops the one before it and none is refused", async () => {
  const upstream = startUpstream({ models: ["m"] });
  upstream.otherwise({ parts: ["Endless", { wait: gate().opened }] });
  const core = await startCore({ config: { openaiBaseUrl: upstream.baseUrl } });
  const { threadId } = await core.turns.start(ann, { content: "First" });
  const send = (content: string) => core.turns.start(ann, { content, threadId, stopRunning: true });
  const sent = await Promise.all(["a", "b", "c", "d"].map(send));
  const statuses = await Promise.all(sent.map(async ({ id }) => (await core.turns.get(ann, id))?.status));
  expect(statuses.toSorted()).toEqual(["running", "stopped", "stopped", "stopped"]);
});

test("one that a closing server refuses stops nothing", async () => {
  const upstream = startUpstream({ models: ["m"] });
  const open = gate();
  upstream.script({ parts: ["Nearly ", { wait: open.opened }, "done."] });
  const core = await startCore({ config: { openaiBaseUrl: upstream.baseUrl } });
  const { id, threadId } = await core.turns.start(ann, { content: "First" });
  const ended = core.turns.shutdown(10_000);
  const refused = core.turns.start(ann, { content: "Second", threadId, stopRunning: true });
  await expect(refused).rejects.toMatchObject({ code: "unavailable", reason: "closing" });
  open.open();
  await ended;
  expect(await core.turns.get(ann, id)).toMatchObject({ status: "done" });
});
