/**
 * A process of its own that writes to the store in the folder given: `append` until it is killed, printing what was
 * acknowledged; `add`, which tries 200 ids that others try too and prints how many it won; `orphan`, which goes on when its
 * Worker has died; or `open`, which makes the database and ends.
 */

import { isAppError } from "../../../src/basics/errors";
import { createLog } from "../../../src/basics/log";
import { createStore } from "../../../src/core/store";
import type { Core } from "../../../src/protocols";

const [mode = "", folder = ""] = process.argv.slice(2);
const workers: Worker[] = [];
if (mode === "orphan") watchWorkers();
const store = createStore({ config: { mode: "persistent", dataPath: folder }, log: createLog("error") } as Core);
await store.createStoreIfNotExists("notes", { n: "int", list: "json_collection" });

if (mode === "append") await append();
else if (mode === "add") await compete();
else if (mode === "orphan") await loseWorkers();
else await store.close();

async function append(): Promise<never> {
  await store.add("ann", "notes", {}, "log");
  for (let n = 0; ; n += 1) {
    await Promise.all([
      store.add("ann", "notes", { n }, `${n}`),
      store.collectionAppend("ann", "notes", "log", "list", [n]),
    ]);
    process.stdout.write(`${n}\n`);
  }
}

async function compete(): Promise<void> {
  let won = 0;
  for (let n = 0; n < 200; n += 1) {
    try {
      await store.add("ann", "notes", { n }, `${n}`);
      won += 1;
    } catch (error) {
      if (!isAppError(error) || error.code !== "conflict") throw error;
    }
  }
  process.stdout.write(`${won}\n`);
  await store.close();
}

function watchWorkers(): void {
  globalThis.Worker = class extends Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      workers.push(this);
    }
  };
}

async function loseWorkers(): Promise<never> {
  await store.add("ann", "notes", {}, "log");
  for (let n = 0; ; n++) {
    await store.collectionAppend("ann", "notes", "log", "list", [n]);
    if (n === 200) for (const worker of workers) worker.terminate();
    await Bun.sleep(1);
  }
}
