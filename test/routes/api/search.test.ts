import { beforeAll, describe, expect, test } from "bun:test";
import { type Client, startServer, type TestServer } from "../../support/server";

describe("search over HTTP", () => {
  let server: TestServer;
  let ann: Client;

  beforeAll(async () => {
    server = await startServer();
    ann = await server.signIn("ann");
  });

  const say = async (content: string): Promise<string> => {
    const { id } = await server.core.thread.create("ann", { title: "A thread" });
    const message = { parentId: null, role: "user", type: "text", content, turnId: "t", step: 0 } as const;
    await server.core.thread.append("ann", id, message);
    return id;
  };

  test("a search finds what was said and says where", async () => {
    const id = await say("Platypus or not?");
    const [hit] = await ann.json<Record<string, unknown>[]>("/api/v1/search?q=platypus");
    expect(hit).toMatchObject({
      id,
      snippet: expect.stringContaining("Platypus"),
      title: expect.any(String),
      created: expect.any(String),
    });
  });

  test.each(['"', "NEAR(", "*", "col:x", "\0", "a OR", "%", "'; --"])("searching for %j is no error", async (query) => {
    expect(await ann.json<unknown[]>(`/api/v1/search?q=${encodeURIComponent(query)}`)).toBeArray();
  });

  test("a search may have 500 characters", async () => {
    expect((await ann.fetch(`/api/v1/search?q=${"x".repeat(500)}`)).status).toBe(200);
  });

  test("the snippet is plain text around the words", async () => {
    await say(`${"before ".repeat(100)}quokka${" after".repeat(100)}`);
    const [hit] = await ann.json<{ snippet: string }[]>("/api/v1/search?q=QUOKKA");
    expect(hit?.snippet).toMatch(/^….{1,60}quokka.{1,160}…$/);
  });

  test("nobody finds what another user said", async () => {
    await say("wombat");
    const bob = await server.signIn("bob");
    expect(await bob.json<unknown[]>("/api/v1/search?q=wombat")).toEqual([]);
  });
});
