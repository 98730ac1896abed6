/** `limit`: how often something may happen. Default: src/core/limit.ts, in memory. */

export interface LimitProtocol {
  /**
   * Takes `cost` (default 1; 0 = only look) out of `max` per `windowS` seconds for the key. A refused take costs nothing.
   * Keys that nobody uses any more do not stay in memory.
   */
  take(key: string, max: number, windowS: number, cost?: number): Promise<LimitResult>;
}

export type LimitResult =
  | { readonly allowed: true; readonly remaining: number }
  /** Seconds until a take would succeed, at least 1. */
  | { readonly allowed: false; readonly retryAfterS: number };
