import { describe, expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { CONFIG_VARIABLES, ConfigError, ignoredSettings, loadConfig, secretVariable } from "../src/config";

const FOLDER = "/srv/skeleton";

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    loadConfig(environment, FOLDER);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("without any variable", () => {
  test("every setting has its default, and paths are absolute", () => {
    expect(loadConfig({}, FOLDER)).toEqual({
      openaiApiKey: null,
      openaiBaseUrl: null,
      jwtSecretKey: null,
      jwtSecretFile: "/srv/skeleton/jwt.secret",
      mode: "persistent",
      host: "0.0.0.0",
      port: 8000,
      workers: 1,
      publicUrl: null,
      tlsCertFile: null,
      tlsKeyFile: null,
      dataPath: "/srv/skeleton",
      dataPathGiven: ".",
      usersFile: "/srv/skeleton/users.yaml",
      uploadDir: "/srv/skeleton/uploads",
      pluginsPath: "/srv/skeleton/plugins",
      skipPlugins: false,
      tracePlugins: false,
      logLevel: "info",
      trustProxy: false,
      tokenTtlHours: 168,
      corsOrigins: null,
      modelFirstByteTimeoutS: 600,
      modelIdleTimeoutS: 120,
      modelMaxRetries: 2,
      toolStepLimit: 25,
      rateLimitLogin: { max: 5, windowS: 60 },
      rateLimitMessage: null,
      quotaBytes: 5_000_000_000,
      streamsPerUser: 200,
      pasteFileCharacters: 8000,
      shutdownGraceS: 10,
      heartbeatS: 5,
      saveWindowMs: 0,
      requestsMax: 256,
      ephemeralFolder: null,
      scratch: null,
    });
  });

  test("an empty or blank value counts as not set", () => {
    const blank = Object.fromEntries(CONFIG_VARIABLES.map(({ name }) => [name, "  "]));
    expect(loadConfig(blank, FOLDER)).toEqual(loadConfig({}, FOLDER));
  });

  test("the result cannot be changed, rates included", () => {
    const config = loadConfig({}, FOLDER);
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.rateLimitLogin)).toBe(true);
  });
});

describe("a value that is set", () => {
  const accepted: [name: string, value: string, key: keyof ReturnType<typeof loadConfig>, expected: unknown][] = [
    ["OPENAI_API_KEY", " sk-1 ", "openaiApiKey", "sk-1"],
    ["OPENAI_BASE_URL", "http://localhost:11434/v1/", "openaiBaseUrl", "http://localhost:11434/v1"],
    ["JWT_SECRET_KEY", "x".repeat(32), "jwtSecretKey", "x".repeat(32)],
    ["JWT_SECRET_FILE", "/run/secrets/jwt", "jwtSecretFile", "/run/secrets/jwt"],
    ["SKELETON_MODE", "Ephemeral", "mode", "ephemeral"],
    ["SKELETON_HOST", "::1", "host", "::1"],
    ["PUBLIC_URL", "https://chat.example.org/", "publicUrl", "https://chat.example.org"],
    ["PUBLIC_URL", "http://nas:8000/chat", "publicUrl", "http://nas:8000/chat"],
    ["PUBLIC_URL", "https://Example.org:443/ai/~ann/", "publicUrl", "https://example.org/ai/~ann"],
    ["PUBLIC_URL", "https://example.org/threadbare", "publicUrl", "https://example.org/threadbare"],
    ["JWT_SECRET_KEY", "short", "jwtSecretKey", "short"],
    ["LOG_LEVEL", "CRITICAL", "logLevel", "error"],
    ["SKELETON_PORT", "0", "port", 0],
    ["SKELETON_PORT", "65535", "port", 65_535],
    ["PLUGINS_PATH", "../shared", "pluginsPath", "/srv/shared"],
    ["LOG_LEVEL", "warn", "logLevel", "warn"],
    ["LOG_LEVEL", "Warning", "logLevel", "warn"],
    ["LOG_LEVEL", "DEBUG", "logLevel", "debug"],
    ["TRUST_PROXY", "Yes", "trustProxy", true],
    ["TRUST_PROXY", "1", "trustProxy", true],
    ["TRUST_PROXY", "true", "trustProxy", true],
    ["TRUST_PROXY", "no", "trustProxy", false],
    ["TRUST_PROXY", "0", "trustProxy", false],
    ["TRUST_PROXY", "false", "trustProxy", false],
    ["TOKEN_TTL_HOURS", "0.5", "tokenTtlHours", 0.5],
    [
      "CORS_ORIGINS",
      "https://app.example, http://localhost:3000",
      "corsOrigins",
      ["https://app.example", "http://localhost:3000"],
    ],
    ["MODEL_FIRST_BYTE_TIMEOUT_S", "900", "modelFirstByteTimeoutS", 900],
    ["MODEL_IDLE_TIMEOUT_S", "2.5", "modelIdleTimeoutS", 2.5],
    ["MODEL_MAX_RETRIES", "0", "modelMaxRetries", 0],
    ["TOOL_STEP_LIMIT", "1", "toolStepLimit", 1],
    ["RATE_LIMIT_LOGIN", "off", "rateLimitLogin", null],
    ["RATE_LIMIT_MESSAGE", "10/10", "rateLimitMessage", { max: 10, windowS: 10 }],
    ["QUOTA_BYTES", "1.5 GiB", "quotaBytes", 1_610_612_736],
    ["QUOTA_BYTES", "0", "quotaBytes", 0],
    ["STREAMS_PER_USER", "0", "streamsPerUser", 0],
    ["SHUTDOWN_GRACE_S", "0", "shutdownGraceS", 0],
    ["SKELETON_WORKERS", "64", "workers", 64],
    ["SKELETON_WORKERS", "Auto", "workers", Math.min(64, availableParallelism())],
    ["HEARTBEAT_S", "0.5", "heartbeatS", 0.5],
    ["SAVE_WINDOW_MS", "200", "saveWindowMs", 200],
    ["BUN_CONFIG_MAX_HTTP_REQUESTS", "20000", "requestsMax", 20_000],
  ];
  test.each(accepted)("%s=%s is taken as %s", (name, value, key, expected) => {
    expect(loadConfig({ [name]: value }, FOLDER)[key]).toEqual(expected as never);
  });

  test("the owner's files are relative to DATA_PATH, and DATA_PATH to the working folder", () => {
    const config = loadConfig(
      { DATA_PATH: "data", USERS_FILENAME: "people.yaml", UPLOAD_DIR: "up", JWT_SECRET_FILE: "s" },
      FOLDER,
    );
    expect(config.dataPath).toBe("/srv/skeleton/data");
    expect(config.usersFile).toBe("/srv/skeleton/data/people.yaml");
    expect(config.uploadDir).toBe("/srv/skeleton/data/up");
    expect(config.jwtSecretFile).toBe("/srv/skeleton/data/s");
    expect(config.pluginsPath).toBe("/srv/skeleton/plugins");
  });

  test("loadConfig reads the environment of this process, from its working folder", () => {
    const dataPath = process.env.DATA_PATH;
    process.env.DATA_PATH = "some/where";
    try {
      expect(loadConfig().dataPath).toBe(resolve("some/where"));
    } finally {
      if (dataPath === undefined) delete process.env.DATA_PATH;
      else process.env.DATA_PATH = dataPath;
    }
  });
});

describe("a wrong value", () => {
  const refused: [name: string, value: string, expected: string][] = [
    ["OPENAI_BASE_URL", "localhost:11434", "a URL such as http://localhost:11434/v1"],
    ["OPENAI_BASE_URL", "file:///etc/passwd", "a URL such as"],
    ["SKELETON_MODE", "memory", "persistent or ephemeral"],
    ["SKELETON_PORT", "65536", "a whole number from 0 to 65535"],
    ["SKELETON_PORT", "-1", "a whole number from 0 to 65535"],
    ["SKELETON_PORT", "80.5", "a whole number from 0 to 65535"],
    ["SKELETON_PORT", "0x50", "a whole number from 0 to 65535"],
    ["LOG_LEVEL", "loud", "DEBUG, INFO, WARNING or ERROR"],
    ["LOG_LEVEL", "constructor", "DEBUG, INFO, WARNING or ERROR"],
    ["PUBLIC_URL", "chat.example.org", "a URL such as https://chat.example.org"],
    ["PUBLIC_URL", "ftp://chat.example.org", "a URL such as"],
    ["PUBLIC_URL", "https://example.org/chat?a=1", "a URL such as"],
    ["PUBLIC_URL", "https://ann:secret@example.org", "a URL such as"],
    ["PUBLIC_URL", "https://example.org/my chat", "a URL whose path is of letters"],
    ["PUBLIC_URL", "https://example.org/static/chat", "a URL whose path does not begin with /static"],
    ["TRUST_PROXY", "maybe", "true or false"],
    ["TOKEN_TTL_HOURS", "0", "a number above 0"],
    ["TOKEN_TTL_HOURS", "forever", "a number above 0"],
    ...[
      "*",
      "null",
      "https://app.example/",
      "https://App.example",
      "https://app.example:443",
      "app.example",
      "https://a.example,",
    ].map((text): [string, string, string] => ["CORS_ORIGINS", text, "exact origins such as https://app.example"]),
    ["MODEL_IDLE_TIMEOUT_S", "9999999", "a number above 0, at most 2000000"],
    ["MODEL_MAX_RETRIES", "11", "a whole number from 0 to 10"],
    ["TOOL_STEP_LIMIT", "0", "a whole number from 1 to 1000"],
    ["RATE_LIMIT_LOGIN", "5", "number/seconds such as 5/60"],
    ["RATE_LIMIT_LOGIN", "0/60", "number/seconds such as 5/60"],
    ["RATE_LIMIT_MESSAGE", "10/0", "number/seconds such as 5/60"],
    ["SHUTDOWN_GRACE_S", "soon", "a whole number from 0 to 3600"],
  ];
  test.each(refused)("%s=%s is refused with its name, the value and what is allowed", (name, value, expected) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toStartWith(`${name}: ${JSON.stringify(value)} is not allowed; ${expected}`);
  });

  test.each(["TLS_CERT_FILE", "TLS_KEY_FILE"])("%s alone is refused", (name) => {
    expect(problemsOf({ [name]: "it.pem" })).toEqual([
      "TLS_CERT_FILE, TLS_KEY_FILE: only one of them is set; HTTPS needs both.",
    ]);
  });

  test("all wrong values are named at once", () => {
    const problems = problemsOf({ SKELETON_PORT: "http", LOG_LEVEL: "x", TRUST_PROXY: "x", SKELETON_HOST: "::" });
    expect(problems.map((problem) => problem.split(":")[0])).toEqual(["SKELETON_PORT", "LOG_LEVEL", "TRUST_PROXY"]);
  });
});

describe("a setting that is set and not read", () => {
  const ignored: [name: string, said: string][] = [
    ["SYSTEM_PROMPTS_FILE", "system_prompts.yaml in DATA_PATH"],
    ["SQLITE_DB_FILENAME", "skeleton.db in DATA_PATH"],
    ["OPENAI_API_BASE", "Did you mean OPENAI_BASE_URL?"],
    ["JWT_SECRET", "Did you mean JWT_SECRET_KEY?"],
    ["PLUGIN_PATH", "Did you mean PLUGINS_PATH?"],
    ["Trust_Proxi", "Did you mean TRUST_PROXY?"],
    ["SKELETON_DATA_PATH", "Did you mean DATA_PATH?"],
    ["TRACE_PLUGINS", "Did you mean SKELETON_TRACE_PLUGINS?"],
    ["SKELETON_COLOUR", "See .env.example"],
    ["DATA_DIR", "Did you mean DATA_PATH?"],
    ["OPENAI_API_BASE_URL", "Did you mean OPENAI_BASE_URL?"],
  ];
  test.each(ignored)("is named: %s", (name, expected) => {
    const said = ignoredSettings({ [name]: "a secret", DATA_PATH: " " });
    expect(said).toHaveLength(1);
    expect(said[0]).toStartWith(`${name} is ignored`);
    expect(said[0]).toContain(expected);
    expect(said[0]).not.toContain("a secret");
  });

  const others = [
    "HOME",
    "PATH",
    "SSL_CERT_FILE",
    "OPENAI_API_KEY_2",
    "OPENAI_ORG_ID",
    "BUN_INSTALL",
    "LANG",
    "HOST",
    "constructor",
  ];
  test.each(others)("is passed over where it is another program's: %s", (name) => {
    expect(ignoredSettings({ [name]: "x" })).toEqual([]);
  });

  test("is passed over beside the one that was meant, when it is empty, and when it is one of ours", () => {
    expect(ignoredSettings({ PORT: "3000", SKELETON_PORT: "3000", JWT_SECRET: " " })).toEqual([]);
    expect(ignoredSettings(Object.fromEntries(CONFIG_VARIABLES.map(({ name }) => [name, "x"])))).toEqual([]);
  });
});

test(".env.example sets every variable to its default and explains it", async () => {
  const text = await Bun.file(resolve(import.meta.dir, "../.env.example")).text();
  for (const { name, fallback } of CONFIG_VARIABLES) {
    expect(text.split("\n")).toContain(`${name}=${fallback ?? ""}`);
    expect(text).toMatch(new RegExp(`^# .*[.;].*\n${name}=`, "m"));
  }
  expect([...text.matchAll(/^(\w+)=/gm)].map((match) => match[1])).toEqual(CONFIG_VARIABLES.map(({ name }) => name));
});

test("a variable that a file of the owner names is read when asked for, and blank counts as not set", () => {
  process.env.SKELETON_TEST_KEY = " sk-1 ";
  expect(secretVariable("SKELETON_TEST_KEY")).toBe("sk-1");
  process.env.SKELETON_TEST_KEY = " ";
  expect(secretVariable("SKELETON_TEST_KEY")).toBeNull();
  delete process.env.SKELETON_TEST_KEY;
  expect(secretVariable("SKELETON_TEST_KEY")).toBeNull();
});
