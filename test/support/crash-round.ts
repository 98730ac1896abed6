/** One round of the crash harness: chats that run, a SIGKILL at a random moment, a new start, and what must hold then. */

import { Database } from "bun:sqlite";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Chat, checkChat, type Fate } from "./crash-check";
import { type Api, sendMessage } from "./crash-client";
import { createScript, type Script } from "./crash-script";
import type { Random } from "./random";
import { type ServerProcess, SOURCE, startServer } from "./server-process";

export const MOMENTS = ["streaming", "event", "tool", "sending", "shutdown", "start"] as const;
/** When the server is killed. `start`: also while the next one starts and recovers. */
export type Moment = (typeof MOMENTS)[number];

export interface World {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly random: Random;
  readonly scripts: Map<string, Script>;
  readonly token: string;
  /** Threads to go on in. */
  readonly threads: string[];
  server: ServerProcess;
}

export interface RoundOutcome {
  readonly moment: Moment;
  readonly fates: readonly Fate[];
  readonly failures: readonly string[];
}

const CHATS = 3; // At once, so that one kill hits several turns in different states.

export async function runRound(world: World, moment: Moment): Promise<RoundOutcome> {
  const chats = Array.from({ length: CHATS }, () => startChat(world));
  await momentOf(world, moment, chats);
  const killedAtMs = performance.now();
  await world.server.stop("SIGKILL");
  await Promise.all(chats.map(({ seen }) => seen.over));
  if (moment === "start") await killStarts(world);
  world.server = await startServer({ command: SOURCE, folder: world.folder, env: world.env });

  const failures = [...checkDatabase(world.folder), ...checkExecutions(world.folder)];
  const fates: Fate[] = [];
  for (const chat of chats) {
    try {
      const { fate, threadId } = await checkChat(apiOf(world), chat, killedAtMs);
      fates.push(fate);
      if (threadId && !world.threads.includes(threadId)) world.threads.push(threadId);
    } catch (error) {
      failures.push(`${chat.script.id}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return { moment, fates, failures };
}

function apiOf({ server, token }: World): Api {
  return { address: server.address, token };
}

function startChat(world: World): Chat {
  const { random, scripts, threads } = world;
  const script = createScript(`turn-${scripts.size + 1}`, random);
  scripts.set(script.id, script);
  // Taken, because one turn at a time runs in a thread.
  const threadId = random.chance(0.6) ? (threads.shift() ?? null) : null;
  const body = { content: `${script.id} goes.`, ...(threadId && { thread_id: threadId }) };
  return { script, threadId, seen: sendMessage(apiOf(world), body) };
}

/** Resolves when it is time to kill the server. */
async function momentOf({ random, server }: World, moment: Moment, chats: readonly Chat[]): Promise<void> {
  const sees = (is: (chat: Chat) => boolean) => waitUntil(() => chats.some(is), chats);
  switch (moment) {
    case "sending":
      return Bun.sleep(random.integer(0, 40));
    case "streaming":
    case "start":
      await sees(({ seen }) => seen.isAcknowledged);
      return Bun.sleep(random.integer(0, 900));
    case "event": {
      const count = random.integer(1, 60);
      return sees(({ seen }) => seen.events.length >= count);
    }
    case "tool": {
      const name = random.pick(["tool_call", "tool_update", "tool_result"]);
      await sees(({ seen }) => seen.events.some(({ event }) => event === name));
      return Bun.sleep(random.integer(0, 120));
    }
    case "shutdown":
      await sees(({ seen }) => seen.isAcknowledged);
      await Bun.sleep(random.integer(0, 400));
      process.kill(server.pid, "SIGTERM");
      return Bun.sleep(random.integer(0, 700));
  }
}

/** Looks every millisecond: the moment of the kill is to be random, not exact. Also resolves when all is over. */
async function waitUntil(isTime: () => boolean, chats: readonly Chat[]): Promise<void> {
  const over = Promise.all(chats.map(({ seen }) => seen.over)).then(() => true);
  while (!isTime()) {
    if (await Promise.race([over, Bun.sleep(1)])) return;
  }
}

/** Servers that do not get far: killed while they open the database, recover what the one before left, or begin to listen. */
async function killStarts({ folder, env, random }: World): Promise<void> {
  for (let left = random.integer(1, 3); left > 0; left--) {
    const child = Bun.spawn([...SOURCE], {
      cwd: folder,
      env: { PATH: "/nonexistent", SKELETON_HOST: "127.0.0.1", SKELETON_PORT: "0", ...env },
      stdio: ["ignore", "ignore", "ignore"],
    });
    await Bun.sleep(random.integer(60, 600));
    child.kill("SIGKILL");
    await child.exited;
  }
}

function checkDatabase(folder: string): string[] {
  const database = new Database(join(folder, "skeleton.db"), { readonly: true });
  try {
    const [row] = database.query("PRAGMA integrity_check").values();
    return row?.[0] === "ok" ? [] : [`integrity_check: ${row?.[0]}`];
  } finally {
    database.close();
  }
}

/** The tool writes a line each time it is run. */
function checkExecutions(folder: string): string[] {
  const file = join(folder, "executions.txt");
  const lines = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  const twice = lines.filter((line, at) => lines.indexOf(line) !== at);
  return twice.map((line) => `the tool call ${line} was run more than once`);
}
