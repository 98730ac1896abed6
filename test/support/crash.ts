/**
 * The crash harness: a real server that is killed with SIGKILL again and again while it works, and the promise that no word
 * is lost checked each time (crash-check.ts). The model is scripted and runs here, so that one clock tells what was sent,
 * shown and killed when.
 *
 *     bun run test:crash --rounds 1000 --seed 7
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { signIn } from "./crash-client";
import { MOMENTS, runRound, type World } from "./crash-round";
import { answerBy, type Script } from "./crash-script";
import { createRandom } from "./random";
import { SOURCE, startServer } from "./server-process";
import { startUpstream } from "./upstream";

export interface CrashOutcome {
  readonly rounds: number;
  readonly failures: readonly string[];
  /** One line for a person. */
  readonly summary: string;
}

export interface CrashOptions {
  readonly rounds: number;
  readonly seed: number;
  print(line: string): void;
}

export async function runCrashes({ rounds, seed, print }: CrashOptions): Promise<CrashOutcome> {
  const begun = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "skeleton-crash-"));
  const scripts = new Map<string, Script>();
  const upstream = startUpstream({ canReset: false });
  upstream.otherwise(answerBy(scripts));
  const counts: Record<string, number> = {};
  const failures: string[] = [];
  print(`seed ${seed}`);
  const world = await createWorld(folder, upstream.baseUrl, seed, scripts);
  try {
    for (let round = 1; round <= rounds; round++) {
      const moment = MOMENTS[(round - 1) % MOMENTS.length] ?? "streaming";
      const outcome = await runRound(world, moment);
      for (const name of outcome.fates) counts[name] = (counts[name] ?? 0) + 1;
      for (const failure of outcome.failures) {
        failures.push(`round ${round} (${moment}, seed ${seed}): ${failure}`);
        print(failures.at(-1) ?? "");
      }
      if (round % 25 === 0) print(`${round} rounds, ${failures.length} failures`);
    }
  } finally {
    await world.server.stop("SIGKILL");
    await upstream.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  const fates = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const summary = `${rounds} rounds, ${scripts.size} turns (${fates.join(", ")}), ${failures.length} failures, ${seconds} s, seed ${seed}`;
  return { rounds, failures, summary };
}

const PASSWORD = "killed again";

async function createWorld(
  folder: string,
  baseUrl: string,
  seed: number,
  scripts: Map<string, Script>,
): Promise<World> {
  const hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
  writeFileSync(join(folder, "users.yaml"), `ann: { password_hash: "${hash}", role: user }\n`);
  mkdirSync(join(folder, "plugins/tools"), { recursive: true });
  writeFileSync(join(folder, "plugins/tools/slow.ts"), SLOW_TOOL);
  const env = {
    OPENAI_BASE_URL: baseUrl,
    OPENAI_API_KEY: "none",
    LOG_LEVEL: "ERROR",
    SHUTDOWN_GRACE_S: "1",
    HEARTBEAT_S: "0.5",
    EXECUTIONS: join(folder, "executions.txt"),
  };
  const server = await startServer({ command: SOURCE, folder, env });
  const { token } = await signIn(server.address, PASSWORD);
  return { folder, env, random: createRandom(seed), scripts, token, threads: [], server };
}

const SLOW_TOOL = `import { appendFileSync } from "node:fs";
import { type Plugin, t } from "skeleton";

const slow = (name, approval) => ({
  name,
  description: "Takes its time.",
  parameters: t.Object({ n: t.String(), ms: t.Integer() }),
  approval,
  async *execute({ n, ms }) {
    appendFileSync(process.env.EXECUTIONS ?? "", n + "\\n");
    yield "half of " + n;
    await Bun.sleep(ms);
    return "result of " + n;
  },
});

export default { name: "slow", tools: [slow("slow", false), slow("ask", true)] } satisfies Plugin;
`;

if (import.meta.main) {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "25" }, seed: { type: "string" } } });
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const outcome = await runCrashes({ rounds: Number(values.rounds), seed, print: (line) => console.log(line) });
  console.log(outcome.summary);
  process.exit(outcome.failures.length > 0 ? 1 : 0);
}
