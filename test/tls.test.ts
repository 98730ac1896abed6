/** HTTPS without a proxy: the pair of files, and a server that takes another one while it serves. */

import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { createLog } from "../src/basics/log";
import { readPair, watchPair } from "../src/tls";
import { SOURCE, startServer } from "./support/server-process";
import { temporaryFolder, testConfig } from "./support/temporary";
import { FIRST, SECOND } from "./support/tls-pairs";
import { until } from "./support/until";
import { freePort } from "./support/upstream";

interface Pair {
  readonly cert: string;
  readonly key: string;
}

function folderWith({ cert, key }: Pair) {
  const folder = temporaryFolder();
  const [tlsCertFile, tlsKeyFile] = [join(folder, "site.crt"), join(folder, "site.key")];
  const write = (pair: Pair) => {
    writeFileSync(tlsCertFile, pair.cert);
    writeFileSync(tlsKeyFile, pair.key);
  };
  write({ cert, key });
  return { folder, write, config: testConfig(folder, { tlsCertFile, tlsKeyFile }) };
}

describe("the pair of files", () => {
  test("is read, and there is none without the settings", () => {
    const { config, folder } = folderWith(FIRST);
    expect(readPair(config)).toEqual({ cert: FIRST.cert, key: FIRST.key });
    expect(readPair(testConfig(folder))).toBeNull();
  });

  const wrong: [what: string, pair: Pair, reason: RegExp][] = [
    [
      "of two certificates",
      { cert: FIRST.cert, key: SECOND.key },
      /^TLS_KEY_FILE \S+ is not the key of the certificate in/,
    ],
    ["the wrong way round", { cert: FIRST.key, key: FIRST.cert }, /^TLS_CERT_FILE \S+ has no certificate in PEM\.$/],
    [
      "without a key",
      { cert: FIRST.cert, key: "" },
      /^TLS_KEY_FILE \S+ has no private key without a password in PEM\.$/,
    ],
  ];
  test.each(wrong)("%s is refused in a sentence", (_, pair, reason) => {
    expect(() => readPair(folderWith(pair).config)).toThrow(reason);
  });

  test("of which one file is missing is refused by its name", () => {
    const { config } = folderWith(FIRST);
    expect(() => readPair({ ...config, tlsKeyFile: "/nowhere/site.key" })).toThrow(
      /^TLS_KEY_FILE \/nowhere\/site\.key cannot be read/,
    );
  });

  test("is taken once when it changes, and not while the two do not fit, which is said once", async () => {
    const { config, write } = folderWith(FIRST);
    const lines: string[] = [];
    const log = createLog("info", (_, line) => lines.push(line));
    const used: Pair[] = [];
    let isBroken = true;
    const end = watchPair(
      config,
      log,
      FIRST,
      (pair) => {
        used.push(pair);
        if (used.length === 1 && isBroken) throw new Error("The port is taken.");
      },
      5,
    );
    write({ cert: SECOND.cert, key: FIRST.key });
    await until(() => lines.some((line) => line.includes("is not the key")));
    expect(used).toEqual([]);
    write(SECOND);
    await until(() => used.length === 2);
    isBroken = false;
    await Bun.sleep(50); // Ten looks, at which nothing is taken again.
    end();
    expect(used).toEqual([
      { cert: SECOND.cert, key: SECOND.key },
      { cert: SECOND.cert, key: SECOND.key },
    ]);
    expect(lines.filter((line) => line.includes("is not the key"))).toHaveLength(1);
  });
});

describe("a server with a certificate of its own", () => {
  test("serves HTTPS, and takes another one without dropping a stream", async () => {
    const { folder, write, config } = folderWith(FIRST);
    const env = {
      TLS_CERT_FILE: "site.crt",
      TLS_KEY_FILE: "site.key",
      SKELETON_MODE: "ephemeral",
      SKELETON_PORT: String(freePort()),
    };
    const server = await startServer({ command: SOURCE, folder, env });
    expect(config.tlsCertFile).toStartWith(folder);
    expect(server.address).toStartWith("https://");
    const body = JSON.stringify({ username: "default", password: "default" });
    const entered = await ask(`${server.address}/login`, {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
    });
    expect(entered.headers.getSetCookie().every((cookie) => cookie.endsWith("; Secure"))).toBe(true);
    const { access_token: token } = (await entered.json()) as { access_token: string };
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    expect(await nameAt(server.address)).toBe(FIRST.name);

    // Also by names that are shorter than an address has as a rule, and where no route of Bun's own is.
    for (const host of ["chat.home.arpa", "nas", "ab", "a"]) {
      const status = async (path: string, method = "GET") =>
        (await ask(server.address + path, { method, headers: { ...headers, host } })).status;
      expect([host, await status("/_plugin/admin/")]).toEqual([host, 200]);
      expect([host, await status("/login")]).toEqual([host, 303]);
      expect([host, await status("/none/such")]).toEqual([host, 404]);
      expect([host, await status("/api/v1/models?a=/b", "PUT")]).toEqual([host, 405]);
    }

    const events = await ask(`${server.address}/api/v1/live`, { headers });
    const reader = events.body?.getReader();
    await reader?.read();
    write(SECOND);
    await until(async () => (await nameAt(server.address)) === SECOND.name);
    // The stream that began before hears what is done over a connection that began after.
    await (
      await ask(`${server.address}/api/v1/message`, {
        method: "POST",
        headers,
        body: JSON.stringify({ content: "Hi", model: "demo" }),
      })
    ).text();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain("data:");

    const health = Bun.spawn([...SOURCE, "health"], { cwd: folder, env: { ...env, SKELETON_HOST: "127.0.0.1" } });
    expect([await health.stdout.text(), await health.exited]).toEqual(['{"status":"ok"}\n', 0]);
    expect(await server.stop()).toBe(0);
  }, 60_000);

  test("does not start with a wrong pair, and says so in a sentence", async () => {
    const { folder } = folderWith({ cert: FIRST.cert, key: SECOND.key });
    const env = { TLS_CERT_FILE: "site.crt", TLS_KEY_FILE: "site.key", SKELETON_MODE: "ephemeral", SKELETON_PORT: "0" };
    const child = Bun.spawn([...SOURCE], { cwd: folder, env, stdout: "pipe", stderr: "pipe" });
    expect([await child.exited, await child.stderr.text()]).toEqual([
      1,
      expect.stringMatching(/^skeleton: TLS_KEY_FILE .*is not the key.*\n$/),
    ]);
  });
});

function ask(url: string, init: RequestInit): Promise<Response> {
  // A connection of its own for each: one that was used before the change is closed after its answer.
  return fetch(url, { redirect: "manual", ...init, keepalive: false, tls: { rejectUnauthorized: false } });
}

/** To whom the certificate is made out that a new connection is shown; null while there is none. */
function nameAt(address: string): Promise<string | null> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN as string);
      socket.end();
    });
    socket.on("error", () => resolve(null));
  });
}
