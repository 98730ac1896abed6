/** A real browser for tests of the page: one process per run, a fresh profile per person. */

import { afterEach, expect } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { atEnd } from "./at-end";
import { findChromium } from "./chromium";
import { projectFolder } from "./project";
import { PASSWORD } from "./server";

export const chromiumPath = findChromium();

/** Why the tests of the browser do not run here; null when they do. */
export const noBrowser = chromiumPath === null ? "no Chromium was found; install one or name it in CHROMIUM" : null;

/** A name by which the browser finds this machine, as people find a server in their house. */
export const PLAIN_HOST = "nas";

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A host by its name, without TLS, is no secure context.
  `--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1`,
];

/** How long an action or what it waits for may take. Most take milliseconds; a machine with other work is to fail no test. */
const ACTION_MS = 20_000;

/** Answers with an error status are part of some tests; and one of our headers has no use where the server has a plain name. */
const REMARKS = ["Failed to load resource", "The Cross-Origin-Opener-Policy header has been ignored"];

let launched: Promise<Browser> | null = null;
atEnd(async () => (await launched)?.close());

/** What a page complained about: errors of scripts, and whatever its policy refused. */
export interface Person {
  readonly context: BrowserContext;
  readonly complaints: string[];
  /** A tab. */
  open(path: string): Promise<Page>;
}

/** Somebody with a browser of their own; `username` null = not signed in. */
export async function newPerson(
  url: string,
  username: string | null = "ann",
  options: BrowserContextOptions = {},
): Promise<Person> {
  launched ??= chromium.launch({ executablePath: chromiumPath ?? "", args: ARGS });
  const context = await (await launched).newContext({
    baseURL: url,
    viewport: { width: 1280, height: 800 },
    ...options,
  });
  context.setDefaultTimeout(ACTION_MS);
  const complaints: string[] = [];
  // As somebody who was here before: a first visit makes the list anew, which may come in the way of what a test does to it.
  const value = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!options.timezoneId) await context.addCookies([{ name: "zone", value, url }]);
  if (username !== null) {
    const response = await context.request.post("/login", {
      form: { username, password: PASSWORD },
      headers: { accept: "text/html" },
      maxRedirects: 0,
    });
    if (response.status() !== 303) throw new Error(`${username} could not sign in: ${response.status()}`);
  }
  return {
    context,
    complaints,
    async open(path) {
      const page = await context.newPage();
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        if (message.type() === "error" && !REMARKS.some((remark) => message.text().startsWith(remark)))
          complaints.push(message.text());
      });
      await page.goto(path);
      return page;
    },
  };
}

/** Lets people in for the tests of a file. After each test they leave, and nothing may have complained. */
export function peopleOf(url: string) {
  const people: Person[] = [];
  afterEach(async () => {
    const complaints = people.flatMap((person) => person.complaints);
    for (const { context } of people.splice(0)) await context.close();
    expect(complaints).toEqual([]);
  });
  return async (username: string | null = "ann", options: BrowserContextOptions = {}): Promise<Person> => {
    const person = await newPerson(url, username, options);
    people.push(person);
    return person;
  };
}

/** Waits until what is read is as expected. What a page shows comes from several sides, in no order that a test could rely on. */
export async function eventually<T>(read: () => Promise<T>, expected: T): Promise<void> {
  const end = performance.now() + ACTION_MS;
  let value = await read();
  while (!Bun.deepEquals(value, expected) && performance.now() < end) {
    await Bun.sleep(LOOK_MS);
    value = await read();
  }
  expect<unknown>(value).toEqual(expected);
}

const LOOK_MS = 20; // Between two looks: about a frame.

/** Writes test/output/<name>.png, to be looked at. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = join(projectFolder, "test/output");
  mkdirSync(folder, { recursive: true });
  // Hiding the caret would be done by inline styles, which the page's policy refuses.
  await page.screenshot({ path: join(folder, `${name}.png`), caret: "initial" });
}

/** The markup of an element without what htmx notes in it and without white space between tags. */
export async function markupOf(page: Page, selector: string): Promise<string> {
  const markup = await page.locator(selector).innerHTML();
  return markup
    .replace(/ data-htmx-powered="true"| class=""| open=""/g, "")
    .replace(/\s+/g, " ")
    .replace(/> | </g, (it) => it.trim());
}
