/** What the image and compose.yaml promise to whoever runs them; neither is built here. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "./support/project";

const read = (path: string) => readFileSync(join(projectFolder, path), "utf8");

test("process 1 of the image reaps what tools leave behind, started by docker run or by compose", () => {
  const entry = /^ENTRYPOINT (\[.*\])$/m.exec(read("Dockerfile"))?.[1] ?? "[]";
  expect(JSON.parse(entry)).toEqual(["tini", "-s", "--", "skeleton"]);
  expect(read("Dockerfile")).toMatch(/apt-get install .*\btini\b/);
});

test("compose.yaml bounds memory and processes, and gives replies their time to end", () => {
  const { skeleton } = (Bun.YAML.parse(read("compose.yaml")) as { services: { skeleton: Record<string, unknown> } })
    .services;
  expect(skeleton).toMatchObject({ init: true, mem_limit: "2g", pids_limit: 512, stop_grace_period: "30s" });
});
