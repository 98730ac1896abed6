import { describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createWatch, type WatchPath } from "../../src/plugins/watch";
import { atEnd } from "../support/at-end";
import { appending, loadPlugins, writePlugins } from "../support/plugin-files";
import { temporaryFolder } from "../support/temporary";
import { until } from "../support/until";

/** Longer than any test: what is seen was told of, or looked for before a turn. */
const NEVER_MS = 1_000_000;

/** As on a network disk, from which nothing is heard. */
const deaf: WatchPath = () => ({ close() {}, on: (() => {}) as never });
/** As where the limit of watches is used up. */
const refusing: WatchPath = () => {
  throw Object.assign(new Error("System limit for number of file watchers reached"), { code: "ENOSPC" });
};

function watching(...paths: string[]) {
  let told = 0;
  const watch = createWatch(() => told++);
  atEnd(() => watch.stop());
  watch.renew(paths);
  return {
    watch,
    /** Resolves when what is done has been told. */
    async tells(change: () => void): Promise<void> {
      const before = told;
      change();
      await until(() => told > before);
      watch.renew(paths);
    },
    told: () => told,
  };
}

describe("what is watched is told:", () => {
  test("files of a folder that are made, changed, replaced, linked elsewhere and removed", async () => {
    const folder = temporaryFolder();
    const { tells } = watching(folder);
    const path = join(folder, "a.ts");
    await tells(() => writeFileSync(path, "1"));
    await tells(() => appendFileSync(path, "2"));
    await tells(() => {
      writeFileSync(join(folder, "a.tmp"), "3");
      renameSync(join(folder, "a.tmp"), path);
    });
    await tells(() => symlinkSync(path, join(folder, "b.ts")));
    await tells(() => rmSync(path));
  });

  test("a folder that was moved away and made anew", async () => {
    const folder = join(temporaryFolder(), "tools");
    mkdirSync(folder);
    const { tells } = watching(folder);
    await tells(() => {
      renameSync(folder, `${folder}.old`);
      mkdirSync(folder);
    });
    await tells(() => writeFileSync(join(folder, "a.ts"), ""));
  });

  test("a file by itself, and again after it was replaced by renaming, as editors save", async () => {
    const path = join(temporaryFolder(), "plugins.yaml");
    writeFileSync(path, "1");
    const { tells } = watching(path);
    for (const text of ["2", "3", "4"]) {
      await tells(() => {
        writeFileSync(`${path}.tmp`, text);
        renameSync(`${path}.tmp`, path);
      });
    }
    await tells(() => appendFileSync(path, "5"));
  });

  test("a folder whose files are links that are turned to another folder, as a config map is", async () => {
    const folder = temporaryFolder();
    const write = (name: string) => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "a.ts"), name);
      symlinkSync(name, join(folder, "..tmp"));
      renameSync(join(folder, "..tmp"), join(folder, "..data"));
    };
    write("..1");
    symlinkSync("..data/a.ts", join(folder, "a.ts"));
    const { tells } = watching(folder);
    await tells(() => write("..2"));
  });

  test("once for what is written together", async () => {
    const folder = temporaryFolder();
    const { tells, told } = watching(folder);
    await tells(() => {
      for (let n = 0; n < 50; n++) writeFileSync(join(folder, `${n}.ts`), "");
    });
    expect(told()).toBe(1);
  });
});

test("what is not there, or may not be watched, is left out", () => {
  const folder = temporaryFolder();
  const opened: string[] = [];
  const watch = createWatch(
    () => {},
    (path) => {
      opened.push(path);
      return refusing(path, () => {});
    },
  );
  watch.renew([join(folder, "none"), folder]);
  expect(opened).toEqual([folder]);
  watch.stop();
});

describe("a plugin that is saved while nobody sends a message is used", () => {
  const open = async (looking: object) => {
    const dataPath = temporaryFolder();
    const file = join(dataPath, "plugins.yaml");
    writeFileSync(file, "appends-b: { letter: x }");
    const { core } = await loadPlugins({ "core/a.ts": appending("a") }, { dataPath, looking });
    return { core, file, folder: join(dataPath, "plugins") };
  };

  test("when the system tells of it, also its settings, and a folder that came with it", async () => {
    const { core, folder, file } = await open({ everyMs: NEVER_MS, firstMs: 0 });
    const settings = 'settings: { type: "object", properties: { letter: { type: "string" } } },';
    const byLetter = appending("b", settings).replace('id + "b"', 'id + core.settings("appends-b").letter');
    writePlugins(folder, { "core/b.ts": byLetter });
    await until(async () => String(await core.model.list()) === "baseax");
    for (const letter of ["y", "z"]) {
      writeFileSync(`${file}.tmp`, `appends-b: { letter: ${letter} }`);
      renameSync(`${file}.tmp`, file);
      await until(async () => String(await core.model.list()) === `basea${letter}`);
    }
    writePlugins(folder, { "functions/d.ts": appending("d") });
    await until(async () => String(await core.model.list()) === "baseazd");
  });

  test.each([
    ["tells nothing", deaf],
    ["refuses to", refusing],
  ])("at the next look where the system %s", async (_, watchPath) => {
    const { core, folder } = await open({ everyMs: 100, firstMs: 0, watchPath });
    writePlugins(folder, { "core/b.ts": appending("b") });
    await until(async () => String(await core.model.list()) === "baseab");
    writePlugins(folder, { "core/c.ts": appending("c") });
    await until(async () => String(await core.model.list()) === "baseabc");
  });
});
