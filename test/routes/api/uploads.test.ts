import { expect, test } from "bun:test";
import { collectTurn } from "../../support/read-sse";
import { startServer } from "../../support/server";
import { reply, startUpstream } from "../../support/upstream";

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

  expect((await ann.fetch("/api/v1/message", formOf("x".repeat(100_001), upload, kept.id))).status).toBe(400);
  expect((await ann.fetch("/api/v1/message", formOf("Look", upload, "no-such"))).status).toBe(400);
  expect(await stored()).toBe(1);
  expect(await (await server.core.file.open("ann", kept.id))?.text()).toBe("old");

  upstream.script(reply("I see."));
  await collectTurn(await ann.fetch("/api/v1/message", formOf("Look", upload, kept.id)));
  expect(await stored()).toBe(2);
});

test("a message has up to 100 files; the page refuses more before any is kept, in the language of its reader", async () => {
  const server = await startServer();
  const ann = await server.signIn();
  const { id } = await server.core.file.put("ann", { name: "old.txt", type: "text/plain", data: new Blob(["old"]) });
  const answers = [100, 101].map((count) =>
    ann.post("/api/v1/message", { content: "Look", files: Array(count).fill(id) }),
  );
  const [taken, refused] = await Promise.all(answers);
  expect([taken?.status, refused?.status]).toEqual([200, 400]);
  expect(await refused?.json()).toEqual({ detail: "A message may have 100 files; these are 101." });
  const files = Array.from({ length: 101 }, (_, n) => new File(["x"], `${n}.txt`, { type: "text/plain" }));
  const headers = { accept: "text/html", "accept-language": "de" };
  const answer = await ann.fetch("/t", { ...formOf("Look", ...files), headers });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("höchstens 100 Dateien")]);
  expect(await server.core.store.count("ann", "files")).toBe(1);
});
