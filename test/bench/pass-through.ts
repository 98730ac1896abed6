/**
 * The limit that the server is measured against: a bare Bun.serve that hands each request to the upstream and its answer
 * back, and does nothing else. With `--re-encode` it reads each event and writes it anew, the least that a server must do
 * which looks at what it passes on. A process: its argument is the upstream's address, and it prints its own.
 */

const [upstream = "", mode] = process.argv.slice(2);

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
    const body = mode === "--re-encode" && answer.body ? reEncode(answer.body) : answer.body;
    return new Response(body, { status: answer.status, headers: { "content-type": "text/event-stream" } });
  },
});

function reEncode(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = "";
  const written = (line: string) => `data: ${line === "[DONE]" ? line : JSON.stringify(JSON.parse(line))}\n\n`;
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await reader.read();
      if (done) return controller.close();
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice("data: ".length));
      controller.enqueue(encoder.encode(data.map(written).join("")));
    },
    cancel: () => reader.cancel(),
  });
}

console.log(server.url.origin);
