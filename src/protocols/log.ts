/** `core.log`: lines for the owner. Never give it a secret, or text of a message below level `debug`. */

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Undefined fields are left out; an Error is written as its message, its stack only at level `debug`. */
export interface LogFields {
  readonly [name: string]: string | number | boolean | null | undefined | Error;
}
