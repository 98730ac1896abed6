import { describe, expect, test } from "bun:test";
import type { AuthProtocol, Core } from "../../src/protocols";
import {
  addressOf,
  findUser,
  keepPeer,
  ownOrigin,
  requireSameOrigin,
  SESSION_COOKIE,
  sessionCookie,
} from "../../src/routes/session";
import { testConfig } from "../support/temporary";

// The macros that refuse whoever is not signed in are tested with each resource.

const core = (trustProxy = false): Core =>
  ({
    config: testConfig("/nowhere", { trustProxy }),
    auth: { verifyToken: async (token: string) => ({ username: token, role: "user" }) },
  }) as unknown as Core;

const ask = (headers: Record<string, string>, method = "POST") =>
  new Request("http://here.test/t", { method, headers: { host: "here.test", ...headers } });

describe("a request", () => {
  const senders: [headers: Record<string, string>, name: string | null][] = [
    [{}, null],
    [{ authorization: "Bearer abc" }, "abc"],
    [{ authorization: "bearer  abc " }, "abc"],
    [{ authorization: "Basic abc" }, null],
    [{ cookie: `a=b; ${SESSION_COOKIE}=abc; c=d` }, "abc"],
    [{ cookie: `x${SESSION_COOKIE}=abc` }, null],
    [{ cookie: `${SESSION_COOKIE}=` }, null],
    [{ authorization: "Bearer one", cookie: `${SESSION_COOKIE}=two` }, "one"],
    [{ cookie: `${SESSION_COOKIE}=bob\x7f1` }, null],
  ];
  test.each(senders)("with %j is sent by %p", async (headers, name) => {
    expect((await findUser(core(), ask(headers)))?.username ?? null).toBe(name);
  });

  const identified: [headers: Record<string, string>, name: string | null][] = [
    [{}, "proxy 10.0.0.9"],
    [{ authorization: "Bearer abc" }, "abc"],
    [{ authorization: "Bearer bad" }, null],
    [{ cookie: `${SESSION_COOKIE}=abc` }, "proxy 10.0.0.9"],
    [{ "x-forwarded-for": "6.6.6.6" }, "proxy 10.0.0.9"],
    [{ "x-nobody": "1", cookie: `${SESSION_COOKIE}=abc` }, "abc"],
    [{ "x-nobody": "1" }, null],
  ];
  test.each(identified)("with %j is sent by %p where auth identifies people", async (headers, name) => {
    const auth: Partial<AuthProtocol> = {
      verifyToken: async (token) => (token === "bad" ? null : { username: token, role: "user" }),
      identify: async (request, address) =>
        request.headers.has("x-nobody") ? null : { username: `proxy ${address}`, role: "user" },
    };
    const request = ask(headers);
    keepPeer(request, { requestIP: () => ({ address: "10.0.0.9" }) });
    const found = await findUser({ ...core(true), auth } as Core, request);
    expect(found?.username ?? null).toBe(name);
  });

  test("that came over no connection that is known is identified without an address", async () => {
    const auth = {
      identify: async (_: Request, address: string | null) => ({ username: String(address), role: "user" }),
    };
    const request = ask({});
    keepPeer(request, { requestIP: () => null });
    expect(await findUser({ ...core(), auth } as unknown as Core, request)).toEqual({ username: "null", role: "user" });
  });

  const foreign: Record<string, string>[] = [
    { origin: "https://evil.test" },
    { origin: "null" },
    { origin: "http://here.test.evil.test" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site", origin: "http://here.test" },
  ];
  test.each(foreign)("that changes something is refused with %j, unless it brings a token of its own", (headers) => {
    expect(() => requireSameOrigin(core(), ask(headers))).toThrow("another site");
    expect(() => requireSameOrigin(core(), ask(headers, "GET"))).not.toThrow();
    expect(() => requireSameOrigin(core(), ask({ ...headers, authorization: "Bearer abc" }))).not.toThrow();
  });

  const own: Record<string, string>[] = [
    {},
    { origin: "http://here.test" },
    { origin: "https://here.test" },
    { "sec-fetch-site": "same-origin", origin: "http://here.test" },
    { "sec-fetch-site": "none" },
  ];
  test.each(own)("that changes something passes with %j", (headers) => {
    expect(() => requireSameOrigin(core(), ask(headers))).not.toThrow();
  });
});

test("what a proxy forwards counts only when it is trusted, and of a list only what our own proxy added", () => {
  const request = ask({
    "x-forwarded-for": "6.6.6.6, 10.0.0.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "evil.test, chat.test",
  });
  const server = { requestIP: () => ({ address: "127.0.0.1" }) };
  expect(ownOrigin(core(), request)).toBe("http://here.test");
  expect(ownOrigin(core(true), request)).toBe("https://chat.test");
  expect(addressOf(core(), request, server)).toBe("127.0.0.1");
  expect(addressOf(core(true), request, server)).toBe("10.0.0.1");
  expect(sessionCookie(core(), request, "t")).not.toContain("Secure");
  expect(sessionCookie(core(true), request, "t")).toEndWith("; HttpOnly; SameSite=Lax; Secure");
});

test("the owner's own word counts more than a proxy's, and a form may come by either name", () => {
  const named = core(true);
  const owned = { ...named, config: { ...named.config, publicUrl: "https://chat.test/below" } } as Core;
  const request = ask({ "x-forwarded-proto": "http", "x-forwarded-host": "other.test" });
  expect(ownOrigin(owned, request)).toBe("https://chat.test");
  expect(sessionCookie(owned, request, "t")).toEndWith("; Secure");
  for (const origin of ["https://chat.test", "http://other.test"]) {
    const form = ask({ "x-forwarded-host": "other.test", origin });
    expect(() => requireSameOrigin(owned, form)).not.toThrow();
  }
  for (const origin of ["https://evil.test", "https://chat.test.evil.test", "null"]) {
    expect(() => requireSameOrigin(owned, ask({ origin }))).toThrow("another site");
  }
});

test("signing out is a cookie that is over at once", () => {
  expect(sessionCookie(core(), ask({}), null)).toStartWith(`${SESSION_COOKIE}=; Path=/; Max-Age=0;`);
});
