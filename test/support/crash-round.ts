/** One round of the crash harness: chats that run, a SIGKILL at a random moment, a new start, and what must hold then. */

import { Database } from "bun:sqlite";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { answerCalls, type Chat, followAt, startChat } from "./crash-chat";
import { checkChat, type Fate } from "./crash-check";
import type { Api } from "./crash-client";
import { standStill } from "./crash-pause";
import type { Script } from "./crash-script";
import type { Random } from "./random";
import { type ServerProcess, SOURCE, startServer } from "./server-process";

export const MOMENTS = [
  "streaming",
  "asked",
  "beside",
  "event",
  "tool",
  "answered",
  "sending",
  "shutdown",
  "start",
  "paused",
] as const;
/**
 * When the server is killed. `asked`: while calls wait for a yes or no; `answered`: just after an answer; `beside`: while another
 * server runs on the same data, which goes on; `start`: also while the next one starts and recovers; `paused`: not killed at first
 * but stopped beside another one, and going on later.
 */
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
const TAKEN_OVER_MS = 20_000; // A heartbeat or two, on a machine that is busy.

export async function runRound(world: World, moment: Moment): Promise<RoundOutcome> {
  const other = moment === "beside" || moment === "paused" ? await startOne(world) : null;
  const chats = Array.from({ length: CHATS }, (_, n) => begin(world, moment, n === 0 ? other : null));
  if (other) for (const chat of chats) void followAt(apiOf(world, other), chat);
  await momentOf(world, moment, chats);
  if (moment === "paused") {
    await standStill(world.folder, world.server.pid, world.random);
    await Promise.all(chats.map(({ seen }) => seen.over));
  }
  await world.server.stop("SIGKILL");
  await Promise.all(chats.map(({ seen }) => seen.over));
  if (moment === "start") await killStarts(world);
  world.server = other ?? (await startOne(world));

  const executions = readExecutions(world.folder);
  const failures = [...checkExecutions(executions), ...(await checkTakenOver(world.folder))];
  failures.push(...checkDatabase(world.folder));
  const fates: Fate[] = [];
  const check = async (chat: Chat): Promise<void> => {
    try {
      const { fate, threadId } = await checkChat(apiOf(world), chat, { executed: new Set(executions) });
      fates.push(fate);
      if (threadId && !world.threads.includes(threadId)) world.threads.push(threadId);
    } catch (error) {
      failures.push(`${chat.script.id}: ${error instanceof Error ? error.message : error}`);
    }
  };
  await Promise.all(chats.map(check));
  return { moment, fates, failures };
}

function startOne({ folder, env }: World): Promise<ServerProcess> {
  return startServer({ command: SOURCE, folder, env });
}

/** At the server that will be killed, or at the one that is spared. */
function begin(world: World, moment: Moment, spared: ServerProcess | null): Chat {
  const asks = moment === "asked" || moment === "answered";
  const api = apiOf(world, spared ?? world.server);
  const chat = startChat(api, { ...world, asks, isSpared: spared !== null });
  if (moment === "answered") void answerCalls(api, chat, world.random);
  return chat;
}

function apiOf({ server, token }: World, at = server): Api {
  return { address: at.address, token };
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
    case "asked":
      await sees(({ seen }) => seen.events.some(({ event }) => event === "approval_asked"));
      return Bun.sleep(random.integer(0, 400));
    case "answered": {
      const count = random.integer(1, 3);
      await sees(({ answers }) => answers.length >= count);
      return Bun.sleep(random.integer(0, 100));
    }
    case "paused":
      await sees(({ seen, isSpared }) => !isSpared && seen.isAcknowledged);
      return Bun.sleep(random.integer(0, 500));
    case "beside":
      await sees(({ seen, isSpared }) => !isSpared && seen.isAcknowledged);
      // Followers elsewhere ask the one that runs it for two seconds, and then look into the store by themselves.
      return Bun.sleep(random.integer(0, 2500));
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

/** Nobody runs a turn by now: what the server that was killed left was ended by another one. */
async function checkTakenOver(folder: string): Promise<string[]> {
  const database = new Database(join(folder, "skeleton.db"), { readonly: true });
  const claims = () => database.query("SELECT turn_id FROM turn_claims").values();
  try {
    const endsMs = performance.now() + TAKEN_OVER_MS;
    while (claims().length > 0 && performance.now() < endsMs) await Bun.sleep(10);
    return claims().map(([turnId]) => `the turn ${turnId} was not taken over`);
  } finally {
    database.close();
  }
}

/** The tools write a line each time they are run. */
function readExecutions(folder: string): string[] {
  const file = join(folder, "executions.txt");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
}

function checkExecutions(lines: readonly string[]): string[] {
  const twice = lines.filter((line, at) => lines.indexOf(line) !== at);
  return twice.map((line) => `the tool call ${line} was run more than once`);
}
