/**
 * Connections between processes that share a folder. Each listens on a socket of its own there and opens a connection to each other
 * one, which opens one back: a process writes on those that it has opened, and reads those that were opened to it. Together they
 * are a link, and end together. A process whose link has ended is looked for again, until its socket refuses or is gone.
 */

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Socket, UnixSocketListener } from "bun";
import { codeOf, errorOf } from "../../basics/errors";
import { pause } from "../../basics/within";
import type { Json, Log } from "../../protocols";
import { createFrameReader, createFrameWriter, encodeFrame, type FrameWriter } from "./frames";
import { listenIn, SOCKET_NAME } from "./socket-folder";

const FIND_AGAIN_MS = 250; // After a link has ended: a process that ends is gone by then, one that lives can be found again.
const CLOSE_MS = 500; // What was published before the end is worth so much time.
const CLOSE_LOOK_MS = 5;

export interface Link {
  /** Of the other's socket. */
  readonly name: string;
  send(frame: Uint8Array): void;
}

export interface LinkEvents {
  /** A link begins: what is sent now comes first. */
  begin(link: Link): void;
  /** Throws when the other must not send that: the link ends. */
  take(link: Link, frame: Json): void;
  end(link: Link): void;
}

export interface Links {
  /** False when there can be no socket in any of the folders. */
  listen(folders: readonly string[]): boolean;
  /** Resolves when each process that is there has been connected to. */
  find(): Promise<void>;
  close(): Promise<void>;
}

interface OpenLink extends Link {
  readonly writer: FrameWriter;
  /** Resolves when it is connected, or ended. */
  connecting: Promise<void>;
  outgoing: Socket | null;
  incoming: Socket | null;
}

interface SocketPlace {
  readonly folder: string;
  readonly name: string;
  readonly listener: UnixSocketListener<Incoming>;
}

/** What a connection that was opened to this process has at it. */
interface Incoming {
  read(bytes: Uint8Array): void;
  link: OpenLink | null;
}

export function createLinks(log: Log, events: LinkEvents): Links {
  const links = new Map<string, OpenLink>();
  let place: SocketPlace | null = null;
  let again: Timer | null = null;
  let isClosed = false;

  const end = (link: OpenLink): void => {
    if (links.get(link.name) !== link) return;
    links.delete(link.name);
    for (const socket of [link.outgoing, link.incoming]) socket?.terminate();
    events.end(link);
    if (!isClosed) again ??= setTimeout(findAgain, FIND_AGAIN_MS).unref();
  };

  const begin = ({ folder, name: own }: SocketPlace, name: string): OpenLink => {
    const link: OpenLink = {
      name,
      writer: createFrameWriter(() => {
        log.warn("Another server on the same data does not read what it is told, and is left for now");
        end(link);
      }),
      send: (frame) => link.writer.send(frame),
      connecting: Promise.resolve(),
      outgoing: null,
      incoming: null,
    };
    links.set(name, link);
    const hello = encodeFrame(own);
    if (hello) link.send(hello);
    events.begin(link);
    link.connecting = connect(join(folder, name), link, end);
    return link;
  };

  const find = async (): Promise<void> => {
    if (!place || isClosed) return;
    const { folder, name: own } = place;
    for (const name of readdirSync(folder)) {
      if (SOCKET_NAME.test(name) && name !== own && !links.has(name)) begin(place, name);
    }
    await Promise.all([...links.values()].map(({ connecting }) => connecting));
  };

  const findAgain = (): void => {
    again = null;
    find().catch((error) => log.warn("Other servers on the same data cannot be looked for", { error: errorOf(error) }));
  };

  /** The other says who it is. */
  const greet = (at: SocketPlace, name: Json, socket: Socket<Incoming>): OpenLink => {
    if (typeof name !== "string" || !SOCKET_NAME.test(name)) throw new Error("Its first frame is not a name.");
    const known = links.get(name);
    // It has opened a connection anew, and knows that the earlier one is over.
    if (known?.incoming) end(known);
    const link = links.get(name) ?? begin(at, name);
    link.incoming = socket as unknown as Socket;
    return link;
  };

  const handlers = {
    open(socket: Socket<Incoming>) {
      socket.unref();
      const take = (frame: Json): void => {
        const { link } = socket.data;
        if (link) events.take(link, frame);
        else if (place) socket.data.link = greet(place, frame, socket);
      };
      socket.data = { read: createFrameReader(take), link: null };
    },
    data(socket: Socket<Incoming>, bytes: Uint8Array) {
      try {
        socket.data.read(bytes);
      } catch (error) {
        log.warn("Another process on the same data said what is not understood", { error: errorOf(error) });
        socket.terminate();
      }
    },
    close({ data }: Socket<Incoming>) {
      if (data.link?.incoming) end(data.link);
    },
  };

  return {
    listen(folders) {
      for (const folder of folders) {
        const name = Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex");
        try {
          const listener = listenIn(folder, name, (path) => Bun.listen<Incoming>({ unix: path, socket: handlers }));
          listener.unref();
          place = { folder, name, listener };
          return true;
        } catch (error) {
          log.info("There can be no socket for other servers here", { folder, error: errorOf(error) });
        }
      }
      return false;
    },

    find,

    async close() {
      isClosed = true;
      if (again) clearTimeout(again);
      const over = AbortSignal.timeout(CLOSE_MS);
      while (!over.aborted && [...links.values()].some(({ writer }) => !writer.isIdle()))
        await pause(CLOSE_LOOK_MS, over);
      for (const link of [...links.values()]) end(link);
      if (!place) return;
      place.listener.stop(true);
      rmSync(join(place.folder, place.name), { force: true });
    },
  };
}

/** Ends the link when there is nobody, and removes the socket of a process that is dead. Never rejects. */
async function connect(path: string, link: OpenLink, end: (link: OpenLink) => void): Promise<void> {
  const socket = {
    open(opened: Socket) {
      opened.unref();
      link.outgoing = opened;
      link.writer.open(opened);
    },
    drain: (opened: Socket) => link.writer.open(opened),
    data() {},
    close: () => end(link),
  };
  try {
    await Bun.connect({ unix: path, socket });
  } catch (error) {
    if (codeOf(error) === "ECONNREFUSED") rmSync(path, { force: true });
    end(link);
  }
}
