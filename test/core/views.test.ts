import { describe, expect, test } from "bun:test";
import { viewsContract } from "../../src/contracts/views";
import type { Core } from "../../src/protocols";
import { html } from "../../views/html";
import { en } from "../../views/words/en";
import { chat, testViews } from "../support/chat-data";

describe("the default views", () => {
  test.each(viewsContract.map(({ name, run }) => [name, run] as const))("%s", async (_name, run) => {
    await run({ views: testViews() } as Core);
  });
});

test("a fragment that a plugin replaces is replaced wherever it stands", () => {
  const wrapped = testViews(() => ({
    threadItem: ({ thread }) => html`<li>${thread.title.toUpperCase()}</li>`,
    part: ({ message }) => html`<div>${message.type}!</div>`,
    go: () => html`<button>Go on</button>`,
  }));
  const page = wrapped.chatPage(chat(), en).markup;
  expect(page).toContain("<li>TRIP TO LISBON</li>");
  expect(page).toContain("<div>thinking!</div>");
  expect(page).toContain("<button>Go on</button>");
});
