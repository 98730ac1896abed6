import { beforeAll, describe, expect, test } from "bun:test";
import { PASSWORD, startServer, type TestServer } from "../../support/server";

const BROWSER = { accept: "text/html,application/xhtml+xml" };

describe("signing in", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ config: { rateLimitLogin: { max: 5, windowS: 60 }, trustProxy: true } });
  });

  const login = (username: string, password: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/login`, {
      method: "POST",
      body: JSON.stringify({ username, password }),
      headers: { "content-type": "application/json", ...headers },
    });
  const form = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/login`, {
      method: "POST",
      body: new URLSearchParams(fields),
      redirect: "manual",
      headers: { ...BROWSER, ...headers },
    });

  test("gives a bearer token and a cookie that scripts cannot read; either opens the API", async () => {
    const response = await login("ann", PASSWORD);
    const { access_token: token, token_type: type } = (await response.json()) as Record<string, string>;
    expect(type).toBe("bearer");
    const cookie = response.headers.get("set-cookie") ?? "";
    expect(cookie).toMatch(/HttpOnly; SameSite=Lax$/);
    for (const headers of [{ authorization: `Bearer ${token}` }, { cookie: cookie.split(";")[0] ?? "" }]) {
      expect((await fetch(`${server.url}/api/v1/threads`, { headers })).status).toBe(200);
    }
  });

  test("behind https the cookie is Secure", async () => {
    const response = await login("ann", PASSWORD, { "x-forwarded-proto": "https" });
    expect(response.headers.get("set-cookie")).toEndWith("; Secure");
  });

  test("a wrong password and an unknown user get the same answer", async () => {
    const answers = await Promise.all([login("ann", "wrong"), login("nobody", "wrong")]);
    const [wrong, unknown] = await Promise.all(answers.map(async (it) => [it.status, await it.text()]));
    expect(wrong).toEqual(unknown as [number, string]);
    expect(wrong?.[0]).toBe(401);
  });

  test("five failures of an account at one address are enough, and another account or address is not affected", async () => {
    const from = (address: number) => ({ "x-forwarded-for": `10.0.0.${address}` });
    for (let attempt = 1; attempt <= 5; attempt++) expect((await login("bob", "wrong", from(6))).status).toBe(401);
    const refused = await login("bob", PASSWORD, from(6));
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await login("ann", PASSWORD, from(6))).status).toBe(200);
    expect((await login("bob", PASSWORD, from(7))).status).toBe(200);
  });

  test("guesses sent at the same time are limited like guesses one by one", async () => {
    const headers = { "x-forwarded-for": "10.0.1.1" };
    const answers = await Promise.all(Array.from({ length: 20 }, () => login("nobody", "wrong", headers)));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(15);
  });

  test("the form goes to the page that was asked for, but never to another site", async () => {
    const go = async (next: string) => {
      const response = await form({ username: "ann", password: PASSWORD, next });
      expect(response.status).toBe(303);
      return response.headers.get("location");
    };
    expect(await go("/t/abc?x=1")).toBe("/t/abc?x=1");
    for (const foreign of ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""]) {
      expect(await go(foreign)).toBe("/");
    }
  });

  test("a refused form comes back with the name kept and the reason said", async () => {
    const response = await form({ username: "ann", password: "wrong", next: "/" });
    expect(response.status).toBe(401);
    const page = await response.text();
    expect(page).toContain('value="ann"');
    expect(page).toContain("Wrong user name or password.");
  });

  test("a message sent after the session has ended is carried through the sign-in, or shown to be copied where it is too long", async () => {
    const send = (content: string) => {
      const body = new FormData();
      body.set("content", content);
      return fetch(`${server.url}/t`, { method: "POST", body, headers: BROWSER });
    };
    const short = await send("<b>kept");
    expect(short.status).toBe(401);
    expect(await short.text()).toContain('name="draft" value="&lt;b&gt;kept"');
    const body = new FormData();
    for (const [name, value] of Object.entries({
      username: "ann",
      password: PASSWORD,
      next: "/",
      draft: "ü".repeat(6000),
    }))
      body.set(name, value);
    const signedIn = await fetch(`${server.url}/login`, { method: "POST", body, headers: BROWSER });
    expect(await signedIn.text()).toContain("ü".repeat(6000));

    const long = `<b>${"ü\n".repeat(6000)}`;
    const page = await (await send(long)).text();
    expect(page).toContain(`&lt;b&gt;${"ü\n".repeat(6000)}</textarea>`);
    expect(page).toContain("copy it from here first");
    expect(page).not.toContain('name="draft"');
    const tooLong = await send("ü".repeat(200_000));
    expect([tooLong.status, (await tooLong.text()).includes("ü")]).toEqual([401, false]);
  });

  test.each([
    [{ origin: "https://evil.example" }],
    [{ origin: "null" }],
    [{ "sec-fetch-site": "cross-site" }],
    [{ "sec-fetch-site": "same-site" }],
  ])("a form sent by a foreign page (%p) is refused", async (headers: Record<string, string>) => {
    expect((await form({ username: "ann", password: PASSWORD }, headers)).status).toBe(403);
  });

  test("with the cookie, a change asked for by a foreign page is refused; with a token, or by a text browser, it is not", async () => {
    const { access_token: token } = (await (await login("ann", PASSWORD)).json()) as Record<string, string>;
    const logout = async (headers: Record<string, string>) =>
      (await fetch(`${server.url}/logout`, { method: "POST", headers, redirect: "manual" })).status;
    const cookie = `skeleton_session=${token}`;
    expect(await logout({ cookie, origin: "https://evil.example" })).toBe(403);
    expect(await logout({ cookie, "sec-fetch-site": "same-origin", origin: server.url })).toBe(200);
    expect(await logout({ cookie })).toBe(200);
    expect(await logout({ authorization: `Bearer ${token}`, origin: "https://evil.example" })).toBe(200);
  });

  test.each([["{"], ["[]"], ['{"username":"ann"}'], ['{"username":1,"password":[]}']])(
    "the body %s is refused with a sentence",
    async (body) => {
      const response = await fetch(`${server.url}/login`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      });
      expect([400, 422]).toContain(response.status);
      expect(await response.json()).toEqual({ detail: expect.any(String) });
    },
  );

  test("signing out takes the cookie away", async () => {
    const response = await fetch(`${server.url}/logout`, {
      method: "POST",
      headers: BROWSER,
      redirect: "manual",
    });
    expect([response.status, response.headers.get("location")]).toEqual([303, "/login"]);
    expect(response.headers.get("set-cookie")).toContain("Max-Age=0");
  });
});
