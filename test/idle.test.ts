/** What a server costs to which nobody talks, counted in how often it wakes: that is the same on a busy machine and on a quiet one. */

import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { atEnd } from "./support/at-end";
import { writePlugins } from "./support/plugin-files";
import { SOURCE, startServer } from "./support/server-process";
import { temporaryFolder } from "./support/temporary";

const WARM_MS = 2500; // Until what the start left behind is done.
const WINDOW_MS = 4000;

const isLinux = process.platform === "linux";
if (!isLinux) console.log("Skipped: only Linux tells how often a thread woke.");

// A look at the folders of plugins alone is about ten wakes.
test.skipIf(!isLinux).each([
  ["is seldom woken", 0, 12],
  ["is woken little more often for those who listen", 20, 20],
])(
  "a server that has nothing to do %s",
  async (_, listeners, wakesPerSecond) => {
    const folder = temporaryFolder();
    for (const name of ["core", "functions", "tools"]) mkdirSync(join(folder, "plugins", name), { recursive: true });
    writePlugins(join(folder, "plugins"), { "functions/idle.ts": 'export default { name: "idle" };' });
    const server = await startServer({ command: SOURCE, folder, env: { SKELETON_MODE: "ephemeral" } });
    atEnd(() => server.stop("SIGKILL"));
    const login = await fetch(`${server.address}/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "default", password: "default" }),
    });
    const { access_token: token } = (await login.json()) as { access_token: string };
    for (let n = 0; n < listeners; n++) {
      const stream = await fetch(`${server.address}/api/v1/live`, { headers: { authorization: `Bearer ${token}` } });
      const reader = stream.body?.getReader();
      await reader?.read();
      atEnd(() => reader?.cancel());
    }
    await Bun.sleep(WARM_MS);
    const before = wakesOf(server.pid);
    await Bun.sleep(WINDOW_MS);
    const wakes = (wakesOf(server.pid) - before) / (WINDOW_MS / 1000);
    console.log(`With ${listeners} listeners it wakes ${wakes} times a second.`);
    expect(wakes).toBeLessThan(wakesPerSecond);
  },
  30_000,
);

/** How often the main thread, and those that read files for it, have waited for something and were woken. */
function wakesOf(pid: number): number {
  const statuses = readdirSync(`/proc/${pid}/task`).map((thread) => ({
    thread,
    status: readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"),
  }));
  const ours = statuses.filter(({ thread, status }) => thread === String(pid) || /^Name:\s+Bun Pool/.test(status));
  const counts = ours.map(({ status }) => Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]));
  return counts.reduce((sum, count) => sum + count, 0);
}
