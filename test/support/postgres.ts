/** A real PostgreSQL for tests: Debian's, in a temporary folder, on a port of its own, as somebody who is not root, who may not run it. */

import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atEnd } from "./at-end";
import { FIRST } from "./tls-pairs";
import { freePort } from "./upstream-answers";

const DEBIAN = "/usr/lib/postgresql";
const NOBODY = 65534;
/** Nothing of a test has to outlive the machine. */
const QUICK =
  "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=100";

const programs = findPrograms();

/** Why there is none here; null = there is one. */
export const noPostgres =
  programs === null ? `no PostgreSQL was found in ${DEBIAN}; install Debian's postgresql` : null;

export interface Postgres {
  /** With the password. */
  readonly url: string;
  readonly password: string;
  start(): Promise<void>;
  /** As `systemctl stop` does: connections are ended at once. */
  stop(): Promise<void>;
}

/** Running, with a database that has no tables; gone when the tests end. */
export async function startPostgres(): Promise<Postgres> {
  const folder = mkdtempSync(join(tmpdir(), "skeleton-postgres-"));
  const password = crypto.randomUUID();
  const port = freePort();
  const files = { password, "server.crt": FIRST.cert, "server.key": FIRST.key };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  const paths = [folder, ...Object.keys(files).map((name) => join(folder, name))];
  if (process.getuid?.() === 0) for (const path of paths) chownSync(path, NOBODY, NOBODY);
  const data = join(folder, "data");
  await run(
    "initdb",
    "-D",
    data,
    "-U",
    "skeleton",
    "-A",
    "scram-sha-256",
    "-E",
    "UTF8",
    "--locale=C",
    "-N",
    `--pwfile=${folder}/password`,
  );
  const options = `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file=${folder}/server.crt -c ssl_key_file=${folder}/server.key ${QUICK}`;
  const control = (...args: string[]) => run("pg_ctl", "-D", data, "-l", join(folder, "log"), "-w", ...args);
  const postgres = {
    url: `postgres://skeleton:${password}@127.0.0.1:${port}/postgres`,
    password,
    start: () => control("-o", options, "start"),
    stop: () => control("-m", "fast", "stop"),
  };
  atEnd(async () => {
    await postgres.stop().catch(() => {}); // A test may have stopped it.
    rmSync(folder, { recursive: true, force: true });
  });
  await postgres.start();
  return postgres;
}

function findPrograms(): string | null {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((one, other) => Number(other) - Number(one)) : [];
  const found = versions
    .map((version) => join(DEBIAN, version, "bin"))
    .find((path) => existsSync(join(path, "initdb")));
  return found ?? null;
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  const command = [join(programs ?? "", program), ...args];
  const asNobody = process.getuid?.() === 0 ? ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] : [];
  // To a file and not a pipe: the server that it starts would hold the pipe open.
  const child = Bun.spawn([...asNobody, ...command], { cwd: "/", stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  if ((await child.exited) !== 0) throw new Error(`${program} ended with ${child.exitCode}.`);
}
