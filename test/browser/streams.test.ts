/** One window too many, in a real browser: it says so, and works as soon as another one is closed. */

import { afterAll, describe, expect, test } from "bun:test";
import { eventually, newPerson, noBrowser } from "../support/browser";
import { startServer } from "../support/server";
import { reply, startUpstream } from "../support/upstream";

const upstream = startUpstream({ models: ["small-a"] });
upstream.otherwise(reply("Here."));
afterAll(() => upstream.stop());

describe.skipIf(noBrowser !== null)("one window too many", () => {
  test("says why it hears nothing, and hears again when another one is closed", async () => {
    const config = { openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl, streamsPerUser: 1 };
    const server = await startServer({ config });
    const ann = await newPerson(server.url);
    const first = await ann.open("/");
    await eventually(async () => server.core.counts.all().streams_page, 1);
    // Another browser: the windows of one share a stream.
    const elsewhere = await newPerson(server.url);
    const second = await elsewhere.open("/");
    await second.waitForSelector("#status >> text=too many windows");
    await first.close();
    await eventually(async () => {
      // The next try by itself may be ten seconds away, or come before this one.
      await second.evaluate('window.dispatchEvent(new Event("online"))');
      return second.locator("#status >> text=too many windows").count();
    }, 0);
    await second.fill("#text", "Still there?");
    await second.press("#text", "Enter");
    await second.waitForSelector(".reply >> text=Here.");
    expect(server.core.counts.all().streams_page).toBe(1);
    await ann.context.close();
    await elsewhere.context.close();
    await server.stop();
  }, 60_000);
});
