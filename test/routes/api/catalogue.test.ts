import { expect, test } from "bun:test";
import { startServer } from "../../support/server";
import { startUpstream } from "../../support/upstream";

test("everybody sees the models that their mask allows, as the endpoint names them", async () => {
  const upstream = startUpstream({ models: ["small-one", "large-one", "not-small-one"] });
  const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl } });
  const models = async (name: string) => (await server.signIn(name)).json<string[]>("/api/v1/models");
  expect(await models("ann")).toEqual(["small-one", "large-one", "not-small-one"]);
  expect(await models("bob")).toEqual(["small-one"]);
});

test("system prompts come with their descriptions, and there is always a default", async () => {
  const server = await startServer();
  const prompts = await (await server.signIn()).json<Record<string, string>>("/api/v1/system_prompts");
  expect(Object.keys(prompts)).toContain("default");
  expect(Object.values(prompts).every((description) => typeof description === "string")).toBe(true);
});
