/** A first visit to the page, by a browser that was never here. */

import { chromium } from "playwright-core";
import { findChromium } from "../support/chromium";
import { startSkeleton, type Upstream } from "./subjects";
import { type Row, rowOf } from "./table";

/** What the browser got is what its network says, headers left out. */
export async function measureVisit(upstream: Upstream): Promise<Row[]> {
  const executablePath = findChromium();
  if (executablePath === null) return [];
  const skeleton = await startSkeleton({ upstream });
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  try {
    const context = await browser.newContext({ extraHTTPHeaders: { authorization: `Bearer ${skeleton.token}` } });
    const page = await context.newPage();
    let [requests, bytes] = [0, 0];
    page.on("requestfinished", async (request) => {
      bytes += (await request.sizes()).responseBodySize;
    });
    page.on("request", () => {
      requests++;
    });
    await page.goto(skeleton.address, { waitUntil: "load" });
    await page.waitForFunction("performance.getEntriesByName('first-contentful-paint').length > 0");
    const paint = await page.evaluate<number>("performance.getEntriesByName('first-contentful-paint')[0].startTime");
    await Bun.sleep(SETTLE_MS);
    return [
      rowOf("first visit: requests", "", requests, 6),
      rowOf("first visit: bytes, packed", "kB", bytes / 1000, 60),
      rowOf("first visit: first paint after", "ms", paint),
    ];
  } finally {
    await browser.close();
    await skeleton.stop();
  }
}

const SETTLE_MS = 500; // For requests that scripts make.
