/**
 * Headers that keep a page harmless even if something hostile slipped into it: no script but ours, no style or image from
 * elsewhere, no frame, and markup made by one named policy alone.
 */

/** Of every response. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** Of our own pages, and of those that a plugin makes with `look.page`. Files of plugins/html decide for themselves. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "manifest-src 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types htmx",
].join("; ");

/** Of whatever else a plugin answers: no other site may frame it, with buttons under a person's finger that they do not see. */
export const FOREIGN_POLICY = "frame-ancestors 'none'";
