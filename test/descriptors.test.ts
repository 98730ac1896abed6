import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { atEnd } from "./support/at-end";
import { SOURCE, startServer } from "./support/server-process";
import { temporaryFolder } from "./support/temporary";
import { until } from "./support/until";

const LIMIT = 160;
const isLinux = process.platform === "linux";
if (!isLinux) console.log("Skipped: only Linux tells how many file descriptors a process may have.");

test.skipIf(!isLinux)(
  "more connections than there are descriptors are refused and cost nothing, streams go on, and then there is room again",
  async () => {
    const command = ["/bin/sh", "-c", `ulimit -n ${LIMIT}; exec "$@"`, "sh", ...SOURCE];
    const server = await startServer({
      command,
      folder: temporaryFolder(),
      env: { SKELETON_MODE: "ephemeral", SHUTDOWN_GRACE_S: "0" },
    });
    atEnd(() => server.stop("SIGKILL"));
    const port = Number(new URL(server.address).port);
    const login = await fetch(`${server.address}/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "default", password: "default" }),
    });
    const { access_token: token } = (await login.json()) as { access_token: string };
    const headers = { authorization: `Bearer ${token}` };
    const stream = await fetch(`${server.address}/api/v1/live`, { headers });
    const reader = stream.body?.getReader();
    await reader?.read();

    const sockets: Socket[] = [];
    for (let count = 0; count < 2 * LIMIT; count++) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      sockets.push(socket);
    }
    await server.printed(/new connections are refused/);
    const spinning = Bun.spawn(["/bin/sh", "-c", "while :; do :; done"]);
    const before = cpuSeconds(server.pid);
    await Bun.sleep(1000); // What each uses of a core is measured over it.
    const spun = cpuSeconds(spinning.pid);
    const used = cpuSeconds(server.pid) - before;
    spinning.kill();
    // One that tries to accept again and again takes as much of a core as any other that never rests.
    expect(used).toBeLessThan(0.4 * spun);

    for (const socket of sockets) socket.destroy();
    const isWell = () =>
      fetch(`${server.address}/health`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(isWell);
    const message = await fetch(`${server.address}/api/v1/message`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ content: "Hello" }),
    });
    await message.body?.cancel();
    let heard = "";
    while (!heard.includes("turn_started")) heard += new TextDecoder().decode((await reader?.read())?.value);
    expect(await server.stop()).toBe(0);
  },
  20_000,
);

/** Of all threads of the process. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return (user + system) / 100; // Linux counts hundredths of a second for everybody.
}
