/**
 * The limit that the server is measured against: a bare Bun.serve that hands each request to the upstream and its answer
 * back, and does nothing else. A process: its argument is the upstream's address, and it prints its own.
 */

const [upstream = ""] = process.argv.slice(2);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const answer = await fetch(`${upstream}${pathname}`, {
      method: request.method,
      headers: { "content-type": "application/json" },
      body: await request.text(),
      signal: request.signal,
    });
    return new Response(answer.body, { status: answer.status, headers: { "content-type": "text/event-stream" } });
  },
});

console.log(server.url.origin);
