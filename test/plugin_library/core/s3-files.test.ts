import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../../../src/basics/log";
import { checkPlugins } from "../../../src/contracts/check";
import { install } from "../../../src/plugins";
import { atEnd } from "../../support/at-end";
import { dataWith } from "../../support/library";
import { projectFolder } from "../../support/project";
import { startS3 } from "../../support/s3";
import { temporaryFolder, testConfig } from "../../support/temporary";

const PLUGIN = join(projectFolder, "plugin_library/core/s3-files.ts");
const KEY = "the-key";
const SECRET = "a-secret-of-the-owner";

function settingsFor(endpoint: string, access_key_id = KEY) {
  return { "s3-files": { bucket: "things", endpoint, access_key_id, secret_access_key: SECRET, prefix: "ours/" } };
}

async function startCore(endpoint: string, access_key_id?: string, dataPath = temporaryFolder()) {
  const folder = dataWith(["core/s3-files.ts"], settingsFor(endpoint, access_key_id));
  writeFileSync(join(dataPath, "plugins.yaml"), JSON.stringify(settingsFor(endpoint, access_key_id)));
  const config = testConfig(dataPath, { pluginsPath: join(folder, "plugins") });
  const installed = await install({ config, log: createLog("error") });
  atEnd(() => installed.stop(0));
  return installed.core;
}

test("every promise of file is kept, below a name of the check's own, of which nothing is left", async () => {
  const s3 = startS3("things", KEY);
  s3.objects.set("ours/of-the-owner", new Uint8Array(1));
  const dataPath = temporaryFolder();
  writeFileSync(join(dataPath, "plugins.yaml"), JSON.stringify(settingsFor(s3.url)));
  const lines: string[] = [];
  await checkPlugins([PLUGIN], testConfig(dataPath), (line) => void lines.push(line));
  const kept = expect.stringMatching(/^ {2}ok {4}file keeps its \d+ promises$/);
  expect(lines).toEqual([PLUGIN, "  ok    s3-files: provides file; settings; required", kept]);
  expect(s3.requests.filter((request) => request.startsWith("PUT ")).length).toBeGreaterThan(20);
  expect([...s3.objects.keys()]).toEqual(["ours/of-the-owner"]);
});

test("bytes lie in the bucket once, and servers that share the store open each other's", async () => {
  const s3 = startS3("things", KEY);
  const dataPath = temporaryFolder();
  const [here, there] = [await startCore(s3.url, KEY, dataPath), await startCore(s3.url, KEY, dataPath)];
  const data = new Blob(["x".repeat(3_000_000)]);
  const { id } = await here.file.put("ann", { name: "large.txt", type: "text/plain", data });
  await there.file.put("bob", { name: "same.txt", type: "text/plain", data });
  expect([...s3.objects.keys()]).toEqual([expect.stringMatching(/^ours\/[\da-f]{2}\/[\da-f]{2}\/[\da-f-]+$/)]);
  const opened = await there.file.open("ann", id);
  expect([opened?.size, await opened?.slice(2_999_998).text()]).toEqual([3_000_000, "xx"]);
});

test("a key that is wrong ends the start, and no sentence has the secret", async () => {
  const s3 = startS3("things", KEY);
  const error = await startCore(s3.url, "another-key").then(
    () => "it started",
    (it) => Bun.inspect(it),
  );
  expect(error).toMatch(/s3-files.*start failed/);
  expect(error).not.toContain(SECRET);
});
