/** Stores what a turn begins with, in a thread that is claimed for it. */

import type { Core, TurnInfo, User } from "../protocols";
import type { Claim } from "./claims";
import { addTurn } from "./records";
import type { Plan } from "./start";

export async function storeTurn(core: Core, user: User, plan: Plan, { threadId, turnId }: Claim): Promise<TurnInfo> {
  const { username } = user;
  const { model, systemPrompt, parameters } = plan;
  const parentId = await storeQuestion(core, user, plan, threadId, turnId);
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
  await core.thread.update(username, threadId, { model, systemPrompt, parameters, headId: parentId });
  // Last: whoever finds it may ask for what it said so far, which it answers as soon as it runs.
  await addTurn(core, username, info);
  return info;
}

/** The message that is answered: the user's, stored now, or one that is there already. */
async function storeQuestion(core: Core, user: User, plan: Plan, threadId: string, turnId: string): Promise<string> {
  const { content, files } = plan;
  // Read only now that the thread is claimed: the turn before this one may just have moved the head.
  const head = plan.parentId === undefined ? (await core.thread.get(user.username, threadId))?.headId : plan.parentId;
  const parentId = head ?? null;
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
