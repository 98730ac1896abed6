/**
 * A response of Server-Sent Events, for pages of plugins: messages at the pace of who reads them, a comment from time to time while there
 * are none, and an end to the source when the client leaves. Plugins get it from `skeleton`.
 */

import { encodeSse, HEARTBEAT, HEARTBEAT_MS, SSE_HEADERS, type SseMessage } from "../basics/sse";

/**
 * `messages` is read until it ends; a throw cuts the connection. When the client leaves it is asked to return, which a generator that waits
 * for something does only afterwards: let what it waits for end with `request.signal`.
 *
 * @example
 * ```ts
 * const page: PluginPage = {
 *   handle(request) {
 *     return eventStream(ticks(request.signal));
 *   },
 * };
 *
 * async function* ticks(signal: AbortSignal) {
 *   for (let tick = 1; !signal.aborted; tick++) {
 *     yield { event: "tick", data: String(tick), id: tick };
 *     await Bun.sleep(1000);
 *   }
 * }
 * ```
 */
export function eventStream(messages: AsyncIterable<SseMessage>): Response {
  const iterator = messages[Symbol.asyncIterator]();
  let heartbeat: Timer | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      // The first bytes carry the headers to a client that waits for them.
      controller.enqueue(HEARTBEAT);
      const beat = () => (controller.desiredSize ?? 0) > 0 && controller.enqueue(HEARTBEAT);
      heartbeat = setInterval(beat, HEARTBEAT_MS);
    },
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (!next.done) return controller.enqueue(encodeSse(next.value));
      } catch (error) {
        clearInterval(heartbeat);
        throw error;
      }
      clearInterval(heartbeat);
      controller.close();
    },
    cancel() {
      clearInterval(heartbeat);
      // Not awaited: nobody hears of it any more.
      iterator.return?.().then(undefined, () => {});
    },
  });
  return new Response(body, { headers: SSE_HEADERS });
}
