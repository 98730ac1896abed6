import { expect, test } from "bun:test";
import { ownPath } from "../../../src/routes/http/address";
import { createRandom } from "../../support/random";

test.each([
  ["/", "/"],
  ["/t/abc?x=1", "/t/abc?x=1"],
  ["/t/abc?next=//other.example", "/t/abc?next=//other.example"],
  ["/a/../t/x", "/t/x"],
  ["/t/ü", "/t/%C3%BC"],
  ["/%2f/other.example", "/%2f/other.example"],
  ["/t/a//b", "/t/a//b"],
])("%s is of this server", (address, path) => {
  expect(ownPath(address)).toBe(path);
});

const FOREIGN = [
  undefined,
  "",
  "t/abc",
  " /t/abc",
  "//evil.example",
  "///evil.example",
  "/\\evil.example",
  "\\\\evil.example",
  "\\/evil.example",
  "/.//evil.example",
  "/..//evil.example",
  "/.//.//evil.example",
  "/%2e//evil.example",
  "/%2E%2e//evil.example",
  "/.%2e//evil.example",
  "/./\\evil.example",
  "/t/..//evil.example",
  "/t/../.\\/evil.example",
  "/\t/evil.example",
  "/\n/evil.example",
  "/\r\n/evil.example",
  "\t//evil.example",
  "/.\t//evil.example",
  "/\t.\n//evil.example",
  "//@evil.example",
  "//user:word@evil.example/",
  "//here.invalid@evil.example",
  "//here.invalid:99/",
  "https:evil.example",
  "https:/evil.example",
  "https://evil.example",
  "http:///evil.example",
  "javascript:alert(1)",
  "java\nscript:alert(1)",
  "data:text/html,x",
  "//[::1",
  "/\\/\\evil.example",
];

test.each(FOREIGN.map((address) => [address]))("%j leads to the front page", (address) => {
  expect(ownPath(address)).toBe("/");
});

test("whatever an address is made of, its path stays here, also when it is parsed again", () => {
  const pieces = [
    "/",
    "\\",
    ".",
    "..",
    "%2e",
    "%2f",
    "%5c",
    "\t",
    "\n",
    "\r",
    "\0",
    " ",
    "@",
    ":",
    "?",
    "#",
    "t",
    "ü",
  ] as const;
  const whole = [
    "evil.example",
    "javascript:",
    "https:",
    "[",
    "]",
    "%",
    "%00",
    ";",
    "\u2028",
    "\uff0f",
    "\ud800",
  ] as const;
  const { integer, chance, pick } = createRandom(1);
  for (let count = 0; count < 20_000; count++) {
    const parts = Array.from({ length: integer(1, 8) }, () => pick([...pieces, ...whole]));
    const address = (chance(0.5) ? "/" : "") + parts.join("");
    const path = ownPath(address);
    const url = new URL(path, "https://chat.example/login");
    expect([address, url.origin, url.pathname + url.search]).toEqual([address, "https://chat.example", path]);
  }
});
