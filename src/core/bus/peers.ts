/**
 * The other processes on the same data, and what each of them hears: it says to which topics it has subscribed, and is sent the
 * messages on these alone. Whoever subscribes waits until the others know it. A process that is gone is told of on the topic `PEER_LEFT`.
 */

import { errorOf } from "../../basics/errors";
import { PEER_LEFT } from "../../basics/facts";
import { onceDone } from "../../basics/once";
import { within } from "../../basics/within";
import type { Json, Log } from "../../protocols";
import { encodeFrame } from "./frames";
import { createLinks, type Link } from "./links";

const ANSWER_MS = 1000; // A process that stands still must not hold up the others.

type Frame =
  | readonly ["subscribe", number, readonly string[]]
  /** To `subscribe`, by its number. */
  | readonly ["known", number]
  | readonly ["unsubscribe", string]
  | readonly ["message", string, Json];

export interface Peers {
  /** By the names of their sockets. */
  readonly known: ReadonlyMap<string, unknown>;
  /** False until the others have been found, which the first call begins. */
  isOpen: boolean;
  publish(topic: string, message: Json): void;
  /** Resolves when the others know it. `isFirst` = nobody here had subscribed to the topic. */
  subscribe(topic: string, isFirst: boolean): Promise<void>;
  unsubscribe(topic: string): void;
  close(): Promise<void>;
}

export interface PeersOptions {
  readonly log: Log;
  /** Where sockets may be, the best first. */
  folders(): readonly string[];
  /** All that are subscribed to here. */
  topics(): readonly string[];
  /** Gives a message to those here. */
  tell(topic: string, message: Json): void;
}

interface Peer {
  readonly link: Link;
  readonly topics: Set<string>;
  /** Its first topics have come. */
  readonly ready: PromiseWithResolvers<void>;
  hasSpoken: boolean;
  /** What it has not answered yet, by number. */
  readonly asked: Map<number, () => void>;
  /** Whether a question to it has waited too long: nobody waits for it again before it has spoken. */
  isLate: boolean;
}

const ALONE = "Other servers on the same data are noticed late, by looking at the database: no socket can be made";

export function createPeers({ log, folders, topics, tell }: PeersOptions): Peers {
  const known = new Map<string, Peer>();
  /** Topics of which the others do not know yet that they are heard. */
  const announcing = new Map<string, Promise<void>>();
  /** Published before the others were found. */
  let early: (readonly [string, Json])[] = [];
  let questions = 0;

  const links = createLinks(log, {
    begin(link) {
      known.set(link.name, createPeer(link));
      send([link], ["subscribe", 0, topics()]);
    },
    take(link, frame) {
      const peer = known.get(link.name);
      if (peer) take(peer, frame as unknown as Frame, tell);
    },
    end(link) {
      const peer = known.get(link.name);
      known.delete(link.name);
      peer?.ready.resolve();
      for (const answered of peer?.asked.values() ?? []) answered();
      if (peer?.hasSpoken) tell(PEER_LEFT, link.name);
    },
  });

  const open = onceDone(async () => {
    try {
      if (links.listen(folders())) await links.find();
      else log.warn(ALONE);
    } catch (error) {
      log.warn(ALONE, { error: errorOf(error) });
    }
    const found = [...known.values()].map(({ ready }) => ready.promise);
    await within(Promise.all(found), { ms: ANSWER_MS }, () => {});
    peers.isOpen = true;
    for (const [topic, message] of early) peers.publish(topic, message);
    early = [];
  });

  const announce = async (topic: string): Promise<void> => {
    questions += 1;
    const number = questions;
    const asked = [...known.values()].filter(({ isLate }) => !isLate);
    const answers = asked.map((peer) => new Promise<void>((resolve) => peer.asked.set(number, resolve)));
    send(linksOf(known), ["subscribe", number, [topic]]);
    await within(Promise.all(answers), { ms: ANSWER_MS }, () => {
      for (const peer of asked) peer.isLate = peer.asked.delete(number);
    });
  };

  const peers: Peers = {
    known,
    isOpen: false,

    publish(topic, message) {
      if (!peers.isOpen) {
        early.push([topic, message]);
        void open();
        return;
      }
      const hearing = [...known.values()].filter((peer) => peer.topics.has(topic)).map(({ link }) => link);
      if (hearing.length === 0) return;
      const isSent = send(hearing, ["message", topic, message]);
      if (!isSent) log.warn("A message is too long for other servers on the same data", { topic });
    },

    async subscribe(topic, isFirst) {
      await (peers.isOpen ? announcing.get(topic) : open());
      // Ended meanwhile, or known to the others by somebody else who hears it.
      if (known.size === 0 || !isFirst || !topics().includes(topic)) return;
      const announced = announce(topic).finally(() => {
        if (announcing.get(topic) === announced) announcing.delete(topic);
      });
      announcing.set(topic, announced);
      return announced;
    },

    unsubscribe(topic) {
      announcing.delete(topic);
      send(linksOf(known), ["unsubscribe", topic]);
    },

    async close() {
      // What was published before the others were found is still told.
      if (early.length > 0) await open();
      await links.close();
    },
  };
  return peers;
}

function createPeer(link: Link): Peer {
  const ready = Promise.withResolvers<void>();
  return { link, topics: new Set(), ready, hasSpoken: false, asked: new Map(), isLate: true };
}

function linksOf(known: ReadonlyMap<string, Peer>): Link[] {
  return [...known.values()].map(({ link }) => link);
}

/** Encoded once for all of them. False when it is too long. */
function send(links: readonly Link[], frame: Frame): boolean {
  const bytes = encodeFrame(frame as unknown as Json);
  if (bytes) for (const link of links) link.send(bytes);
  return bytes !== null;
}

/** A kind that this version does not know is of a later one, and passed over. */
function take(peer: Peer, frame: Frame, tell: PeersOptions["tell"]): void {
  const [kind] = frame;
  peer.isLate = false;
  if (kind === "message") tell(frame[1], frame[2]);
  else if (kind === "subscribe") {
    for (const topic of frame[2]) peer.topics.add(topic);
    peer.hasSpoken = true;
    peer.ready.resolve();
    send([peer.link], ["known", frame[1]]);
  } else if (kind === "unsubscribe") peer.topics.delete(frame[1]);
  else if (kind === "known") {
    peer.asked.get(frame[1])?.();
    peer.asked.delete(frame[1]);
  }
}
