/** A store over a real file, as the parts under test get it from `core`. */

import { createLog, type LogWriter } from "../../../src/basics/log";
import { createStore } from "../../../src/core/store";
import type { Config, Core, StoreProtocol } from "../../../src/protocols";
import { temporaryFolder, testConfig } from "../../support/temporary";

/** A core of nothing but settings, log and store; the store of another core on the same folder shares its file. */
export function storeCore(folder = temporaryFolder(), overrides: Partial<Config> = {}, write?: LogWriter): Core {
  const config = testConfig(folder, overrides);
  const core = { config, log: createLog(write ? "info" : "error", write) } as Core;
  return Object.assign(core, { store: createStore(core) });
}

export function openStore(folder: string): StoreProtocol {
  return storeCore(folder).store;
}
