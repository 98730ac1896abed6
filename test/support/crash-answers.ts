/** What must hold of the calls that waited for a yes or no when the server was killed, or had just been answered. */

import assert from "node:assert/strict";
import type { Chat, Entry } from "./crash-chat";
import { type Api, answerCall } from "./crash-client";

export async function checkAnswers(
  api: Api,
  chat: Chat,
  parts: readonly Entry[],
  { turnId, executed }: { turnId: string; executed: ReadonlySet<string> },
): Promise<void> {
  await Promise.all(chat.answers.map(({ over }) => over));
  const wasAsked = new Set(
    chat.seen.events.filter(({ event }) => event === "approval_asked").map(({ data }) => data.call_id),
  );
  for (const call of parts.filter(({ name }) => name === "ask")) {
    const answer = chat.answers.find(({ callId }) => callId === call.call_id);
    const hasRun = executed.has(call.arguments?.n ?? "");
    if (answer?.isAcknowledged) {
      assert.equal(call.approved, answer.approve, "an answer that was acknowledged is lost");
      const again = (approve: boolean) => answerCall(api, turnId, answer.callId, approve);
      assert.equal((await again(answer.approve)).status, 200, "the same answer again is refused");
      assert.equal((await again(!answer.approve)).status, 409, "another answer is taken after the first");
    }
    if (hasRun) assert.equal(call.approved, true, "a call was run without a yes that is kept");
    if (call.approved !== undefined) assert.equal(call.approved, answer?.approve, "nobody gave this answer");
    else if (wasAsked.has(call.call_id ?? "")) {
      assert.match(call.error ?? "", /Nothing was run/, "the model is not told that nothing was run");
      const late = await answerCall(api, turnId, call.call_id ?? "", true);
      assert.equal(late.status, 409, "a call of a turn that has ended is answered");
    }
  }
}
