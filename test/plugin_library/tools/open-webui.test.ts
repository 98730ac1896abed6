import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dataWith, startWithTools } from "../../support/library";
import { projectFolder } from "../../support/project";
import { temporaryFolder } from "../../support/temporary";
import { startCore } from "../../support/test-core";
import { until } from "../../support/until";

const BRIDGE = join(projectFolder, "plugin_library/tools/open-webui.py");
const PYTHON = Bun.which("python3");
if (!PYTHON) console.warn("Skipped: the bridge for tools in Python needs python3, and there is none.");

/** As people write them for Open WebUI. */
const TOOLS = `
"""
title: Weather
"""
from __future__ import annotations
import asyncio, enum
from typing import TYPE_CHECKING, Literal, Optional

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

class Unit(enum.Enum):
    C = "celsius"
    F = "fahrenheit"

class Tools:
    class Valves:
        def __init__(self, api_key="none"):
            self.api_key = api_key

    def __init__(self):
        self.valves = self.Valves()

    def add(self, a: int, b: float = 1.5, note: Optional[str] = None) -> float:
        """
        Adds two numbers.

        :param a: The first
            of them.
        :return: Their sum.
        """
        print("This must not come between the answers.")
        return a + b

    async def forecast(
        self,
        city: str,
        days: list[int],
        mode: Literal["short", "long"] = "short",
        unit: Unit = Unit.C,
        __user__: dict = {},
        __event_emitter__: Callable[[dict], Awaitable[None]] = None,
        __request__=None,
    ) -> dict:
        """Tells the weather."""
        await __event_emitter__({"type": "status", "data": {"description": f"Asking about {city}", "done": False}})
        await asyncio.sleep(0.3)  # Progress that comes with the result is dropped.
        return {"city": city, "days": days, "unit": unit.name, "key": self.valves.api_key, "role": __user__["role"]}

    def broken(self):
        raise ValueError("There is no such city.")

    def _own(self):
        pass
`;

type Server = Awaited<ReturnType<typeof startWithTools>>;
let server: Server | null = null;

const settingsFor = (tools: string, env: Record<string, string> = {}) => ({
  command: "python3",
  args: [BRIDGE, tools],
  env,
});

beforeAll(async () => {
  if (!PYTHON) return;
  const file = join(temporaryFolder(), "weather.py");
  writeFileSync(file, TOOLS);
  const py = settingsFor(file, { VALVES: '{"api_key":"of the owner"}' });
  server = await startWithTools(["tools/mcp.ts"], {}, { mcp: { servers: { py } } });
});
afterAll(() => server?.stop());

test.skipIf(!PYTHON)("methods of a class Tools are offered with their types and words, and run", async () => {
  const added = await server?.call("py_add", { a: 2 });
  expect(added?.outcome).toEqual({ result: "3.5" });
  expect(added?.offered.tools?.map((it) => it.function)).toEqual([
    {
      name: "py_add",
      description: "Adds two numbers.",
      parameters: {
        type: "object",
        properties: {
          a: { type: "integer", description: "The first of them." },
          b: { type: "number" },
          note: { anyOf: [{ type: "string" }, { type: "null" }] },
        },
        required: ["a"],
      },
    },
    { name: "py_broken", description: "", parameters: { type: "object", properties: {}, required: [] } },
    {
      name: "py_forecast",
      description: "Tells the weather.",
      parameters: {
        type: "object",
        properties: {
          city: { type: "string" },
          days: { type: "array", items: { type: "integer" } },
          mode: { enum: ["short", "long"] },
          unit: { enum: ["celsius", "fahrenheit"] },
        },
        required: ["city", "days"],
      },
    },
  ]);
});

test.skipIf(!PYTHON)(
  "what is injected is there: valves, the user, and an emitter whose words are progress",
  async () => {
    const told = await server?.call("py_forecast", { city: "Köln", days: [1, 2], unit: "fahrenheit" });
    expect(JSON.parse(String(told?.outcome.result))).toEqual({
      city: "Köln",
      days: [1, 2],
      unit: "F",
      key: "of the owner",
      role: "user",
    });
    const progress = told?.events.filter(({ event }) => event === "tool_update") ?? [];
    expect(progress.map(({ data }) => String(data.content))).toEqual(["Asking about Köln"]);
  },
);

test.skipIf(!PYTHON)("an exception is a failed result, and the tools stay", async () => {
  expect((await server?.call("py_broken", {}))?.outcome).toEqual({ error: "ValueError: There is no such city." });
  expect((await server?.call("py_add", { a: 1, b: 1 }))?.outcome).toEqual({ result: "2" });
});

test.skipIf(!PYTHON)("a file that cannot be loaded is named with Python's own words", async () => {
  const file = join(temporaryFolder(), "lacking.py");
  writeFileSync(file, "import no_such_module\n");
  const logged: string[] = [];
  await startCore({ dataPath: dataWith(["tools/mcp.ts"], { mcp: { servers: { py: settingsFor(file) } } }), logged });
  await until(() => logged.length > 0);
  expect(logged.join("")).toContain("ModuleNotFoundError: No module named 'no_such_module'");
});
