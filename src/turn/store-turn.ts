/** Stores what a turn begins with, in a thread that is claimed for it. */

import type { Core, Thread, TurnInfo, User } from "../protocols";
import type { Claim } from "./claims";
import { addTurn } from "./records";
import type { Plan } from "./start";

export async function storeTurn(core: Core, user: User, plan: Plan, { threadId, turnId }: Claim): Promise<TurnInfo> {
  const { username } = user;
  const { model, systemPrompt, parameters } = plan;
  // Read only now that the thread is claimed: the turn before this one may just have moved the head.
  const thread = await core.thread.get(username, threadId);
  const parentId = await storeQuestion(core, user, plan, thread, { threadId, turnId });
  const started = new Date().toISOString();
  const info: TurnInfo = {
    id: turnId,
    threadId,
    parentId,
    status: "running",
    model,
    systemPrompt,
    parameters,
    started,
    error: null,
    usage: null,
  };
  if (!thread || !isAsPlanned(thread, plan, parentId))
    await core.thread.update(username, threadId, {
      model,
      systemPrompt,
      parameters,
      headId: parentId,
      // Else what is said there would be in no list and found by no search.
      ...(thread?.archived && { archived: false }),
    });
  // Last: whoever finds it may ask for what it said so far, which it answers as soon as it runs.
  await addTurn(core, username, info);
  return info;
}

/** The message that is answered: the user's, stored now, or one that is there already. */
async function storeQuestion(
  core: Core,
  user: User,
  { content, files, parentId: asked }: Plan,
  thread: Thread | null,
  { threadId, turnId }: Pick<Claim, "threadId" | "turnId">,
): Promise<string> {
  const parentId = (asked === undefined ? thread?.headId : asked) ?? null;
  if (content === null && parentId !== null) return parentId;
  const message = await core.thread.append(user.username, threadId, {
    parentId,
    role: "user",
    type: "text",
    content: content ?? "",
    turnId,
    step: 0,
    ...(files.length > 0 && { files }),
  });
  return message.id;
}

/** Whether the thread says all that already: in most turns nothing is changed, and a question that was stored now is the head. */
function isAsPlanned(thread: Thread, plan: Plan, parentId: string): boolean {
  return (
    !thread.archived &&
    thread.model === plan.model &&
    thread.systemPrompt === plan.systemPrompt &&
    Bun.deepEquals(thread.parameters, plan.parameters) &&
    (thread.headId === parentId || plan.content !== null)
  );
}
