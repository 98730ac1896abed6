/** A process with a bus on a data folder, which does what it is told by its parent, one thing after the other. */

import { createLog } from "../../../src/basics/log";
import { createBus } from "../../../src/core/bus";
import type { Core, Json } from "../../../src/protocols";

export type Order =
  | { readonly publish: readonly [topic: string, message: Json] }
  /** `message` is then sent to the parent for each message. */
  | { readonly subscribe: string };

export type Told = { readonly done: true } | { readonly heard: readonly [topic: string, message: Json] };

const [dataPath = "", runtimeFolder = ""] = process.argv.slice(2);
const config = { dataPath, mode: "persistent", scratch: null };
const bus = createBus({ config, log: createLog("error") } as unknown as Core, runtimeFolder);
const tell = (told: Told): void => void process.send?.(told);

process.on("disconnect", () => process.exit(0));
let before = Promise.resolve();
process.on("message", (order: Order) => {
  before = before.then(async () => {
    if ("publish" in order) await bus.publish(...order.publish);
    else await bus.subscribe(order.subscribe, (message) => tell({ heard: [order.subscribe, message] }));
    tell({ done: true });
  });
});
