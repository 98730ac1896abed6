import { beforeAll, describe, expect, test } from "bun:test";
import { type Client, startServer } from "../../support/server";

describe("files over HTTP", () => {
  let ann: Client;
  let bob: Client;
  beforeAll(async () => {
    const server = await startServer();
    ann = await server.signIn("ann");
    bob = await server.signIn("bob");
  });

  const upload = async (name: string, type: string, text: string) => {
    const body = new FormData();
    body.set("file", new File([text], name, { type }));
    return (await (await ann.fetch("/api/v1/files", { method: "POST", body })).json()) as { id: string; name: string };
  };

  test("what was uploaded comes back byte for byte, as a download that cannot run as a page", async () => {
    const file = await upload("página <b>.html", "text/html", "<script>alert(1)</script>");
    const response = await ann.fetch(`/api/v1/files/${file.id}`);
    expect(await response.text()).toBe("<script>alert(1)</script>");
    expect(response.headers.get("content-disposition")).toStartWith("attachment;");
    expect(response.headers.get("content-security-policy")).toContain("sandbox");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("what can be read of a file is told, whatever its type is said to be", async () => {
    const { id } = await upload("main.go", "application/octet-stream", "package main\n");
    const response = await ann.fetch(`/api/v1/files/${id}/text`);
    expect(await response.json()).toEqual({ kind: "text", text: "package main\n", tokens: 4 });
    const [foreign, missing] = [`/api/v1/files/${id}/text`, "/api/v1/files/nowhere/text"].map((path) =>
      bob.fetch(path),
    );
    expect([(await foreign)?.status, await (await foreign)?.text()]).toEqual([404, await (await missing)?.text()]);
  });

  test("another user's file is answered as one that does not exist", async () => {
    const { id } = await upload("a.txt", "text/plain", "mine");
    const [foreign, missing] = [await bob.fetch(`/api/v1/files/${id}`), await bob.fetch("/api/v1/files/nowhere")];
    expect([foreign.status, await foreign.text()]).toEqual([404, await missing.text()]);
  });

  test("an upload without a file is refused with a sentence", async () => {
    const response = await ann.fetch("/api/v1/files", { method: "POST", body: new FormData() });
    expect([400, 422]).toContain(response.status);
    expect(await response.json()).toEqual({ detail: expect.any(String) });
  });
});
