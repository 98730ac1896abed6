/** A server with chats of some weeks, as docs/screenshots shows it; the model is scripted. */

import { Type } from "@sinclair/typebox";
import type { Page } from "playwright-core";
import type { Plugin } from "../../src/protocols";
import { EARLIER, EXPLANATION, PLAN, QUESTION } from "./screenshot-chats";
import { startServer, type TestServer } from "./server";
import { reply, startUpstream, toolCall, type Upstream } from "./upstream";

export interface Scene {
  readonly server: TestServer;
  readonly upstream: Upstream;
}

const DAY_MS = 24 * 60 * 60_000;

const database: Plugin = {
  name: "database",
  tools: [
    {
      name: "explain_query",
      description: "How the database would run a query.",
      parameters: Type.Object({ query: Type.String() }),
      execute: async () => {
        await Bun.sleep(40);
        return PLAN;
      },
    },
    {
      name: "run_query",
      description: "Changes the database.",
      parameters: Type.Object({ query: Type.String() }),
      approval: true,
      execute: async () => "done",
    },
  ],
};

export async function setScene(): Promise<Scene> {
  const upstream = startUpstream({ models: ["qwen3-8b", "llama-3.3-70b"] });
  upstream.otherwise(reply("Very well, nothing was changed."));
  const config = { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl };
  const server = await startServer({ config, plugins: [database] });
  for (const { title, daysAgo, says = title, ...fields } of EARLIER) {
    const { id } = await server.core.thread.create("ann", { title, ...fields });
    const timestamp = new Date(Date.now() - daysAgo * DAY_MS).toISOString();
    const message = { parentId: null, role: "user", type: "text", content: says, turnId: "t", step: 0 } as const;
    await server.core.thread.append("ann", id, { ...message, timestamp });
  }
  return { server, upstream };
}

/** Asks in a new chat and waits for the whole answer. */
export async function converse(page: Page, { upstream }: Scene): Promise<void> {
  upstream.script(...EXPLANATION);
  await page.fill("#text", QUESTION);
  await page.click("#go");
  await page.waitForURL(/\/t\//);
  await page.waitForSelector("text=before you add the next");
  await page.waitForSelector("button.send");
  await page.waitForSelector(".running", { state: "detached" });
}

/** Asks for what needs a yes, and waits for the question. */
export async function askForTool(page: Page, { upstream }: Scene): Promise<void> {
  upstream.script({ parts: ["The index is ready to be made. ", ...toolCall("run_query", { query: INDEX })] });
  await page.fill("#text", "Then please make it.");
  await page.click("#go");
  await page.waitForSelector(".question");
}

const INDEX = "create index orders_by_customer on orders (customer_id, placed_at desc)";
