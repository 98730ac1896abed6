/**
 * A TCP relay in front of the scripted upstream. It exists to reset a connection in the middle of an answer: Bun.serve
 * always ends one politely, and a client must be tested against the other way too.
 */

import type { Socket } from "bun";

export interface Front {
  readonly port: number;
  /** Resets the client's connection whose requests reach the server behind from `relayPort`. */
  reset(relayPort: number): void;
  stop(): void;
}

export function startFront(serverPort: number, port: number): Front {
  const clients = new Map<number, Socket<Side>>();
  const listener = Bun.listen<Side>({
    hostname: "127.0.0.1",
    port,
    data: { peer: null, waiting: [], isEnding: false },
    socket: {
      open(client) {
        client.data = { peer: null, waiting: [], isEnding: false };
        connect(serverPort, client, clients);
      },
      data: pass,
      drain: flush,
      close: endPeer,
      error: endPeer,
    },
  });
  return {
    port: listener.port,
    reset: (relayPort) => clients.get(relayPort)?.terminate(),
    stop: () => listener.stop(true),
  };
}

/** What one socket of a pair knows of the other. `waiting` is for this socket's own peer, until it can take it. */
interface Side {
  peer: Socket<Side> | null;
  readonly waiting: Uint8Array[];
  isEnding: boolean;
}

function connect(serverPort: number, client: Socket<Side>, clients: Map<number, Socket<Side>>): void {
  void Bun.connect<Side>({
    hostname: "127.0.0.1",
    port: serverPort,
    data: { peer: client, waiting: [], isEnding: false },
    socket: {
      open(relay) {
        client.data.peer = relay;
        clients.set(relay.localPort, client);
        flush(relay);
        if (client.data.isEnding) relay.end();
      },
      data: pass,
      drain: flush,
      close(relay) {
        clients.delete(relay.localPort);
        endPeer(relay);
      },
      error: endPeer,
    },
  }).catch(() => client.terminate());
}

function pass(from: Socket<Side>, bytes: Uint8Array): void {
  // The buffer is the runtime's and is used again after this call.
  from.data.waiting.push(bytes.slice());
  if (from.data.peer) flush(from.data.peer);
}

/** Writes what waits for `to`, as far as it takes it; `drain` goes on. */
function flush(to: Socket<Side>): void {
  const from = to.data.peer?.data;
  if (!from) return;
  for (let bytes = from.waiting.shift(); bytes; bytes = from.waiting.shift()) {
    const written = Math.max(0, to.write(bytes));
    if (written < bytes.length) {
      from.waiting.unshift(bytes.subarray(written));
      return;
    }
  }
  if (from.isEnding) to.end();
}

function endPeer(from: Socket<Side>): void {
  from.data.isEnding = true;
  if (from.data.peer && from.data.waiting.length === 0) from.data.peer.end();
}
