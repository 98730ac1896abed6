import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Api, continueTurn, get, type Seen, sendMessage, signIn } from "../support/crash-client";
import { textOf } from "../support/read-sse";
import { type ServerProcess, SOURCE, startServer } from "../support/server-process";
import { temporaryFolder } from "../support/temporary";
import { until } from "../support/until";
import { gate, reply, startUpstream, type Upstream } from "../support/upstream";

const PASSWORD = "about to stop";
const LIMIT_MS = 30_000; // Three starts of a process on a busy machine.

describe("a server that is asked to end", () => {
  let upstream: Upstream;
  let folder: string;
  let server: ServerProcess;
  let api: Api;

  const start = async (graceS: number): Promise<void> => {
    const env = { OPENAI_BASE_URL: upstream.baseUrl, SHUTDOWN_GRACE_S: String(graceS), LOG_LEVEL: "ERROR" };
    server = await startServer({ command: SOURCE, folder, env });
    api = await signIn(server.address, PASSWORD);
  };

  beforeEach(async () => {
    upstream = startUpstream();
    folder = temporaryFolder();
    const hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
    writeFileSync(join(folder, "users.yaml"), `ann: { password_hash: "${hash}", role: user }\n`);
  });

  afterEach(async () => {
    await server.stop("SIGKILL");
    await upstream.stop();
  });

  const shows = async (seen: Seen, text: string): Promise<void> => {
    await until(() => textOf(seen.events) === text);
  };

  test(
    "lets a running turn finish, takes no other, and ends with 0",
    async () => {
      await start(10);
      const open = gate();
      upstream.script({ parts: ["Nearly ", { wait: open.opened }, "done."] });
      const seen = sendMessage(api, { content: "Go" });
      await shows(seen, "Nearly ");
      const stopped = server.stop();
      const refused = await refusal(api);
      expect(refused.status).toBe(503);
      expect(refused.detail).toContain("shutting down");
      open.open();
      await seen.over;
      expect(seen.broke).toBeNull();
      expect(textOf(seen.events)).toBe("Nearly done.");
      expect(seen.events.at(-1)?.event).toBe("stream_end");
      expect(await stopped).toBe(0);
    },
    LIMIT_MS,
  );

  test(
    "keeps a turn that does not finish in time as interrupted, tells its followers, and Continue goes on after the restart",
    async () => {
      await start(0);
      upstream.script({ parts: ["Once upon", { wait: gate().opened }] });
      const seen = sendMessage(api, { content: "Go" });
      await shows(seen, "Once upon");
      expect(await server.stop()).toBe(0);
      await seen.over;
      expect(seen.broke).toBeNull();
      expect(seen.events.at(-1)).toMatchObject({
        event: "error",
        data: { message: expect.stringContaining("Continue") },
      });
      await start(0);
      const { turn_id: turnId = "", thread_id: threadId = "" } = seen.events[0]?.data ?? {};
      expect(await get<object>(api, `/api/v1/turns/${turnId}`)).toMatchObject({ status: "interrupted" });
      upstream.script(reply(" a time."));
      const continued = continueTurn(api, turnId);
      await continued.over;
      expect(textOf(continued.events)).toBe(" a time.");
      const history = await get<{ content: string }[]>(api, `/api/v1/threads/${threadId}/messages`);
      expect(history.map(({ content }) => content)).toEqual(["Go", "Once upon", " a time."]);
    },
    LIMIT_MS,
  );

  test(
    "closes the streams that are left in order, with a hint when to come back",
    async () => {
      await start(0);
      const headers = { authorization: `Bearer ${api.token}` };
      const live = await fetch(`${server.address}/api/v1/live`, { headers });
      const text = live.text();
      expect(await server.stop()).toBe(0);
      expect(await text).toMatch(/\n\nretry: \d{3,4}\n\n$/);
    },
    LIMIT_MS,
  );

  test(
    "ends at once at a second signal more than a second later, and not at one before",
    async () => {
      await start(60);
      upstream.script({ parts: ["Endless", { wait: gate().opened }] });
      const seen = sendMessage(api, { content: "Go" });
      await shows(seen, "Endless");
      const stopped = server.stop();
      process.kill(server.pid, "SIGTERM");
      // The second is what is tested; the process gives no sign of it.
      await Bun.sleep(1100);
      expect((await fetch(`${server.address}/health`)).status).toBe(200);
      const askedMs = performance.now();
      process.kill(server.pid, "SIGTERM");
      expect(await stopped).toBe(1);
      expect(performance.now() - askedMs).toBeLessThan(2000);
      await start(0);
      const turnId = String(seen.events[0]?.data.turn_id);
      expect(await get<object>(api, `/api/v1/turns/${turnId}`)).toMatchObject({ status: "interrupted" });
    },
    LIMIT_MS,
  );
});

/** Sends until the server says no: the signal and the request race, and what is accepted before is a turn of its own. */
async function refusal({ address, token }: Api): Promise<{ status: number; detail: string }> {
  for (;;) {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const body = JSON.stringify({ content: "Too late?" });
    const response = await fetch(`${address}/api/v1/message`, { method: "POST", headers, body });
    if (!response.ok)
      return { status: response.status, detail: ((await response.json()) as { detail: string }).detail };
    await response.text();
  }
}
