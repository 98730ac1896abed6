import { beforeAll, describe, expect, test } from "bun:test";
import { type Client, startServer } from "../../support/server";

describe("files over HTTP", () => {
  let ann: Client;
  beforeAll(async () => {
    const server = await startServer();
    ann = await server.signIn("ann");
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
  });
});
