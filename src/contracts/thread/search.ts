/** What every `thread` promises about finding a thread again. */

import { deepEqual, equal, ok } from "node:assert/strict";
import type { ContractCase } from "../contract";
import { say } from "./support";

export const search: readonly ContractCase[] = [
  {
    name: "a search finds titles and what was said, one hit for each thread, titles first",
    async run(core) {
      const said = await core.thread.create("ann", { title: "Zoo" });
      await say(core, said.id, null, "Nothing here");
      const found = await say(core, said.id, null, "The walrus sleeps, walrus!");
      const titled = await core.thread.create("ann", { title: "The Walrus" });
      const hits = await core.thread.search("ann", "walrus");
      deepEqual(
        hits.map(({ thread }) => thread.id),
        [titled.id, said.id],
      );
      equal(hits[0]?.messageId, undefined);
      equal(hits[1]?.messageId, found);
      ok(hits[1]?.snippet.includes("\u0002walrus\u0003"));
    },
  },
  {
    name: "no text that a person may search for is an error",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "" });
      await say(core, id, null, "col x NEAR");
      for (const text of ['"', "NEAR(", "*", "col:x", "\0", "", "  ", "a AND", "(", "-", "'; drop table threads; --"]) {
        ok(Array.isArray(await core.thread.search("ann", text)), text);
      }
    },
  },
];
