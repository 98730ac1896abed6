import { expect, test } from "bun:test";
import { collectTurn } from "../support/read-sse";
import { startServer } from "../support/server";
import { reply, startUpstream } from "../support/upstream";

function formOf(content: string, ...files: readonly (File | string)[]): RequestInit {
  const body = new FormData();
  body.set("content", content);
  for (const file of files) body.append("files", file);
  return { method: "POST", body };
}

test("an upload goes again with the message that is refused, and a file that was there before stays", async () => {
  const upstream = startUpstream();
  const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl } });
  const ann = await server.signIn();
  const kept = await server.core.file.put("ann", { name: "old.txt", type: "text/plain", data: new Blob(["old"]) });
  const stored = () => server.core.store.count("ann", "files");
  const upload = new File(["new"], "new.txt", { type: "text/plain" });

  expect((await ann.fetch("/api/v1/message", formOf("  ", upload, kept.id))).status).toBe(400);
  expect((await ann.fetch("/api/v1/message", formOf("Look", upload, "no-such"))).status).toBe(400);
  expect(await stored()).toBe(1);
  expect(await (await server.core.file.open("ann", kept.id))?.text()).toBe("old");

  upstream.script(reply("I see."));
  await collectTurn(await ann.fetch("/api/v1/message", formOf("Look", upload, kept.id)));
  expect(await stored()).toBe(2);
});
