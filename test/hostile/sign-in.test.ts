/** Whoever guesses passwords gets few guesses, whatever they write and from wherever; and keeps nobody out who was there before. */

import { describe, expect, setSystemTime, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import type { Plugin } from "../../src/protocols";
import { accountKey, networkOf } from "../../src/routes/session/sign-in";
import { PASSWORD, startServer, type TestServer } from "../support/server";
import { until } from "../support/until";

const RATE = { max: 5, windowS: 60 };
const FORM = { accept: "text/html" };
const [STRANGERS, HOME, OFFICE] = ["198.51.100", "203.0.113.7", "192.0.2.9"];

const start = (plugins: readonly Plugin[] = []) =>
  startServer({ config: { rateLimitLogin: RATE, trustProxy: true }, plugins });

interface Tried {
  readonly username: string;
  readonly password?: string;
  readonly from: string;
  readonly cookie?: string;
}

function attempt({ url }: TestServer, { username, password = "wrong", from, cookie }: Tried): Promise<Response> {
  const headers = { "content-type": "application/json", "x-forwarded-for": from, ...(cookie && { cookie }) };
  return fetch(`${url}/login`, { method: "POST", body: JSON.stringify({ username, password }), headers });
}

const statusOf = async (server: TestServer, tried: Tried) => (await attempt(server, tried)).status;

/** The cookie by which a browser is known, as it sends it. */
async function knownCookie(server: TestServer, username: string, from: string): Promise<string> {
  const response = await attempt(server, { username, password: PASSWORD, from });
  const cookie = response.headers.getSetCookie().find((text) => text.startsWith("skeleton_known_"));
  expect(cookie).toMatch(/; Path=\/login; Max-Age=34560000; HttpOnly; SameSite=Lax$/);
  return cookie?.split(";")[0] ?? "";
}

/** As many failures of the account as its window takes, from addresses each of which may go on. */
async function fillAccount(server: TestServer, username: string): Promise<void> {
  for (let address = 0; address < 25; address++) {
    for (let guess = 0; guess < 4; guess++) {
      expect(await statusOf(server, { username, from: `${STRANGERS}.${address}` })).toBe(401);
    }
  }
}

describe("one account", () => {
  const spellings = [
    "Zoë Kim",
    "Zoe\u0308 Kim",
    "ZO\u00cb \u212aim",
    "zoë\u00a0kim",
    "Ｚoë Kim",
    "zo\u00adë kim",
    "zoë kım",
  ];

  test("has one key however it is written, and another account another one", () => {
    expect(new Set(spellings.map(accountKey)).size).toBe(1);
    expect(new Set(["ada", "adb", "ad", "a".repeat(64), "a".repeat(65), ""].map(accountKey)).size).toBe(6);
  });

  test("gets as many tries under all spellings as under one", async () => {
    const server = await start();
    const names = ["bob\u212a", "bobK", "BOBK", "bob\uff2b", "bobk"];
    for (const username of names) expect(await statusOf(server, { username, from: OFFICE })).toBe(401);
    for (const username of names) expect(await statusOf(server, { username, from: OFFICE })).toBe(429);
  });

  test("is not locked by five guesses from elsewhere, nor are five typing errors an office's", async () => {
    const server = await start();
    for (let n = 0; n < 5; n++)
      expect(await statusOf(server, { username: "bob", from: `${STRANGERS}.${n}` })).toBe(401);
    for (let n = 0; n < 20; n++) expect(await statusOf(server, { username: `user${n}`, from: OFFICE })).toBe(401);
    for (const username of ["bob", "ann"]) {
      expect(await statusOf(server, { username, password: PASSWORD, from: OFFICE })).toBe(200);
    }
  });
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["192.0.2.1:4711", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["[::FFFF:c000:0201]:80", "192.0.2.1"],
  ["0:0:0:0:0:ffff:c000:201", "192.0.2.1"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:0DB8:0:0:ffff:ffff:ffff:ffff", "2001:db8:0:0::/64"],
  ["[2001:db8:0:1::]:443", "2001:db8:0:1::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["1:2:3:4:5:6:7:8", "1:2:3:4::/64"],
  ["unknown", "unknown"],
  ["x".repeat(100_000), "x".repeat(64)],
])("%s counts as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test("addresses of one /64, and an IPv4 address written as IPv6, have the tries of one", async () => {
  const server = await start();
  const tries = (addresses: readonly string[]) =>
    Promise.all(addresses.map((from) => statusOf(server, { username: "bob", from })));
  const within = Array.from({ length: 8 }, (_, n) => `2001:db8::${n}:${n}`);
  expect((await tries(within)).filter((status) => status === 401)).toHaveLength(5);
  const mapped = ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"];
  expect((await tries(mapped)).filter((status) => status === 401)).toHaveLength(5);
});

describe("an account that others guess at as often as they may", () => {
  test("is refused to an address that was never there, and open to one that was and to a browser that is known", async () => {
    const server = await start();
    const cookie = await knownCookie(server, "bob", "203.0.113.8");
    expect(await statusOf(server, { username: "bob", password: PASSWORD, from: HOME })).toBe(200);
    await fillAccount(server, "bob");
    const right = { username: "bob", password: PASSWORD };
    const refused = await attempt(server, { ...right, from: OFFICE });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeWithin(1, RATE.windowS + 1);
    expect(await statusOf(server, { ...right, from: HOME })).toBe(200);
    expect(await statusOf(server, { ...right, from: OFFICE, cookie })).toBe(200);
    expect(await statusOf(server, { username: "ann", password: PASSWORD, from: OFFICE })).toBe(200);
    // Now it was there.
    expect(await statusOf(server, { ...right, from: OFFICE })).toBe(200);
  }, 20_000);

  test("stays open to an address that was there before a restart", async () => {
    const server = await start();
    expect(await statusOf(server, { username: "bob", password: PASSWORD, from: HOME })).toBe(200);
    await server.stop();
    const again = await startServer({
      dataPath: server.core.config.dataPath,
      config: { rateLimitLogin: RATE, trustProxy: true },
    });
    await fillAccount(again, "bob");
    expect(await statusOf(again, { username: "bob", password: PASSWORD, from: HOME })).toBe(200);
    expect(await statusOf(again, { username: "bob", password: PASSWORD, from: OFFICE })).toBe(429);
  }, 20_000);

  test("gives an address that was there, and a browser that is known, no more guesses than others", async () => {
    const server = await start();
    const cookie = await knownCookie(server, "bob", HOME);
    await fillAccount(server, "bob");
    for (const known of [{ from: HOME }, { from: OFFICE, cookie }]) {
      for (let n = 0; n < 5; n++) expect(await statusOf(server, { username: "bob", ...known })).toBe(401);
      expect(await statusOf(server, { username: "bob", password: PASSWORD, ...known })).toBe(429);
    }
    // What failed at the address has left the browser's own window alone, and the other way round.
    expect(await statusOf(server, { username: "bob", from: "203.0.113.99", cookie })).toBe(429);
  }, 20_000);

  test("is refused with the cookie of another account, a forged one, and one from before a change of password", async () => {
    const server = await start();
    const [own, others] = [await knownCookie(server, "bob", HOME), await knownCookie(server, "ann", HOME)];
    await fillAccount(server, "bob");
    const [name = ""] = own.split("=");
    const forged = [`${name}=${others.split("=")[1]}`, `${own}x`, `${name}=x.y`, others, `${name}=`];
    for (const cookie of forged) {
      expect(await statusOf(server, { username: "bob", password: PASSWORD, from: OFFICE, cookie })).toBe(429);
    }
    expect(await statusOf(server, { username: "bob", password: PASSWORD, from: OFFICE, cookie: own })).toBe(200);
    await changePassword(server, "bob", "another password");
    const tried = { username: "bob", password: "another password", from: STRANGERS, cookie: own };
    expect(await statusOf(server, tried)).toBe(429);
  }, 20_000);
});

test("an address that tries many names is refused, but not the people who signed in from it before", async () => {
  const server = await start();
  expect(await statusOf(server, { username: "bob", password: PASSWORD, from: OFFICE })).toBe(200);
  for (let n = 0; n < 100; n++) expect(await statusOf(server, { username: `user${n}`, from: OFFICE })).toBe(401);
  expect(await statusOf(server, { username: "another", from: OFFICE })).toBe(429);
  expect(await statusOf(server, { username: "ann", password: PASSWORD, from: OFFICE })).toBe(429);
  expect(await statusOf(server, { username: "bob", password: PASSWORD, from: OFFICE })).toBe(200);
  expect(await statusOf(server, { username: "ann", password: PASSWORD, from: HOME })).toBe(200);
}, 20_000);

test("guesses at once from one address never fill the line of those whose passwords are looked at", async () => {
  const server = await start();
  const guesses = Array.from({ length: 90 }, (_, n) => statusOf(server, { username: `user${n}`, from: OFFICE }));
  const person = statusOf(server, { username: "bob", password: PASSWORD, from: HOME });
  const answers = await Promise.all(guesses);
  expect(await person).toBe(200);
  expect(answers.filter((status) => status === 401).length).toBeGreaterThanOrEqual(20);
  expect(answers).not.toContain(503);
  expect(answers).toContain(429);
});

test("no wait is longer than the window, whichever way the clock is set", async () => {
  const server = await start();
  const now = Date.now();
  try {
    for (const hours of [0, 48, -48]) {
      setSystemTime(now + hours * 3_600_000);
      for (let n = 0; n < 5; n++) await attempt(server, { username: `clock${hours}`, from: OFFICE });
      setSystemTime(now - 24 * 3_600_000);
      const refused = await attempt(server, { username: `clock${hours}`, from: OFFICE });
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get("retry-after"))).toBeWithin(1, RATE.windowS + 1);
    }
  } finally {
    setSystemTime();
  }
});

test("a name made of marks, which take long to put in order, costs as much as one of letters", async () => {
  const server = await startServer({ config: { rateLimitLogin: null } });
  const costOf = async (username: string): Promise<number> => {
    const costs: number[] = [];
    for (let round = 0; round < 5; round++) {
      const before = process.cpuUsage();
      expect(await statusOf(server, { username, from: "" })).toBe(401);
      const { user, system } = process.cpuUsage(before);
      costs.push(user + system);
    }
    return costs.sort((a, b) => a - b)[2] ?? 0;
  };
  const letters = await costOf("é".repeat(7600));
  // A hundred times as much before names were bounded.
  expect(await costOf(`a${"\u0345".repeat(3800)}${"\u0316".repeat(3800)}`)).toBeLessThan(8 * letters);
});

describe("signing out", () => {
  const signOut = ({ url }: TestServer, headers: Record<string, string>) =>
    fetch(`${url}/logout`, { method: "POST", headers, redirect: "manual" });

  test("ends the token of the cookie and that of the header, and no other of the same person", async () => {
    const server = await start();
    const [cookie, bearer, other] = [await server.signIn(), await server.signIn(), await server.signIn()];
    const response = await signOut(server, {
      cookie: `skeleton_session=${cookie.token}`,
      authorization: `Bearer ${bearer.token}`,
    });
    expect(await response.json()).toEqual({ status: "signed out", ended: true });
    const statuses = [cookie, bearer, other].map(async (client) => (await client.fetch("/api/v1/threads")).status);
    expect(await Promise.all(statuses)).toEqual([401, 401, 200]);
  });

  test("is said to leave the session alive where the provider cannot end it, or the store cannot keep that", async () => {
    const lasting: Plugin = {
      name: "lasting",
      provide: { auth: (_core, { endToken: _, endTokens: __, ...base }) => base },
    };
    const failing: Plugin = {
      name: "failing",
      provide: { auth: (_core, base) => ({ ...base, endToken: () => Promise.reject(new Error("disk is full")) }) },
    };
    for (const plugin of [lasting, failing]) {
      const server = await start([plugin]);
      const { token } = await server.signIn();
      const headers = { cookie: `skeleton_session=${token}` };
      const page = await signOut(server, { ...headers, ...FORM });
      expect([page.status, page.headers.get("set-cookie")]).toEqual([200, expect.stringContaining("Max-Age=0")]);
      expect(await page.text()).toContain("whoever has its token can use it until it expires");
      expect(await (await signOut(server, headers)).json()).toMatchObject({ ended: false });
      expect((await signOut(server, FORM)).headers.get("location")).toBe("/login");
    }
  });
});

describe("a stream", () => {
  const ticking: Plugin = {
    name: "ticking",
    page: () => ({
      handle(request) {
        const ticks = new ReadableStream({
          async pull(controller) {
            await Bun.sleep(20);
            if (request.signal.aborted) controller.close();
            else controller.enqueue(new TextEncoder().encode(": tick\n\n"));
          },
        });
        return new Response(ticks, { headers: { "content-type": "text/event-stream" } });
      },
    }),
  };

  test.each([["/api/v1/live"], ["/live"], ["/_plugin/ticking/"]])(
    "of %s ends within a second of a changed password, and of signing out",
    async (path) => {
      const server = await start([ticking]);
      const took: number[] = [];
      for (let round = 0; round < 3; round++) {
        const password = round === 0 ? PASSWORD : `password ${round}`;
        const login = await attempt(server, { username: "bob", password, from: HOME });
        const { access_token: token } = (await login.json()) as { access_token: string };
        const authorization = `Bearer ${token}`;
        const response = await fetch(server.url + path, { headers: { authorization } });
        expect(response.status).toBe(200);
        const ended = response.text().catch(() => "cut");
        await Bun.sleep(round * 170); // So that the looks at the file and at the stream do not always fall together.
        const begun = performance.now();
        if (round < 2) writePassword(server, "bob", `password ${round + 1}`);
        else await fetch(`${server.url}/logout`, { method: "POST", headers: { authorization } });
        await ended;
        took.push(performance.now() - begun);
      }
      expect(took.sort((a, b) => a - b)[1]).toBeLessThan(1000);
    },
    20_000,
  );
});

async function changePassword(server: TestServer, username: string, password: string): Promise<void> {
  writePassword(server, username, password);
  await until(() => server.core.auth.authenticate(username, password));
}

function writePassword({ core }: TestServer, username: string, password: string): void {
  const { usersFile } = core.config;
  const hash = Bun.password.hashSync(password, { algorithm: "bcrypt", cost: 4 });
  const text = readFileSync(usersFile, "utf8").replace(
    new RegExp(`^${username}: \\{ password_hash: "[^"]+"`, "m"),
    () => `${username}: { password_hash: "${hash}"`,
  );
  writeFileSync(usersFile, text);
}
