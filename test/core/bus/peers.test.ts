import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { PEER_LEFT } from "../../../src/basics/facts";
import { createLog } from "../../../src/basics/log";
import { busContract } from "../../../src/contracts/bus";
import { createBus } from "../../../src/core/bus";
import type { BusProtocol, Core, Json } from "../../../src/protocols";
import { temporaryFolder, testConfig } from "../../support/temporary";
import { until } from "../../support/until";
import type { Order, Told } from "./bus-process";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

interface Options {
  readonly dataPath: string;
  readonly runtimeFolder?: string;
  readonly logged?: string[];
}

async function openBus({ dataPath, runtimeFolder = temporaryFolder(), logged }: Options): Promise<BusProtocol> {
  const log = createLog("info", (_level, line) => void logged?.push(line));
  const bus = createBus({ config: testConfig(dataPath), log } as Core, runtimeFolder);
  ends.push(() => bus.close());
  await bus.subscribe("opens it", () => {});
  return bus;
}

interface OtherProcess {
  readonly heard: (readonly [string, Json])[];
  readonly pid: number;
  readonly exited: Promise<number>;
  order(order: Order): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

async function startOther(dataPath: string, runtimeFolder = temporaryFolder()): Promise<OtherProcess> {
  const heard: (readonly [string, Json])[] = [];
  const waiting: (() => void)[] = [];
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "bus-process.ts"), dataPath, runtimeFolder], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc(told: Told) {
      if ("heard" in told) heard.push(told.heard);
      else waiting.shift()?.();
    },
  });
  ends.push(() => child.kill("SIGKILL"));
  const over = child.exited.then((code) => Promise.reject(new Error(`The other process ended with ${code}`)));
  over.catch(() => {}); // Also when nobody waits for it.
  const order = (given: Order) => {
    child.send(given);
    return Promise.race([over, new Promise<void>((resolve) => waiting.push(resolve))]);
  };
  await order({ subscribe: "opens it" });
  return { heard, pid: child.pid, exited: child.exited, order, kill: (signal) => child.kill(signal) };
}

describe("between processes the bus keeps its contract", () => {
  for (const { name, run } of busContract) {
    test(name, async () => {
      const dataPath = temporaryFolder();
      const bus = await openBus({ dataPath });
      const other = await startOther(dataPath);
      // What is published comes from the other process, and is heard in this one.
      const between: BusProtocol = { ...bus, publish: (topic, message) => other.order({ publish: [topic, message] }) };
      await run({ bus: between } as Core);
    });
  }
});

test("a message reaches three processes once each, whichever began first, and goes on when one of them ends", async () => {
  const dataPath = temporaryFolder();
  const first = await startOther(dataPath);
  await first.order({ subscribe: "a" });
  const bus = await openBus({ dataPath });
  const last = await startOther(dataPath);
  await last.order({ subscribe: "a" });
  await bus.publish("a", "one");
  await until(() => first.heard.length + last.heard.length === 2);
  first.kill("SIGKILL");
  await first.exited;
  await bus.publish("a", "two");
  await until(() => last.heard.length === 2);
  expect(first.heard).toEqual([["a", "one"]]);
  expect(last.heard).toEqual([
    ["a", "one"],
    ["a", "two"],
  ]);
});

/** A message that counts how often it is encoded. */
function counted(): { readonly message: Json; times(): number } {
  let times = 0;
  const message = { toJSON: () => (times += 1) };
  return { message: message as unknown as Json, times: () => times };
}

test("nothing is encoded for nobody: alone, and for a topic that no other process hears", async () => {
  const dataPath = temporaryFolder();
  const bus = await openBus({ dataPath });
  const { message, times } = counted();
  await bus.publish("a", message);
  expect(times()).toBe(0);
  const other = await startOther(dataPath);
  await other.order({ subscribe: "b" });
  await bus.publish("a", message);
  expect(times()).toBe(0);
  await bus.publish("b", message);
  expect(times()).toBe(1);
});

test("sockets are for their user alone, and one that was left is removed by the next process", async () => {
  const dataPath = temporaryFolder();
  const other = await startOther(dataPath);
  const folder = join(dataPath, ".bus");
  const [left = ""] = readdirSync(folder);
  const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
  expect([modeOf(folder), modeOf(join(folder, left))]).toEqual(["700", "600"]);
  other.kill("SIGKILL");
  await other.exited;
  expect(readdirSync(folder)).toEqual([left]);
  const bus = await openBus({ dataPath });
  expect(readdirSync(folder)).not.toContain(left);
  expect(readdirSync(folder)).toHaveLength(1);
  await bus.close();
  expect(readdirSync(folder)).toEqual([]);
});

test("a data folder whose path is too long for sockets has them in the runtime folder, and there is told of it when nowhere can be one", async () => {
  const dataPath = join(temporaryFolder(), "long".repeat(25));
  mkdirSync(dataPath);
  const runtimeFolder = temporaryFolder();
  const bus = await openBus({ dataPath, runtimeFolder });
  const other = await startOther(dataPath, runtimeFolder);
  await other.order({ subscribe: "a" });
  await bus.publish("a", 1);
  await until(() => other.heard.length === 1);
  expect(statSync(join(runtimeFolder, readdirSync(runtimeFolder)[0] ?? "")).mode & 0o777).toBe(0o700);

  const logged: string[] = [];
  const lonely = await openBus({ dataPath, runtimeFolder: join(runtimeFolder, "not there"), logged });
  const got: Json[] = [];
  await lonely.subscribe("a", (message) => void got.push(message));
  await lonely.publish("a", 2);
  expect(got).toEqual([2]);
  expect(logged.at(-1)).toContain("noticed late, by looking at the database");
});

test("a process that is gone is told of at once", async () => {
  const dataPath = temporaryFolder();
  const bus = await openBus({ dataPath });
  const other = await startOther(dataPath);
  const left = Promise.withResolvers<number>();
  await bus.subscribe(PEER_LEFT, () => left.resolve(performance.now()));
  other.kill("SIGKILL");
  const killedAt = performance.now();
  expect((await left.promise) - killedAt).toBeLessThan(1000);
});

test("a process that stands still holds up a subscription for a second and no longer, and hears again when it goes on", async () => {
  const dataPath = temporaryFolder();
  const bus = await openBus({ dataPath });
  const other = await startOther(dataPath);
  await other.order({ subscribe: "a" });
  other.kill("SIGSTOP");
  const begun = performance.now();
  await bus.subscribe("one", () => {});
  const first = performance.now() - begun;
  for (const topic of ["two", "three", "four"]) await bus.subscribe(topic, () => {});
  const others = performance.now() - begun - first;
  expect(others).toBeLessThan(first / 2);
  await bus.publish("a", "meanwhile");
  other.kill("SIGCONT");
  await until(() => other.heard.length === 1);
  const got: Json[] = [];
  await bus.subscribe("five", (message) => void got.push(message));
  await other.order({ publish: ["five", 5] });
  await until(() => got.length === 1);
});

/** Speaks to the only socket of the folder as it likes, and reads what `reads` lets it. */
async function connectTo(dataPath: string, bytes: Uint8Array): Promise<{ readonly closed: Promise<void> }> {
  const [name = ""] = readdirSync(join(dataPath, ".bus"));
  const closed = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    unix: join(dataPath, ".bus", name),
    socket: { data() {}, close: () => closed.resolve() },
  });
  socket.write(bytes);
  ends.push(() => socket.terminate());
  return { closed: closed.promise };
}

function framed(text: string, length = Buffer.byteLength(text)): Buffer {
  const bytes = Buffer.alloc(4 + Buffer.byteLength(text));
  bytes.writeUInt32BE(length);
  bytes.write(text, 4);
  return bytes;
}

test("who says what is not understood is cut off, and the others go on", async () => {
  const dataPath = temporaryFolder();
  const bus = await openBus({ dataPath });
  const name = framed('"0123456789abcdef"');
  for (const bytes of [
    framed("{"),
    framed('"../../etc/passwd"'),
    framed("7"),
    framed("[".repeat(100_000)),
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    framed("", 0x7fffffff),
    Buffer.concat([name, framed("null")]),
    Buffer.concat([name, framed('["subscribe",1,7]')]),
    Buffer.concat([name, framed('["message",{},1]')]),
  ]) {
    const { closed } = await connectTo(dataPath, bytes);
    await closed;
  }
  await connectTo(dataPath, framed('"unfinished', 500));
  const got: Json[] = [];
  await bus.subscribe("a", (message) => void got.push(message));
  await bus.publish("a", 1);
  expect(got).toEqual([1]);
});

test("who does not read is left, before what waits for it is much", async () => {
  const dataPath = temporaryFolder();
  const logged: string[] = [];
  const bus = await openBus({ dataPath, logged });
  const other = await startOther(dataPath);
  await other.order({ subscribe: "a" });
  other.kill("SIGSTOP");
  const left = Promise.withResolvers<void>();
  await bus.subscribe(PEER_LEFT, () => left.resolve());
  const text = "x".repeat(1_000_000);
  const before = process.memoryUsage.rss();
  for (let n = 0; n < 200; n++) {
    await bus.publish("a", text);
    await new Promise(setImmediate);
  }
  await left.promise;
  expect(process.memoryUsage.rss() - before).toBeLessThan(250_000_000);
  expect(logged.at(-1)).toContain("does not read what it is told");
  // It finds out when it goes on, and is there again.
  other.kill("SIGCONT");
  await until(async () => {
    await bus.publish("a", "again");
    return other.heard.at(-1)?.[1] === "again";
  });
});

test("what is too long for a message is heard here, not there, and said", async () => {
  const dataPath = temporaryFolder();
  const logged: string[] = [];
  const bus = await openBus({ dataPath, logged });
  const other = await startOther(dataPath);
  await other.order({ subscribe: "a" });
  await bus.publish("a", "x".repeat(17 * 1024 * 1024));
  expect(logged.at(-1)).toContain("too long for other servers on the same data topic=a");
  await bus.publish("a", "y".repeat(5 * 1024 * 1024));
  await until(() => other.heard.length === 1);
  expect(String(other.heard[0]?.[1])).toHaveLength(5 * 1024 * 1024);
});
