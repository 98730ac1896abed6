import { expect, test } from "bun:test";
import { startServer } from "../../support/server";

const { url, signIn } = await startServer();

test("every page of ours carries the strict policy, and every answer the other headers", async () => {
  const ann = await signIn();
  for (const path of ["/", "/login", "/nothing", "/t/nothing"]) {
    const response = await ann.fetch(path, { headers: { accept: "text/html" }, redirect: "manual" });
    const policy = response.headers.get("content-security-policy");
    if (response.status !== 303) {
      expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
      expect(policy).toContain("require-trusted-types-for 'script'");
      expect(policy).not.toContain("unsafe");
    }
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  }
  for (const path of ["/health", "/static/style.css", "/api/v1/models", "/static/page.js"]) {
    const { headers } = await fetch(url + path);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("same-origin");
  }
});
