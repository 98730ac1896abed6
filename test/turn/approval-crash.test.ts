import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Api,
  answerCall,
  continueTurn,
  followAfter,
  get,
  type Seen,
  sendMessage,
  signIn,
} from "../support/crash-client";
import { writePlugins } from "../support/plugin-files";
import { type ServerProcess, SOURCE, startServer } from "../support/server-process";
import { temporaryFolder } from "../support/temporary";
import { until } from "../support/until";
import { reply, startUpstream, toolCall } from "../support/upstream";

const PASSWORD = "about to crash";

/** Notes each run in a file; the one that is told to wait never ends. */
const NOTING = `
import { appendFileSync } from "node:fs";
import { type Plugin, t } from "skeleton";

export default {
  name: "noting",
  tools: [{
    name: "note",
    description: "",
    parameters: t.Object({ text: t.String() }),
    approval: true,
    async execute({ text }: { text: string }) {
      appendFileSync("notes.txt", text + "\\n");
      if (text === "wait") await new Promise(() => {});
      return "noted";
    },
  }],
} satisfies Plugin;
`;

test("of a server that is killed, Continue asks again about what waited, and what ran is not run again", async () => {
  const upstream = startUpstream();
  const folder = temporaryFolder();
  const hash = await Bun.password.hash(PASSWORD, { algorithm: "bcrypt", cost: 4 });
  writeFileSync(join(folder, "users.yaml"), `ann: { password_hash: "${hash}", role: user }\n`);
  writePlugins(join(folder, "plugins"), { "tools/noting.ts": NOTING });
  const notes = () => (existsSync(join(folder, "notes.txt")) ? readFileSync(join(folder, "notes.txt"), "utf8") : "");
  const start = async (): Promise<[ServerProcess, Api]> => {
    const env = { OPENAI_BASE_URL: upstream.baseUrl, LOG_LEVEL: "ERROR" };
    const server = await startServer({ command: SOURCE, folder, env });
    return [server, await signIn(server.address, PASSWORD)];
  };
  const shows = async (seen: Seen, name: string): Promise<string> => {
    const ids = () => seen.events.flatMap(({ event, data }) => (event === name ? [String(data.call_id)] : []));
    await until(() => ids().length > 0);
    return ids()[0] ?? "";
  };
  const approve = (api: Api, seen: Seen, callId: string) =>
    answerCall(api, String(seen.events[0]?.data.turn_id), callId, true);

  // Killed while the call waits: nothing has run, and the model is told so.
  let [server, api] = await start();
  upstream.script({ parts: toolCall("note", { text: "wait" }) });
  const first = sendMessage(api, { content: "Note it" });
  await shows(first, "approval_asked");
  // Who begins to follow is told what is in the store.
  await shows(followAfter(api, String(first.events[0]?.data.turn_id), 0), "approval_asked");
  await server.stop("SIGKILL");
  await first.over;
  [server, api] = await start();
  upstream.script({ parts: toolCall("note", { text: "wait" }, { id: "call_again" }) });
  const second = continueTurn(api, String(first.events[0]?.data.turn_id));
  const callId = await shows(second, "approval_asked");
  expect(upstream.requests.at(-1)?.body.messages.at(-1)).toMatchObject({
    role: "tool",
    content: expect.stringContaining("Nothing was run"),
  });
  expect(notes()).toBe("");

  // Killed while the approved call runs: it is not run again, and the model is not told that nothing ran.
  expect((await approve(api, second, callId)).status).toBe(200);
  await until(() => notes() !== "");
  await server.stop("SIGKILL");
  await second.over;
  [server, api] = await start();
  const turnId = String(second.events[0]?.data.turn_id);
  expect(await get<object>(api, `/api/v1/turns/${turnId}`)).toMatchObject({ status: "interrupted" });
  expect((await approve(api, second, callId)).status).toBe(200);
  upstream.script(reply("I stop here."));
  await continueTurn(api, turnId).over;
  expect(String(upstream.requests.at(-1)?.body.messages.at(-1)?.content)).not.toContain("Nothing was run");
  expect(notes()).toBe("wait\n");
  await server.stop("SIGKILL");
  await upstream.stop();
}, 60_000);
