/** `limit`: how often something may happen. Default: `src/core/limit.ts`, in memory. Replace it to count across processes. */

export interface LimitProtocol {
  /**
   * Takes `cost` (default 1) out of `max` per `windowS` seconds for the key. A cost of 0 only looks: allowed when a take of
   * 1 would be. A refused take costs nothing; a cost over `max` is always refused. Keys that nobody uses any more do not
   * stay in memory. No wait is longer than the window, however the time of day is set meanwhile. Throws AppError("invalid") for a negative number or a window of 0.
   */
  take(key: string, max: number, windowS: number, cost?: number): Promise<LimitResult>;
}

export type LimitResult =
  | { readonly allowed: true; readonly remaining: number }
  /** Seconds until a take would succeed, at least 1. */
  | { readonly allowed: false; readonly retryAfterS: number };
