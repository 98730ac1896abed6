/**
 * Figures for Prometheus at /_plugin/metrics/: turns, tokens, time to the first word, open streams, errors of the store,
 * memory and how late the event loop is; all of this process, since it was started. Whoever reads them needs the token of
 * the settings, or is an administrator. They name models and no user. It wraps the store to count what that cannot do, so
 * the server has to be started anew when it is installed or changed.
 *
 * Settings (plugins.yaml, `metrics`): `token`, of at least 16 characters, for `authorization: Bearer …` (default: none, and
 * only administrators may look).
 * Last change: 2026-11-22.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import {
  type BusProtocol,
  type Core,
  type FinishReason,
  type Json,
  type Plugin,
  type Static,
  type StoreProtocol,
  type Turn,
  type TurnEvent,
  t,
  type User,
} from "skeleton";

const NAME = "metrics";

const settings = t.Object({ token: t.Optional(t.String({ minLength: 16 })) });

const FIRST_WORD_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const BEAT_MS = 500;
const BEATS = 120; // The worst of a minute: Prometheus asks about four times in that time.

type Status = "done" | "failed" | "stopped";

const turns: Record<Status, number> = { done: 0, failed: 0, stopped: 0 };
const tokens = new Map<string, { input: number; output: number }>();
const firstWord = { counts: FIRST_WORD_S.map(() => 0), count: 0, sum: 0 };
const streams = { live: 0, turn: 0 };
let runningTurns = 0;
let storeErrors = 0;
let lagsS: number[] = [];
let beat: Timer | null = null;

export default {
  name: NAME,
  // The outermost, so that it sees what all others make of a turn.
  priority: 100,
  access: "public", // Prometheus does not sign in; who may look is decided here.
  settings,
  provide: {
    messageProcessor: (_core, base) => ({ run: (turn) => watched(turn, base.run(turn)) }),
    store: (_core, base) => countingErrors(base),
    bus: (_core, base) => ({ ...base, subscribe: (topic, heard) => subscribe(base, topic, heard) }),
  },
  start() {
    let due = performance.now() + BEAT_MS;
    beat = setInterval(() => {
      const now = performance.now();
      lagsS = [...lagsS, Math.max(0, now - due) / 1000].slice(-BEATS);
      due = now + BEAT_MS;
    }, BEAT_MS);
    beat.unref();
  },
  stop: () => clearInterval(beat ?? undefined),
  page: (core) => ({
    handle(request, user) {
      const status = statusFor(core, request, user);
      if (status === 200) return new Response(report(), { headers: { "content-type": "text/plain; version=0.0.4" } });
      const detail = "The metrics are for administrators, and for whoever has the token of the plugin's settings.";
      return Response.json({ detail }, { status, headers: { "www-authenticate": "Bearer" } });
    },
  }),
} satisfies Plugin;

/** A turn is counted once, by what came first: a turn that is stopped is not read on. */
async function* watched(turn: Turn, events: AsyncGenerator<TurnEvent, FinishReason>) {
  const begun = performance.now();
  let isOver = false;
  let hasWord = false;
  const end = (status: Status) => {
    if (isOver) return;
    isOver = true;
    runningTurns--;
    turns[status]++;
  };
  const stop = () => end("stopped");
  runningTurns++;
  turn.signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      const next = await events.next();
      if (next.done) {
        end("done");
        return next.value;
      }
      const event = next.value;
      if (!hasWord && (event.type === "text" || event.type === "thinking")) {
        hasWord = true;
        observe((performance.now() - begun) / 1000);
      } else if (event.type === "step") count(event);
      yield event;
    }
  } catch (error) {
    end("failed");
    throw error;
  } finally {
    stop();
    turn.signal.removeEventListener("abort", stop);
    await events.return("stop");
  }
}

function observe(seconds: number): void {
  firstWord.count++;
  firstWord.sum += seconds;
  for (const [at, limit] of FIRST_WORD_S.entries()) {
    if (seconds <= limit) firstWord.counts[at] = (firstWord.counts[at] ?? 0) + 1;
  }
}

function count({ model, usage }: TurnEvent & { type: "step" }): void {
  const known = tokens.get(model) ?? { input: 0, output: 0 };
  tokens.set(model, {
    input: known.input + (usage?.inputTokens ?? 0),
    output: known.output + (usage?.outputTokens ?? 0),
  });
}

/** What is refused on purpose, such as an id that is taken, is an answer and no error. */
function countingErrors(base: StoreProtocol): StoreProtocol {
  const counting = <A extends unknown[], R>(method: (...args: A) => Promise<R>) => {
    return (...args: A): Promise<R> => {
      const result = method(...args);
      result.catch((error) => {
        if (!(error instanceof Error && error.name === "AppError")) storeErrors++;
      });
      return result;
    };
  };
  const methods = Object.entries(base).map(([name, method]) => [name, counting(method)]);
  return Object.fromEntries(methods) as StoreProtocol;
}

async function subscribe(base: BusProtocol, topic: string, heard: (message: Json) => void): Promise<() => void> {
  const end = await base.subscribe(topic, heard);
  const kind = /^user:/.test(topic) ? "live" : /^turn:[^:]+$/.test(topic) ? "turn" : null;
  if (kind === null) return end;
  streams[kind]++;
  let isEnded = false;
  return () => {
    if (!isEnded) streams[kind]--;
    isEnded = true;
    end();
  };
}

function statusFor(core: Core, request: Request, user: User | null): 200 | 401 | 403 {
  const { token } = core.settings<Static<typeof settings>>(NAME);
  const given = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (user?.role === "admin") return 200;
  if (token !== undefined && given !== undefined && timingSafeEqual(digest(given), digest(token))) return 200;
  return user ? 403 : 401;
}

/** Texts of one length, so that the time to compare them tells nothing. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function report(): string {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const buckets = FIRST_WORD_S.map((limit, at) => ({
    name: "_bucket",
    labels: { le: limit },
    value: firstWord.counts[at] ?? 0,
  }));
  const lines = [
    metric("skeleton_turns_total", "counter", "Turns that have ended.", labelled("status", turns)),
    metric("skeleton_turns_running", "gauge", "Turns that run now.", [{ value: runningTurns }]),
    metric(
      "skeleton_tokens_total",
      "counter",
      "Tokens of turns as endpoints count them.",
      [...tokens].flatMap(([model, { input, output }]) => [
        { labels: { model, direction: "input" }, value: input },
        { labels: { model, direction: "output" }, value: output },
      ]),
    ),
    metric(
      "skeleton_first_word_seconds",
      "histogram",
      "From the start of a turn to its first word, thinking included.",
      [
        ...buckets,
        { name: "_bucket", labels: { le: "+Inf" }, value: firstWord.count },
        { name: "_sum", value: firstWord.sum },
        { name: "_count", value: firstWord.count },
      ],
    ),
    metric("skeleton_open_streams", "gauge", "Pages and clients that listen now.", labelled("kind", streams)),
    metric("skeleton_store_errors_total", "counter", "Calls that the store could not do.", [{ value: storeErrors }]),
    metric("skeleton_event_loop_lag_seconds_max", "gauge", "The latest that the event loop was in the last minute.", [
      { value: Math.max(0, ...lagsS) },
    ]),
    metric("process_resident_memory_bytes", "gauge", "Memory of the process.", [{ value: rss }]),
    metric("process_heap_bytes", "gauge", "Of it, used by objects.", [{ value: heapUsed }]),
    metric("process_cpu_seconds_total", "counter", "Time of processors that was used.", [
      { value: (user + system) / 1e6 },
    ]),
    metric("process_start_time_seconds", "gauge", "When the process was started, in seconds since 1970.", [
      { value: Math.round(performance.timeOrigin / 1000) },
    ]),
  ];
  return lines.join("");
}

interface Sample {
  /** Added to the metric's. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly value: number;
}

function labelled(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

function metric(
  name: string,
  type: "counter" | "gauge" | "histogram",
  help: string,
  samples: readonly Sample[],
): string {
  const lines = samples.map(({ name: more = "", labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(String(text))}"`);
    return `${name}${more}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
