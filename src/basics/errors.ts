/** The one error that the code throws on purpose, and the one table that turns its codes into HTTP. */

/**
 * The status of HTTP by the code of an AppError.
 *
 * @example
 * ```ts
 * const status = HTTP_STATUS.notFound; // 404
 * ```
 */
export const HTTP_STATUS = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  tooLarge: 413,
  misdirected: 421,
  limited: 429,
  internal: 500,
  upstream: 502,
  unavailable: 503,
} as const;

export type ErrorCode = keyof typeof HTTP_STATUS;

/** What a program is told beside the sentence, in the words of OpenAI's API. */
export interface ErrorFacts {
  /** With which HTTP status the endpoint of a model refused; absent = it gave none. */
  readonly status?: number;
  /** As the endpoint says them, or whoever throws; none of them holds a key. */
  readonly code?: string;
  readonly type?: string;
  /** The field of the request that is at fault. */
  readonly param?: string;
  /** Whether it said nothing for as long as a setting allows; the sentence names the setting. */
  readonly isSilent?: boolean;
  /** Which endpoint of a model it was, by the owner's name for it. */
  readonly endpoint?: string;
  /** Where that is, without what may be secret in it; for administrators alone. */
  readonly address?: string;
}

export interface AppErrorOptions {
  readonly cause?: unknown;
  /** Seconds; sent as Retry-After. */
  readonly retryAfterS?: number;
  /** Names what happened, for the page: by it the catalogues of words (`errors.reasons`) say it in the reader's language. */
  readonly reason?: string;
  /** What that sentence needs, in its order. */
  readonly figures?: readonly number[];
  readonly facts?: ErrorFacts;
}

/**
 * `message` is a sentence for a person, in English; what only the owner may know goes into `cause`.
 *
 * @example
 * ```ts
 * const thread = await core.thread.get(user.username, "some-id");
 * if (!thread) throw new AppError("notFound", "There is no such chat.");
 * ```
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterS: number | undefined;
  readonly reason: string | undefined;
  readonly facts: ErrorFacts;
  readonly figures: readonly number[] | undefined;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.retryAfterS = options.retryAfterS;
    this.reason = options.reason;
    this.facts = options.facts ?? {};
    this.figures = options.figures;
  }
}

/** Whether it is an AppError, also one made by a plugin beside the binary, whose class is another. */
export function isAppError(error: unknown): error is AppError {
  return error instanceof Error && error.name === "AppError" && "code" in error && String(error.code) in HTTP_STATUS;
}

/** What was looked for. Throws AppError("notFound") with the sentence when there is nothing. */
export function required<T>(found: T | null | false, sentence: string): T {
  if (found === null || found === false) throw new AppError("notFound", sentence);
  return found;
}

/** A thrown value as an Error, which it need not be. */
export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** What is known of a thrown value, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code of a thrown error, an AppError's, the system's or SQLite's; empty when it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
