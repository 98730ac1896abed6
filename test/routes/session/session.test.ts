import { describe, expect, test } from "bun:test";
import type { AuthProtocol, Core } from "../../../src/protocols";
import {
  addressOf,
  BARE_COOKIE,
  endedCookies,
  findUser,
  keepPeer,
  ownOrigin,
  requireSameOrigin,
  sessionCookie,
  sessionCookieName,
  tokensOf,
} from "../../../src/routes/session/session";
import { testConfig } from "../../support/temporary";

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
    [{ cookie: `a=b; ${BARE_COOKIE}=abc; c=d` }, "abc"],
    [{ cookie: `x${BARE_COOKIE}=abc` }, null],
    [{ cookie: `${BARE_COOKIE}=` }, null],
    [{ authorization: "Bearer one", cookie: `${BARE_COOKIE}=two` }, "one"],
    [{ cookie: `${BARE_COOKIE}=bob\x7f1` }, null],
  ];
  test.each(senders)("with %j is sent by %p", async (headers, name) => {
    expect((await findUser(core(), ask(headers)))?.username ?? null).toBe(name);
  });

  const identified: [headers: Record<string, string>, name: string | null][] = [
    [{}, "proxy 10.0.0.9"],
    [{ authorization: "Bearer abc" }, "abc"],
    [{ authorization: "Bearer bad" }, "proxy 10.0.0.9"],
    [{ authorization: "Bearer bad", "x-nobody": "1", cookie: `${BARE_COOKIE}=abc` }, "abc"],
    [{ authorization: "Bearer bad", "x-nobody": "1" }, null],
    [{ cookie: `${BARE_COOKIE}=abc` }, "proxy 10.0.0.9"],
    [{ "x-forwarded-for": "6.6.6.6" }, "proxy 10.0.0.9"],
    [{ "x-nobody": "1", cookie: `${BARE_COOKIE}=abc` }, "abc"],
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
  test.each(foreign)("that changes something is refused with %j, unless it brings a token of ours", async (headers) => {
    await expect(requireSameOrigin(core(), ask(headers))).rejects.toThrow("another site");
    await requireSameOrigin(core(), ask(headers, "GET"));
    await requireSameOrigin(core(), ask({ ...headers, authorization: "Bearer abc" }));
  });

  test("from another site is refused with a token of a proxy's when the browser is known, and else left to who needs a user", async () => {
    const verifyToken = async (token: string) => (token === "good" ? { username: "ann", role: "user" } : null);
    const guarded = { ...core(), auth: { verifyToken } } as unknown as Core;
    const foreign = { authorization: "Bearer of.a.proxy", "sec-fetch-site": "cross-site" };
    const known = ask({ ...foreign, cookie: `${BARE_COOKIE}=good` });
    await expect(requireSameOrigin(guarded, known)).rejects.toThrow("another site");
    await requireSameOrigin(guarded, ask({ ...foreign, cookie: `${BARE_COOKIE}=bad` }));
    await requireSameOrigin(
      guarded,
      ask({ ...foreign, cookie: `${BARE_COOKIE}=good`, "sec-fetch-site": "same-origin" }),
    );
  });

  const own: Record<string, string>[] = [
    {},
    { origin: "http://here.test" },
    { origin: "https://here.test" },
    { "sec-fetch-site": "same-origin", origin: "http://here.test" },
    { "sec-fetch-site": "none" },
  ];
  test.each(own)("that changes something passes with %j", async (headers) => {
    await requireSameOrigin(core(), ask(headers));
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

test("the owner's own word counts more than a proxy's, and a form may come by either name", async () => {
  const named = core(true);
  const owned = { ...named, config: { ...named.config, publicUrl: "https://chat.test/below" } } as Core;
  const request = ask({ "x-forwarded-proto": "http", "x-forwarded-host": "other.test" });
  expect(ownOrigin(owned, request)).toBe("https://chat.test");
  expect(sessionCookie(owned, request, "t")).toEndWith("; Secure");
  for (const origin of ["https://chat.test", "http://other.test"]) {
    const form = ask({ "x-forwarded-host": "other.test", origin });
    await requireSameOrigin(owned, form);
  }
  for (const origin of ["https://evil.test", "https://chat.test.evil.test", "null"]) {
    await expect(requireSameOrigin(owned, ask({ origin }))).rejects.toThrow("another site");
  }
});

describe("the cookie of a session", () => {
  const verifyToken = async (token: string) => (token.startsWith("good") ? { username: token, role: "user" } : null);
  const installed = { ...core(), auth: { installation: "a1b2", verifyToken } } as unknown as Core;
  const name = "skeleton_session_a1b2";
  const nameOf = async (cookie: string) => (await findUser(installed, ask({ cookie })))?.username ?? null;

  test("is named after the installation, and plainly where it has no name", () => {
    expect(sessionCookieName(installed)).toBe(name);
    expect(sessionCookieName(core())).toBe(BARE_COOKIE);
    expect(sessionCookie(installed, ask({}), "t")).toStartWith(`${name}=t; Path=/; Max-Age=3600;`);
  });

  test("counts when it is the first good one of its name", async () => {
    expect(await nameOf(`${name}=bad; ${name}=good1; ${name}=good2`)).toBe("good1");
    expect(await nameOf(`${name}=bad; ${name}=worse`)).toBeNull();
  });

  test("may have the plain name while there is none of the installation's", async () => {
    expect(await nameOf(`${BARE_COOKIE}=bad; ${BARE_COOKIE}=good`)).toBe("good");
    expect(await nameOf(`${name}=; ${BARE_COOKIE}=good`)).toBe("good");
    expect(await nameOf(`${name}=bad; ${BARE_COOKIE}=good`)).toBeNull();
    expect(await nameOf(`${BARE_COOKIE}_ffff=good`)).toBeNull();
  });

  test("is over at once when somebody signs out; the plain one goes where it was the one that counted", () => {
    const ended = (cookie: string) =>
      endedCookies(installed, ask({ cookie })).map((text) => text.split(";", 3).join(";"));
    const own = `${name}=; Path=/; Max-Age=0`;
    expect(ended(`${name}=good; ${BARE_COOKIE}=good`)).toEqual([own]);
    expect(ended(`${BARE_COOKIE}=good`)).toEqual([own, `${BARE_COOKIE}=; Path=/; Max-Age=0`]);
  });

  test("ends with all that came when somebody signs out", () => {
    const cookie = `${name}=one; ${name}=two; ${name}=one; ${BARE_COOKIE}=other`;
    expect(tokensOf(installed, ask({ cookie, authorization: "Bearer three" }))).toEqual(["three", "one", "two"]);
  });

  test("is for the path that PUBLIC_URL says", () => {
    const below = { ...installed, config: { ...installed.config, publicUrl: "https://a.test/chat" } } as Core;
    expect(sessionCookie(below, ask({}), "t")).toContain("; Path=/chat; ");
  });
});
