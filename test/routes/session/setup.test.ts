import { describe, expect, test } from "bun:test";
import { startServer } from "../../support/server";

const TOKEN = "a-token-that-nobody-guesses";

const BROWSER = { accept: "text/html" };

describe("making the first administrator", () => {
  test("the link works once, signs in, and is dead after use", async () => {
    const server = await startServer({ hasUsers: false, setupToken: TOKEN });
    const page = await fetch(`${server.url}/setup?token=${TOKEN}`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain(TOKEN);
    const create = () =>
      fetch(`${server.url}/setup`, {
        method: "POST",
        body: new URLSearchParams({ token: TOKEN, username: "root", password: "long enough" }),
        headers: BROWSER,
        redirect: "manual",
      });
    const [first, second] = [await create(), await create()];
    expect([first.status, first.headers.get("location")]).toEqual([303, "/"]);
    expect(second.status).toBe(404);
    const cookie = first.headers.get("set-cookie")?.split(";")[0] ?? "";
    expect((await fetch(`${server.url}/api/v1/threads`, { headers: { cookie } })).status).toBe(200);
    expect((await fetch(`${server.url}/setup?token=${TOKEN}`)).status).toBe(404);
  });

  test("of two who use the link at the same time, exactly one becomes administrator", async () => {
    const server = await startServer({ hasUsers: false, setupToken: TOKEN });
    const create = (username: string) =>
      fetch(`${server.url}/setup`, {
        method: "POST",
        body: JSON.stringify({ token: TOKEN, username, password: "long enough" }),
        headers: { "content-type": "application/json" },
      });
    const answers = await Promise.all([create("one"), create("two"), create("three")]);
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  });

  test("a bad password brings the form back; a wrong token and no token are as if there were no such page", async () => {
    const server = await startServer({ hasUsers: false, setupToken: TOKEN });
    const body = new URLSearchParams({ token: TOKEN, username: "root", password: "short" });
    const refused = await fetch(`${server.url}/setup`, { method: "POST", body, headers: BROWSER });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('value="root"');
    for (const query of ["", "?token=", "?token=wrong", `?token=${TOKEN}x`]) {
      expect((await fetch(`${server.url}/setup${query}`)).status).toBe(404);
    }
  });

  test("with users there is nothing to set up, whatever the token", async () => {
    const server = await startServer({ setupToken: TOKEN });
    expect((await fetch(`${server.url}/setup?token=${TOKEN}`)).status).toBe(404);
  });
});
