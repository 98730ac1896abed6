import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../src/basics/log";
import { contracts } from "../src/contracts";
import { install } from "../src/plugins";
import type { Core, ProtocolName } from "../src/protocols";
import { projectFolder } from "./support/project";
import { temporaryFolder, testConfig } from "./support/temporary";

/** Suites that a provider's own tests run, often on it in several states. */
const RUN_BY: Partial<Record<ProtocolName, string>> = {
  auth: "test/core/auth.test.ts",
  bus: "test/core/bus/bus.test.ts",
  file: "test/core/file.test.ts",
  limit: "test/core/limit.test.ts",
  model: "test/core/model/model.test.ts",
  store: "test/core/store/store.test.ts",
  systemPrompt: "test/core/system-prompt.test.ts",
  views: "test/core/views.test.ts",
};

for (const [protocol, cases] of Object.entries(contracts)) {
  const file = RUN_BY[protocol as ProtocolName];
  describe(`the default of ${protocol}`, () => {
    test("has a contract with cases of different names", () => {
      expect(cases.length).toBeGreaterThan(0);
      expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
    });
    if (file) {
      test(`is held to its contract by ${file}`, () => {
        expect(readFileSync(join(projectFolder, file), "utf8")).toMatch(
          new RegExp(`(?:of |each\\()${protocol}Contract\\b`),
        );
      });
    } else {
      for (const { name, run } of cases) test(name, () => onTemporaryCore(run));
    }
  });
}

async function onTemporaryCore(run: (core: Core) => Promise<void>): Promise<void> {
  const { core, stop } = await install({ config: testConfig(temporaryFolder()), log: createLog("error") });
  try {
    await run(core);
  } finally {
    await stop(0);
  }
}
