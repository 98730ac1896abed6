/** A process with an ephemeral server's files: keeps one, prints the path and the text of its bytes, and ends. */

import { createLog } from "../../src/basics/log";
import { createFile } from "../../src/core/file";
import { createStore } from "../../src/core/store";
import type { Core } from "../../src/protocols";

const [folder = ""] = process.argv.slice(2);
const config = { mode: "ephemeral", dataPath: folder, ephemeralFolder: null, uploadDir: folder, quotaBytes: 0 };
const core = { config, log: createLog("error") } as Core;
Object.assign(core, { store: createStore(core) });
const file = createFile(core);
const { id } = await file.put("default", { name: "x", type: "text/plain", data: new Blob(["ephemeral"]) });
const bytes = await file.open("default", id);
process.stdout.write(`${(bytes as Bun.BunFile).name}\n${await bytes?.text()}\n`);
await core.store.close();
