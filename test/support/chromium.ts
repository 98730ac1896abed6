/** Finds a browser for the tests of the page. None is downloaded: a person's tests use what the machine has. */

import { existsSync } from "node:fs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

const PLACES = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/snap/bin/chromium"];

/** The path of `CHROMIUM` or of an installed browser, or null. */
export function findChromium(): string | null {
  const named = process.env.CHROMIUM;
  if (named) return existsSync(named) ? named : null;
  for (const name of NAMES) {
    const path = Bun.which(name);
    if (path) return path;
  }
  return PLACES.find((path) => existsSync(path)) ?? null;
}
