"""
Tools that were written in Python for Open WebUI (a class `Tools` with typed methods and docstrings), or plain functions, as an MCP
server over stdio. Needs nothing but Python 3.9 and what the tools themselves import. In plugins.yaml:

    mcp: { servers: { weather: { command: python3, args: [open-webui.py, weather.py], env: { VALVES: '{"api_key": "…"}' } } } }

`VALVES` is JSON for the tools' `Valves`. Who asks is not known here, so `__user__` is always the same; of what else is injected,
`__event_emitter__` shows its words as progress, and the rest is None.
"""

import asyncio, enum, importlib.util, inspect, json, os, re, sys, traceback, types, typing

answers, sys.stdout = sys.stdout, sys.stderr  # What a tool prints must not come between the answers.
NO_METHOD = -32601
UNIONS = (typing.Union, getattr(types, "UnionType", None))
KINDS = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", tuple: "array", dict: "object", type(None): "null"}


def send(message):
    answers.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    answers.flush()


def load(path):
    """The object that has the tools as members: an instance of the file's class `Tools`, or the file itself."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location("tools", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["tools"] = module
    spec.loader.exec_module(module)
    if not hasattr(module, "Tools"):
        return module
    tools = module.Tools()
    if hasattr(tools, "Valves"):
        tools.valves = tools.Valves(**json.loads(os.environ.get("VALVES") or "{}"))
    return tools


def methods_of(tools):
    is_own = lambda it: not inspect.ismodule(tools) or it.__module__ == tools.__name__
    found = inspect.getmembers(tools, inspect.isroutine)
    return {name: it for name, it in found if not name.startswith("_") and is_own(it)}


def hints_of(method):
    method, hints = inspect.unwrap(method), {}
    for name, it in getattr(method, "__annotations__", {}).items():
        try:
            hints[name] = eval(it, method.__globals__) if isinstance(it, str) else it
        except NameError:  # A type that is there for checkers alone.
            pass
    return hints


def schema_of(hint, defs):
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hasattr(hint, "model_json_schema"):  # A model of pydantic.
        schema = hint.model_json_schema()
        defs.update(schema.pop("$defs", {}))
        return schema
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return {"enum": [it.value for it in hint]}
    if origin in (list, tuple, set) or hint is list:
        return {"type": "array", "items": schema_of(inner[0], defs) if inner else {}}
    if origin is None or origin is dict:
        return {"type": KINDS[origin or hint]} if (origin or hint) in KINDS else {}
    return {"anyOf": [schema_of(it, defs) for it in inner]} if origin in UNIONS else {}


def convert(hint, value):
    """Arguments come as JSON; models and enums are made of them."""
    inner = typing.get_args(hint)
    if hasattr(hint, "model_validate"):
        return hint.model_validate(value)
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return hint(value)
    if isinstance(value, list) and inner:
        return [convert(inner[0], it) for it in value]
    models = [it for it in inner if hasattr(it, "model_validate")]
    return convert(models[0], value) if models and isinstance(value, dict) else value


def describe(name, method):
    text = inspect.getdoc(method) or ""
    told = dict(re.findall(r":param\s+(?:[^:]*\s)?(\w+):\s*(.*(?:\n(?!\s*:).*)*)", text))
    hints, defs, properties, required = hints_of(method), {}, {}, []
    for key, it in inspect.signature(method).parameters.items():
        if key.startswith("__") or it.kind in (it.VAR_POSITIONAL, it.VAR_KEYWORD):
            continue
        words = told.get(key) or getattr(it.default, "description", None)  # The latter of pydantic's Field.
        properties[key] = {**schema_of(hints.get(key, typing.Any), defs), **({"description": " ".join(words.split())} if words else {})}
        if is_required(it):
            required.append(key)
    schema = {"type": "object", "properties": properties, "required": required, **({"$defs": defs} if defs else {})}
    return {"name": name, "description": re.split(r"\n?\s*:(?:param|return|raises)", text)[0].strip(), "inputSchema": schema}


def is_required(parameter):
    field = getattr(parameter.default, "is_required", None)
    return field() if field else parameter.default is parameter.empty


def injected(tools, token):
    async def emit(event):
        words = (event.get("data") or {}).get("description")
        if token is not None and words:
            send({"method": "notifications/progress", "params": {"progressToken": token, "progress": next(count), "message": str(words)}})

    count = iter(range(1, sys.maxsize))
    valves = tools.UserValves() if hasattr(tools, "UserValves") else {}
    user = {"id": "user", "name": "User", "email": "", "role": "user", "valves": valves}
    return {"__user__": user, "__event_emitter__": emit}


async def call(tools, method, arguments, token):
    values, hints = injected(tools, token), hints_of(method)
    for key, it in inspect.signature(method).parameters.items():
        if key in arguments:
            values[key] = convert(hints.get(key), arguments[key])
        elif key.startswith("__"):
            values.setdefault(key, None)
        elif not is_required(it) and hasattr(it.default, "get_default"):
            values[key] = it.default.get_default(call_default_factory=True)
    known = inspect.signature(method).parameters
    values = {key: it for key, it in values.items() if key in known}
    result = method(**values) if inspect.iscoroutinefunction(method) else asyncio.to_thread(method, **values)
    result = await result
    return result if isinstance(result, str) else json.dumps(result, default=str, ensure_ascii=False)


async def answer(tools, methods, message):
    number, method, params = message["id"], message.get("method"), message.get("params") or {}
    if method == "initialize":
        info = {"name": os.path.basename(sys.argv[1]), "version": "1"}
        result = {"protocolVersion": params.get("protocolVersion"), "capabilities": {"tools": {}}, "serverInfo": info}
    elif method == "tools/list":
        result = {"tools": [describe(name, it) for name, it in methods.items()]}
    elif method == "tools/call" and params.get("name") in methods:
        try:
            token = (params.get("_meta") or {}).get("progressToken")
            text, failed = await call(tools, methods[params["name"]], params.get("arguments") or {}, token), False
        except Exception as error:
            traceback.print_exc()
            text, failed = f"{type(error).__name__}: {error}", True
        result = {"content": [{"type": "text", "text": text}], "isError": failed}
    elif method == "ping":
        result = {}
    else:
        return send({"id": number, "error": {"code": NO_METHOD, "message": f"There is no {method} {params.get('name', '')}"}})
    send({"id": number, "result": result})


async def main():
    tools = load(sys.argv[1])
    methods, running = methods_of(tools), {}
    sys.stdin.reconfigure(encoding="utf-8")
    while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        message = json.loads(line) if line.strip() else {}
        if message.get("method") == "notifications/cancelled":
            task = running.get((message.get("params") or {}).get("requestId"))
            if task:
                task.cancel()
        elif "id" in message and "method" in message:
            number = message["id"]
            running[number] = asyncio.create_task(answer(tools, methods, message))
            running[number].add_done_callback(lambda _, number=number: running.pop(number, None))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python3 open-webui.py TOOLS.py")
    asyncio.run(main())
