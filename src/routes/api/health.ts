/**
 * GET /health: whether the server can do its work, for whoever watches it. What reads may still fail to write, on a full disk above
 * all, so one record is written; anybody may ask as often as they like, so they all share one look every few seconds.
 */

import { Elysia, t } from "elysia";
import { AppError, errorOf, isAppError } from "../../basics/errors";
import { addIfAbsent } from "../../basics/records";
import { within } from "../../basics/within";
import type { Core } from "../../protocols";
import { session } from "../session/session";
import { answers, json } from "./openapi";

const FRESH_MS = 5000; // Less than any watcher's interval that is worth having.
const LIMIT_MS = 4000; // `skeleton health` and the image's health check wait for 5 and 6 seconds.

const STORE = "health_probe";
const UNREACHABLE = "The store cannot be read or written; the server's log says why.";

export function healthRoutes(core: Core) {
  const look = createLook(core);
  return new Elysia().use(session(core)).get(
    "/health",
    async () => {
      await look();
      return { status: "ok" };
    },
    { public: true, detail: answers(json(t.Object({ status: t.Literal("ok") }))) },
  );
}

interface HealthLook {
  /** Null = all is well. */
  readonly problem: AppError | null;
  readonly atMs: number;
}

/** A function that throws AppError("unavailable") while the store does not do its work. */
export function createLook(core: Core, { freshMs, limitMs } = { freshMs: FRESH_MS, limitMs: LIMIT_MS }) {
  let last: HealthLook = { problem: null, atMs: Number.NEGATIVE_INFINITY };
  let looking: { readonly outcome: Promise<HealthLook>; readonly begunMs: number } | null = null;

  const begin = () => {
    const outcome = problemOf(core).then((problem) => {
      tell(core, last.problem, problem);
      // Without the cause, or the log would say it again for each request.
      last = { problem: problem && new AppError("unavailable", problem.message), atMs: performance.now() };
      looking = null;
      return last;
    });
    return { outcome, begunMs: performance.now() };
  };

  return async (): Promise<void> => {
    if (performance.now() - last.atMs >= freshMs) {
      // A look that does not come back is not followed by another one.
      looking ??= begin();
      const ms = Math.max(0, looking.begunMs + limitMs - performance.now());
      await within<HealthLook, never>(looking.outcome, { ms }, () => {
        throw new AppError("unavailable", "The store does not answer in time.");
      });
    }
    if (last.problem) throw last.problem;
  };
}

/** What keeps the store from working, as a sentence that anybody may read; its cause is for the log. */
async function problemOf(core: Core): Promise<AppError | null> {
  try {
    await core.store.ping();
    await writeRecord(core);
    return null;
  } catch (error) {
    if (isAppError(error) && error.code === "unavailable") return error;
    return new AppError("unavailable", UNREACHABLE, { cause: error });
  }
}

async function writeRecord({ store }: Core): Promise<void> {
  // Here and not at the start, so that a disk that is full then keeps nobody from reading.
  await store.createStoreIfNotExists(STORE, { at: "str" });
  const fields = { at: new Date().toISOString() };
  // Where another process has just added it, it can be written.
  if (!(await store.update(null, STORE, "now", fields))) await addIfAbsent(store, null, STORE, fields, "now");
}

/** Once per change, however often somebody asks. */
function tell(core: Core, before: AppError | null, now: AppError | null): void {
  if (now && now.message !== before?.message) {
    core.log.error(`GET /health is 503: ${now.message}`, now.cause === undefined ? {} : { error: errorOf(now.cause) });
  }
  if (!now && before) core.log.info("GET /health is 200 again");
}
