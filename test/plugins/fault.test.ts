import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { User } from "../../src/protocols";
import { appending, loadPlugins, writePlugins } from "../support/plugin-files";
import { projectFolder } from "../support/project";
import { temporaryFolder } from "../support/temporary";

const ANN: User = { username: "ann", role: "user" };
const GOOD = { "tools/good.ts": 'export default { name: "good" };' };

/** A plugin whose part of auth tells which state of it is in use. */
const guard = (state: string, more = "") =>
  `export default { name: "guard", ${more} provide: { auth: (core, base) => ({ ...base, find: async () => "${state}" }) } };`;

/** The line that ends the start, or "" when the server starts. */
async function endOfStart(files: Record<string, string>, make = (_folder: string): void => {}, yaml = "") {
  const dataPath = temporaryFolder();
  const folder = join(dataPath, "plugins");
  writePlugins(folder, { ...GOOD, ...files });
  make(folder);
  if (yaml) writeFileSync(join(dataPath, "plugins.yaml"), yaml);
  try {
    const { wrong } = await loadPlugins({}, { dataPath, mode: "persistent", patience: { startS: 0.2, loadS: 0.2 } });
    return { line: "", wrong, folder, left: [] };
  } catch (error) {
    const left = readdirSync(dataPath).filter((name) => name.startsWith("skeleton.db"));
    return { line: String(error), wrong: [], folder, left };
  }
}

describe("a file in core/ that is at fault ends the start, and the same file elsewhere is named and left out:", () => {
  const bad: [what: string, text: string, message: RegExp][] = [
    ["it does not parse", "export default {", /cannot be loaded: line 1/],
    ["it throws", "throw new Error('no disk');", /cannot be loaded: line 1: no disk\./],
    ["it hangs", "await new Promise(() => {}); export default { name: 'x' };", /`await` took longer/],
    ["it exports nothing", "export const x = 1;", /has no default export/],
    ["it is no plugin", "export default { name: 'x', hoks: {} };", /no member hoks/],
    [
      "its start fails",
      "export default { name: 'x', start() { throw new Error('no network'); } };",
      /start failed: no net/,
    ],
    [
      "its settings do not fit",
      `import { t } from "skeleton"; export default { name: "x", settings: t.Object({ a: t.String() }) };`,
      /must have a/,
    ],
    ["it has a name that is taken", "export default { name: 'good' };", /name good is taken by tools\/good\.ts/],
  ];
  test.each(bad)("%s", async (_, text, message) => {
    const { line, folder, left } = await endOfStart({ "core/x.ts": text });
    expect(line).toMatch(message);
    expect(line).toMatch(/^Error: The server does not start without the plugin (x|good) \(/);
    expect(line).toContain(`(${join(folder, "core/x.ts")})`);
    expect(line).toContain("Mend it, or take it away");
    expect(line.split("\n")).toHaveLength(1);
    // The store is opened when ours start, which is before others do.
    if (!text.includes("start()")) expect(left).toEqual([]);
    const elsewhere = await endOfStart({ "tools/x.ts": text });
    expect(elsewhere.line).toBe("");
    expect(elsewhere.wrong).toEqual([
      ["tools/x.ts", expect.stringMatching(new RegExp(message.source.replace(/\\\.$/, "")))],
    ]);
  });

  const odd: [what: string, make: (path: string) => void, message: string][] = [
    ["it is a pipe", (path) => void execFileSync("mkfifo", [path]), "it is not a file"],
    ["it is a folder", (path) => mkdirSync(path), "it is not a file"],
    ["it is a link to nothing", (path) => symlinkSync("nowhere.ts", path), "a link to a file that is not there"],
    ["it is a link to itself", (path) => symlinkSync("x.ts", path), "a link that leads back to itself"],
  ];
  test.each(odd)("%s", async (_, make, message) => {
    const [core, functions] = await Promise.all(
      ["core", "functions"].map((kind) =>
        endOfStart({}, (folder) => {
          mkdirSync(join(folder, kind));
          make(join(folder, kind, "x.ts"));
        }),
      ),
    );
    expect(core?.line).toMatch(
      /^Error: The server does not start without the plugin x \(.*core\/x\.ts\): It cannot be loaded: /,
    );
    expect(core?.line).toContain(message);
    expect(functions?.line).toBe("");
    expect(functions?.wrong).toEqual([["functions/x.ts", expect.stringContaining(message)]]);
  });

  test("a name of two lines is said on one, and a member that throws when it is read is a fault like any other", async () => {
    expect((await endOfStart({ "core/a\nb.ts": "throw 1;" })).line).toMatch(
      /^Error: The server .*core\/a b\.ts\): It cannot/,
    );
    const text =
      "export default { get name() { throw new Error('gotcha'); }, get required() { throw new Error('no'); } };";
    expect((await endOfStart({ "core/x.ts": text })).line).toContain("gotcha");
    expect((await endOfStart({ "tools/x.ts": text })).wrong).toEqual([["tools/x.ts", "gotcha"]]);
  });

  test("but one that says that it is not required is left out", async () => {
    const { line, wrong } = await endOfStart({
      "core/x.ts": "export default { name: 'x', required: false, provide: { limit: () => ({}) } };",
    });
    expect([line, wrong]).toEqual(["", [["core/x.ts", "Its limit lacks take."]]]);
  });
});

test("a folder that cannot be read is named, and ends the start when it may hold what is required", async () => {
  for (const [kind, ends] of [
    ["core", true],
    ["functions", false],
    ["more", false],
  ] as const) {
    const { line, wrong } = await endOfStart({}, (folder) => symlinkSync(kind, join(folder, kind)));
    if (ends) expect(line).toMatch(/does not start without \/.*core: It cannot be read: it is a link that leads back/);
    else expect([line, wrong]).toEqual(["", [[kind, "It cannot be read: it is a link that leads back to itself."]]]);
  }
  const all = await endOfStart({}, (folder) => {
    rmSync(folder, { recursive: true });
    symlinkSync("nowhere", folder);
  });
  expect(all.line).toMatch(
    /does not start without \/.*plugins: It cannot be read: it is a link to a file that is not there/,
  );
});

describe("wherever it lies, the start ends without", () => {
  test("what provides store, bus, auth, file or limit, or says that it is required", async () => {
    for (const protocol of ["store", "bus", "auth", "file", "limit"]) {
      const text = `export default { name: "x", provide: { ${protocol}: () => ({}) } };`;
      expect((await endOfStart({ "tools/x.ts": text })).line).toContain(`without the plugin x (`);
    }
    const [said, other] = ["required: true", "required: false"].map(
      (more) => `export default { name: "x", ${more}, tools: {} };`,
    );
    expect((await endOfStart({ "functions/x.ts": said ?? "" })).line).toContain("tools must be a list");
    expect((await endOfStart({ "functions/x.ts": other ?? "" })).wrong).toHaveLength(1);
  });

  test("the store of an address that is not set: no empty database is made in its place", async () => {
    const text = `import { t } from "skeleton";
export default { name: "far-store", settings: t.Object({ url: t.String() }), provide: { store: (core, base) => base } };`;
    const { line, left } = await endOfStart(
      { "functions/far.ts": text },
      () => {},
      `far-store: { url: "\${TEST_NO_SUCH_URL}" }`,
    );
    expect(line).toContain("the plugin far-store (");
    expect(line).toContain("the environment variable TEST_NO_SUCH_URL, which is not set");
    expect(left).toEqual([]);
  });

  test("the store that fails when ours declare what they keep, which names it and not them alone", async () => {
    const failing = "createStoreIfNotExists: async () => { throw new Error('connect ECONNREFUSED'); }";
    const text = `export default { name: "far-store", provide: { store: (core, base) => ({ ...base, ${failing} }) } };`;
    const { line } = await endOfStart({ "functions/far.ts": text });
    expect(line).toMatch(
      /without the plugin far-store \(.*far\.ts\): Its store failed when thread was started: connect ECONNREFUSED\./,
    );
  });

  test("a name in plugins.yaml `require` that is not in use, for whatever reason", async () => {
    const yaml = "require: [spam, good, admin]"; // The last is one of ours.
    expect((await endOfStart({}, () => {}, yaml)).line).toMatch(
      /without the plugin spam: plugins\.yaml requires it, and there is no plugin of that name\. Install it/,
    );
    for (const text of ["export default {", "export default { name: 'spam', required: false, tools: 1 };"]) {
      expect((await endOfStart({ "functions/spam.ts": text }, () => {}, yaml)).line).toMatch(
        /the plugin spam \(.*spam\.ts\): It/,
      );
    }
    expect(await endOfStart({ "tools/spam.ts": "export default { name: 'spam' };" }, () => {}, yaml)).toMatchObject({
      line: "",
      wrong: [],
    });
  });

  test("the budgets and the redaction of the library", async () => {
    for (const [name, yaml] of [
      ["usage", "usage: { budget: lots }"],
      ["redact-secrets", "redact-secrets: { patterns: [{ start: abc, pattern: '(' }] }"],
    ] as const) {
      const link = (folder: string) => {
        mkdirSync(join(folder, "functions"));
        symlinkSync(join(projectFolder, `plugin_library/functions/${name}.ts`), join(folder, `functions/${name}.ts`));
      };
      expect((await endOfStart({}, link, yaml)).line).toContain(`without the plugin ${name} (`);
    }
  });
});

test("a name that plugins.yaml uses for something else is no plugin's", async () => {
  const { wrong } = await endOfStart({ "tools/x.ts": "export default { name: 'require' };" });
  expect(wrong).toEqual([["tools/x.ts", expect.stringContaining("must not be require")]]);
});

test("SKELETON_SKIP_PLUGINS starts without them, and says what is missing", async () => {
  const dataPath = temporaryFolder();
  writeFileSync(join(dataPath, "plugins.yaml"), "require: [guard]");
  const { lines, core } = await loadPlugins({ "core/guard.ts": "export default {" }, { dataPath, skipPlugins: true });
  expect(await core.model.list()).toEqual(["base"]);
  expect(lines).toContain(
    "ERROR SKELETON_SKIP_PLUGINS: the server runs without any of its plugins, also those that guard it missing=core/guard.ts required=guard",
  );
});

describe("while the server runs, what is required stays in use as it was last good when", () => {
  async function open(files: Record<string, string>) {
    const dataPath = temporaryFolder();
    const loaded = await loadPlugins(files, { dataPath });
    const folder = join(dataPath, "plugins");
    const state = async () => (await loaded.core.auth.find?.("ann")) as unknown;
    const reload = async (change: (folder: string) => void) => {
      change(folder);
      await loaded.core.plugins.reload();
      return { state: await state(), faults: loaded.core.plugins.faults().map(({ file, message }) => [file, message]) };
    };
    return { ...loaded, dataPath, folder, state, reload };
  }
  const write = (path: string, text: string) => (folder: string) => writePlugins(folder, { [path]: text });

  test("its file breaks, or fails to start", async () => {
    const { reload } = await open({ "functions/guard.ts": guard("first") });
    for (const text of [
      "export default {",
      guard("second", "start() { throw new Error('no'); },"),
      "export const x = 1;",
    ]) {
      const { state, faults } = await reload(write("functions/guard.ts", text));
      expect([state, faults.length]).toEqual(["first", 1]);
    }
    expect(await reload(write("functions/guard.ts", guard("third")))).toEqual({ state: "third", faults: [] });
  });

  test("its file or its folder goes, or cannot be read; a file that moved is followed", async () => {
    const { reload, lines } = await open({
      "functions/guard.ts": guard("first"),
      "functions/loose.ts": appending("l"),
    });
    const gone = await reload((folder) => unlinkSync(join(folder, "functions/guard.ts")));
    expect(gone).toEqual({
      state: "first",
      faults: [["functions/guard.ts", expect.stringContaining("stays in use until the server starts again")]],
    });
    await reload(write("tools/other.ts", 'export default { name: "other" };'));
    expect(lines.filter((line) => line.includes("Its file is not there any more"))).toHaveLength(1);
    expect(await reload(write("functions/guard.ts", guard("back")))).toEqual({ state: "back", faults: [] });
    const moved = await reload((folder) =>
      renameSync(join(folder, "functions/guard.ts"), join(folder, "tools/guard.ts")),
    );
    expect(moved).toEqual({ state: "back", faults: [] });
    const locked = await reload((folder) => {
      renameSync(join(folder, "tools"), join(folder, "html"));
      symlinkSync("tools", join(folder, "tools"));
    });
    expect(locked).toEqual({ state: "back", faults: [["tools", expect.stringContaining("leads back to itself")]] });
  });

  test("all of what lies in a folder that cannot be read stays, required or not", async () => {
    const { reload, core } = await open({ "functions/loose.ts": appending("l") });
    await reload((folder) => {
      renameSync(join(folder, "functions"), join(folder, "html"));
      symlinkSync("functions", join(folder, "functions"));
    });
    expect(await core.model.list()).toEqual(["basel"]);
    await reload((folder) => unlinkSync(join(folder, "functions")));
    expect(await core.model.list()).toEqual(["base"]);
  });

  test("another file takes its name", async () => {
    const { reload } = await open({ "functions/guard.ts": guard("first") });
    const { state, faults } = await reload(write("functions/a.ts", 'export default { name: "guard" };'));
    expect([state, faults]).toEqual([
      "first",
      [["functions/a.ts", expect.stringContaining("is taken by functions/guard.ts")]],
    ]);
  });

  test("it cannot go on beside what was changed: then nothing changes until that is mended", async () => {
    const picky = `export default { name: "picky", priority: 20, provide: { auth: (core, base) => {
      if (base.isOdd) throw new Error("an odd base");
      globalThis.pickyMade = (globalThis.pickyMade ?? 0) + 1;
      return { ...base, find: async () => "picky" };
    } } };`;
    const { reload, core, lines } = await open({ "functions/picky.ts": picky });
    const odd =
      'export default { name: "odd", required: false, provide: { auth: (core, base) => ({ ...base, isOdd: true }) } };';
    const { state, faults } = await reload(write("functions/odd.ts", odd));
    expect([state, faults]).toEqual(["picky", [["functions/picky.ts", "Its factory of auth failed: an odd base"]]]);
    expect(core.plugins.list().map(({ name }) => name)).not.toContain("odd");
    expect(lines.join("\n")).toContain("The plugin picky is required, and could not go on beside what was changed.");
    expect(await reload((folder) => rmSync(join(folder, "functions/odd.ts")))).toEqual({ state: "picky", faults: [] });
    // What it keeps outlives the attempt.
    expect((globalThis as { pickyMade?: number }).pickyMade).toBe(1);
  });

  test("plugins.yaml requires it; a name that comes later and is not in use is a fault that ends nothing", async () => {
    const { reload, dataPath, core } = await open({ "functions/loose.ts": appending("l") });
    const required = await reload(() => writeFileSync(join(dataPath, "plugins.yaml"), "require: [appends-l, spam]"));
    expect(required.faults).toEqual([[null, expect.stringContaining("there is no plugin of that name")]]);
    await reload((folder) => unlinkSync(join(folder, "functions/loose.ts")));
    expect(await core.model.list()).toEqual(["basel"]);
    const { faults } = await reload(() => writeFileSync(join(dataPath, "plugins.yaml"), "require: [appends-l]"));
    expect(faults).toEqual([["functions/loose.ts", expect.stringContaining("not there any more")]]);
  });
});

describe("a hook of a required plugin that fails, fails the turn:", () => {
  const hooks: [what: string, hooks: string][] = [
    ["preCall", "preCall() { throw new Error('broken'); }"],
    ["filterStream", "async *filterStream(events) { throw new Error('broken'); }"],
    ["a filterStream that ends too early", "async *filterStream(events) {}"],
  ];
  test.each(hooks)("%s", async (_, text) => {
    for (const isRequired of [true, false]) {
      const { core, lines } = await loadPlugins({
        "functions/x.ts": `export default { name: "x", required: ${isRequired}, hooks: { ${text} } };`,
      });
      const { id } = await core.turns.start(ANN, { content: "Hello?" });
      const events: string[] = [];
      for await (const batch of (await core.turns.follow(ANN, id, 0, new AbortController().signal)) ?? [])
        for (const { event } of batch)
          if (event.type === "text") events.push(event.text);
          else if (event.type === "error") events.push(event.message);
      expect(events).toEqual([isRequired ? expect.stringMatching(/^The plugin x failed/) : "base"]);
      expect(lines.join("\n")).toContain("A plugin's hook failed");
    }
  });
});

describe("the process", () => {
  const ROOT = process.getuid?.() === 0;
  const NOBODY = 65_534;

  /** The server until it ends, at most 20 s; as a user without rights, which a test may need and root alone can do. */
  async function serve(env: Record<string, string>, cwd: string, isNobody = false, args: readonly string[] = []) {
    const run = [process.execPath, join(projectFolder, "src/main.ts"), ...args];
    const command =
      isNobody && ROOT ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", ...run] : run;
    const child = Bun.spawn(command, {
      cwd,
      env: { PATH: process.env.PATH ?? "", SKELETON_PORT: "0", LOG_LEVEL: "ERROR", ...env },
      stdout: "pipe",
      stderr: "pipe",
      timeout: 20_000,
    });
    const [out, errors] = [await child.stdout.text(), await child.stderr.text()];
    return { code: await child.exited, out, errors: errors.trimEnd().split("\n") };
  }

  test("ends with 1 and one line, also when a plugin has begun what would keep it alive", async () => {
    const folder = temporaryFolder();
    writePlugins(join(folder, "plugins"), {
      "tools/a.ts": 'setInterval(() => {}, 1000); export default { name: "a" };',
      "core/b.ts": "export default { name: 'b', start() { throw new Error('no\\nnetwork'); } };",
    });
    const { code, out, errors } = await serve({ DATA_PATH: "." }, folder);
    expect([code, out, errors]).toEqual([
      1,
      "",
      [expect.stringMatching(/^skeleton: The server .* plugin b \(.*: no network\./)],
    ]);
  });

  test("does not end as if it had served when a plugin ends it", async () => {
    const folder = temporaryFolder();
    writePlugins(join(folder, "plugins"), { "tools/a.ts": "process.exit(0);" });
    const { code, errors } = await serve({ DATA_PATH: "." }, folder);
    expect([code, errors]).toEqual([
      1,
      [expect.stringMatching(/ended before the server listened, by one of the plugins/)],
    ]);
  });

  test("says of a data folder that cannot be written to that it is that, as it was given, and what to do", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    for (const [given, why] of [
      ["./file", "it is a file"],
      ["file/below", "a part of the path is a file"],
    ] as const) {
      const { code, errors } = await serve({ DATA_PATH: given }, folder);
      expect([code, errors.at(-1)]).toEqual([
        1,
        expect.stringContaining(`The data folder ${given} (DATA_PATH) cannot be written to: ${why}. Make it`),
      ]);
    }
  });

  test.skipIf(ROOT && !Bun.which("setpriv"))("says so of one without permission, there or to be made", async () => {
    const folder = temporaryFolder();
    const locked = join(folder, "locked");
    mkdirSync(locked);
    chmodSync(folder, 0o755);
    chmodSync(locked, 0o555);
    const key = { JWT_SECRET_KEY: "a key that only this test knows, long enough" };
    for (const [given, more] of [
      ["locked", {}],
      ["./locked/sub/folder", {}],
      ["locked", key],
    ] as const) {
      const { code, errors } = await serve({ DATA_PATH: given, ...more }, folder, true);
      expect([code, errors]).toEqual([
        1,
        [expect.stringContaining(`The data folder ${given} (DATA_PATH) cannot be written to: permission is denied.`)],
      ]);
    }
    expect(existsSync(join(locked, "jwt.secret"))).toBe(false);
    const add = ["users", "-u", "bob", "-p", "a long password"];
    const { code, errors } = await serve({ DATA_PATH: "locked" }, folder, true, add);
    expect([code, errors]).toEqual([
      1,
      [expect.stringMatching(/^Failed: The data folder locked \(DATA_PATH\) cannot/)],
    ]);
  });

  test.skipIf(ROOT && !Bun.which("setpriv"))(
    "names what it may not read among the plugins, file or folder",
    async () => {
      const folder = temporaryFolder();
      chmodSync(folder, 0o777);
      for (const [path, locked, what] of [
        [
          "core/x.ts",
          "core/x.ts",
          /without the plugin x \(.*core\/x\.ts\): It cannot be loaded: the user that runs the server may not read it\./,
        ],
        ["core/x.ts", "core", /without \/.*\/core: It cannot be read: the user that runs the server may not read it\./],
        ["core/x.ts", ".", /without \/.*\/plugins: It cannot be read: the user that runs the server may not read it\./],
      ] as const) {
        const plugins = join(folder, "plugins");
        writePlugins(plugins, { [path]: GOOD["tools/good.ts"] });
        chmodSync(join(plugins, locked), 0);
        const { code, errors } = await serve({ DATA_PATH: "data" }, folder, true);
        chmodSync(join(plugins, locked), 0o755);
        rmSync(plugins, { recursive: true });
        expect([code, errors]).toEqual([1, [expect.stringMatching(what)]]);
      }
    },
  );
});

if (process.getuid?.() === 0 && !Bun.which("setpriv"))
  console.log("skipped: tests of permissions need another user than root, or setpriv");
