import { describe, expect, test } from "bun:test";
import type { Words } from "../../../src/protocols";
import { chooseWords } from "../../../src/routes/session/session";
import { atEnd } from "../../support/at-end";
import { startServer } from "../../support/server";

const languages = ["en", "de", "pt-BR", "pt"].map((language) => ({ language }) as Words);
const chosen = (header: string | null) => chooseWords(languages, header).language;

describe("the language of a page", () => {
  test.each([
    [null, "en"],
    ["", "en"],
    ["de", "de"],
    ["DE-at", "de"],
    ["fr, de;q=0.5", "de"],
    ["en;q=0.3, de;q=0.7", "de"],
    ["de;q=0.5,en", "en"],
    ["de;q=0, en;q=0.1", "en"],
    ["fr;q=0.9, *;q=0.1", "en"],
    ["fr", "en"],
    ["pt", "pt"],
    ["pt-PT", "pt-BR"],
    ["pt-BR;q=0.9, pt;q=0.8", "pt-BR"],
    [" de ; q=0.9 , fr ", "de"],
  ])("%p means %s", (header, language) => {
    expect(chosen(header)).toBe(language);
  });

  test.each([
    ["a weight above 1", "de;q=9"],
    ["a weight below 0", "de;q=-1"],
    ["no weight", "de;q="],
    ["no language", "q=1"],
    ["a path", "../de"],
    ["a control character", "de\u0000"],
    ["nothing between commas", ";;;,,,"],
    ["a name of JavaScript", "__proto__"],
    ["100,000 characters", "x".repeat(100_000)],
    ["a thousand wishes before the one", `${",".repeat(1000)}de`],
  ])("nonsense is passed over: %s", (_, header) => {
    expect(chosen(header)).toBe("en");
  });
});

describe("a browser that asks for German", () => {
  const asking = { accept: "text/html", "accept-language": "de-CH, de;q=0.9, en;q=0.8" };

  test("gets every page in German, and others in English", async () => {
    const server = await startServer();
    atEnd(() => server.stop());
    const ann = await server.signIn("ann");
    const read = async (path: string) => await (await ann.fetch(path, { headers: asking })).text();
    const page = await read("/");
    expect(page).toContain('<html lang="de" dir="ltr">');
    expect(page).toContain("Was beschäftigt dich?");
    expect(await read("/t/none")).toContain("Nicht gefunden");
    const signIn = await fetch(`${server.url}/login`, { headers: asking });
    expect(await signIn.text()).toContain("Passwort");
    expect(signIn.headers.get("vary")).toContain("accept-language");
    expect(await (await ann.fetch("/", { headers: { accept: "text/html" } })).text()).toContain(
      '<html lang="en" dir="ltr">',
    );
  });
});
