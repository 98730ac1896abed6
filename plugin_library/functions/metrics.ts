/**
 * Figures for Prometheus at /_plugin/metrics/: turns, tokens, time to the first word, open streams, whether the store
 * answers, memory and how late the event loop is; all of this process. Whoever reads them needs the token of the settings,
 * or is an administrator. They name models and no user. What other plugins count in `core.counts` is told too.
 *
 * Settings (plugins.yaml, `metrics`): `token`, of at least 16 characters, for `authorization: Bearer …` (default: none, and
 * only administrators may look).
 * Last change: 2026-11-23.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import {
  type Core,
  type ModelEvent,
  type ModelReply,
  type Plugin,
  type Static,
  type StoreProtocol,
  type Turn,
  t,
  type User,
} from "skeleton";

const NAME = "metrics";

const settings = t.Object({ token: t.Optional(t.String({ minLength: 16 })) });

const FIRST_WORD_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const BEAT_MS = 500;
const BEATS = 120; // The worst of a minute: Prometheus asks about four times in that time.

const tokens = new Map<string, { input: number; output: number }>();
const firstWord = { counts: FIRST_WORD_S.map(() => 0), count: 0, sum: 0 };
/** When turns called their model first, of those that have no word yet. */
const waiting = new WeakMap<Turn, number>();
let lagsS: number[] = [];
let beat: Timer | null = null;

export default {
  name: NAME,
  // The outermost, so that it sees what all others make of a stream.
  priority: 100,
  access: "public", // Prometheus does not sign in; who may look is decided here.
  settings,
  hooks: {
    preCall(_call, turn) {
      if (turn.messages.length === 0) waiting.set(turn, performance.now());
    },
    filterStream: (events, turn) => (waiting.has(turn) ? timed(events, turn) : events),
    postCall: count,
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
    async handle(request, user) {
      const status = statusFor(core, request, user);
      const headers = { "content-type": "text/plain; version=0.0.4" };
      if (status === 200) return new Response(await report(core), { headers });
      const detail = "The metrics are for administrators, and for whoever has the token of the plugin's settings.";
      return Response.json({ detail }, { status, headers: { "www-authenticate": "Bearer" } });
    },
  }),
} satisfies Plugin;

async function* timed(events: AsyncIterable<ModelEvent>, turn: Turn): AsyncGenerator<ModelEvent> {
  for await (const event of events) {
    const begun = waiting.get(turn);
    if (begun !== undefined && (event.type === "text" || event.type === "thinking")) {
      waiting.delete(turn);
      observe((performance.now() - begun) / 1000);
    }
    yield event;
  }
}

function observe(seconds: number): void {
  firstWord.count++;
  firstWord.sum += seconds;
  for (const [at, limit] of FIRST_WORD_S.entries()) {
    if (seconds <= limit) firstWord.counts[at] = (firstWord.counts[at] ?? 0) + 1;
  }
}

function count({ model, usage }: ModelReply): void {
  const { input, output } = tokens.get(model) ?? { input: 0, output: 0 };
  const { inputTokens = 0, outputTokens = 0 } = usage ?? {};
  tokens.set(model, { input: input + inputTokens, output: output + outputTokens });
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

const ENDINGS = ["done", "failed", "stopped", "interrupted"];
const STREAMS = ["page", "turn", "live"];

async function report(core: Core): Promise<string> {
  const { turns_running = 0, ...counts } = core.counts.all();
  /** Takes those of a kind out of the others. */
  const taken = (prefix: string, label: string, names: readonly string[]): Sample[] =>
    names.map((name) => {
      const { [`${prefix}${name}`]: value = 0 } = counts;
      delete counts[`${prefix}${name}`];
      return { labels: { [label]: name }, value };
    });
  const pingS = await ping(core.store);
  const lines = [
    metric("skeleton_turns_total", "counter", "Turns that have ended.", taken("turns_", "status", ENDINGS)),
    metric("skeleton_turns_running", "gauge", "Turns that run now.", [{ value: turns_running }]),
    metric("skeleton_tokens_total", "counter", "Tokens of turns as endpoints count them.", tokenSamples()),
    metric(
      "skeleton_first_word_seconds",
      "histogram",
      "From the first call of a turn's model to its first word, thinking included.",
      firstWordSamples(),
    ),
    metric("skeleton_open_streams", "gauge", "Pages and clients that listen now.", taken("streams_", "kind", STREAMS)),
    metric("skeleton_counts", "untyped", "What plugins count.", labelled("name", counts)),
    metric("skeleton_store_up", "gauge", "Whether the store answers.", [{ value: pingS === null ? 0 : 1 }]),
    metric("skeleton_store_ping_seconds", "gauge", "How long it took to.", pingS === null ? [] : [{ value: pingS }]),
    ...processMetrics(),
  ];
  return lines.join("");
}

/** Seconds until the store answered; null when it did not. */
async function ping(store: StoreProtocol): Promise<number | null> {
  const begun = performance.now();
  return store.ping().then(
    () => (performance.now() - begun) / 1000,
    () => null,
  );
}

function tokenSamples(): Sample[] {
  return [...tokens].flatMap(([model, { input, output }]) => [
    { labels: { model, direction: "input" }, value: input },
    { labels: { model, direction: "output" }, value: output },
  ]);
}

function firstWordSamples(): Sample[] {
  const { counts, count, sum } = firstWord;
  const buckets = FIRST_WORD_S.map((le, at) => ({ name: "_bucket", labels: { le }, value: counts[at] ?? 0 }));
  const all = { name: "_bucket", labels: { le: "+Inf" }, value: count };
  return [...buckets, all, { name: "_sum", value: sum }, { name: "_count", value: count }];
}

function processMetrics(): string[] {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const started = Math.round(performance.timeOrigin / 1000);
  const gauge = (name: string, help: string, value: number) => metric(name, "gauge", help, [{ value }]);
  return [
    gauge(
      "skeleton_event_loop_lag_seconds_max",
      "The latest that the event loop was in the last minute.",
      Math.max(0, ...lagsS),
    ),
    gauge("process_resident_memory_bytes", "Memory of the process.", rss),
    gauge("process_heap_bytes", "Of it, used by objects.", heapUsed),
    metric("process_cpu_seconds_total", "counter", "Processor time that was used.", [{ value: (user + system) / 1e6 }]),
    gauge("process_start_time_seconds", "When the process was started, in seconds since 1970.", started),
  ];
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
  type: "counter" | "gauge" | "histogram" | "untyped",
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
