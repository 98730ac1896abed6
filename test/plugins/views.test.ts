import { expect, test } from "bun:test";
import type { Html, Plugin, ViewsProtocol } from "../../src/protocols";
import { raw } from "../../views/html";
import { readSse } from "../support/read-sse";
import { startServer } from "../support/server";
import { gate, startUpstream } from "../support/upstream";

/** Puts a comment with its name into each fragment, right after the first tag. */
const marking: Plugin = {
  name: "marking",
  provide: {
    views: (_core, base) => {
      const entries = Object.entries(base).map(([name, view]) => {
        if (typeof view !== "function") return [name, view];
        return [name, (...args: unknown[]) => mark(name, (view as (...args: unknown[]) => unknown)(...args))];
      });
      return Object.fromEntries(entries) as ViewsProtocol;
    },
  },
};

function mark(name: string, made: unknown): unknown {
  if (!isHtml(made)) {
    const open = made as { readonly tail: Html };
    return { ...open, tail: mark(name, open.tail) };
  }
  return raw(made.markup.replace(/>|$/, `$&<!--${name}-->`));
}

function isHtml(value: unknown): value is Html {
  return typeof value === "object" && value !== null && "markup" in value;
}

test("a plugin can wrap each fragment, and what it makes of it is what people see, on pages and live", async () => {
  const upstream = startUpstream();
  const server = await startServer({
    config: { openaiBaseUrl: upstream.baseUrl },
    plugins: [marking, { name: "dressed", page: () => ({ handle: (_request, _user, look) => look.page(TITLED) }) }],
  });
  const empty = await startServer({ plugins: [marking], setupToken: "token", hasUsers: false });
  const ann = await server.signIn();
  const hold = gate();
  upstream.script({ parts: [{ reasoning: "Hm." }, "# Begun", { wait: hold.opened }, " and done"] });
  let seen = "";
  const look = async (response: Promise<Response>): Promise<string> => {
    const text = await (await response).text();
    seen += text;
    return text;
  };
  const html = { headers: { accept: "text/html" } };
  const turn = await server.core.turns.start({ username: "ann", role: "admin" }, { content: "Go" });
  const page = await look(ann.fetch(`/t/${turn.threadId}`, html));
  const after = /after=([^"&]+)/.exec(page)?.[1] ?? "";
  const live = readSse(await ann.fetch(`/live?t=${turn.threadId}&after=${after}`));
  hold.open();
  let told = "";
  while (!["go", "messageFoot"].every((name) => told.includes(`<!--${name}-->`))) {
    told += (await live.next()).value?.data ?? "";
  }
  seen += told;
  await live.return(undefined);
  for (const path of ["/", "/threads", `/threads/${turn.threadId}`, "/nowhere", "/_plugin/dressed/"])
    await look(ann.fetch(path, html));
  const body = new FormData();
  body.append("file", new File(["text"], "a.txt"));
  await look(ann.fetch("/files", { method: "POST", body }));
  const [file] = await ann.json<{ id: string }[]>("/api/v1/files");
  await look(ann.fetch(`/files/${file?.id}/report`, html));
  await look(fetch(`${server.url}/login`, html));
  await look(fetch(`${empty.url}/setup?token=token`, html));
  const names = Object.entries(server.core.views).flatMap(([name, view]) => (typeof view === "function" ? name : []));
  expect(names.length).toBeGreaterThan(15);
  expect(names.filter((name) => !seen.includes(`<!--${name}-->`))).toEqual([]);
}, 15_000);

const TITLED = { title: "Dressed", body: raw("<p>body</p>") };
