/** Markup as a value. */

/** Markup that is safe to send: made by the `html` template, which escapes, or vouched for with `raw`. */
export interface Html {
  readonly markup: string;
}
