/** `limit`: how often something may happen. Default: `src/core/limit.ts`, in memory. Replace it to count across processes. */

export interface LimitProtocol {
  /**
   * Takes `cost` (default 1) out of `max` per `windowS` seconds for the key.
   *
   * Contract:
   * - A key that nobody used for `windowS` seconds has all of `max` again. The default never allows more than `max` within any `windowS`
   *   seconds. A provider may be a bucket that fills up, or count by fixed windows: then up to twice `max` may pass within one window, never more.
   * - A cost of 0 only looks: allowed when a take of 1 would be. A refused take costs nothing; a cost over `max` is always refused.
   * - No wait is longer than the window, however the time of day is set meanwhile.
   * - Keys that nobody uses any more do not stay in memory. A key is used with one `max` and one `windowS`.
   * - Throws AppError("invalid") for a negative number or a window of 0.
   */
  take(key: string, max: number, windowS: number, cost?: number): Promise<LimitResult>;
}

export type LimitResult =
  | { readonly allowed: true; readonly remaining: number }
  /** Whole seconds, at least 1, after which a take of the same cost (of 1 for a look) is allowed if nobody takes meanwhile. */
  | { readonly allowed: false; readonly retryAfterS: number };
