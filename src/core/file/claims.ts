/** What a sender says about a file, made fit to be shown. */

const MAX_NAME = 255; // Characters; what file systems take.

const CLAIM_MAX = 1000; // Characters of a claimed name that are looked at: its end, which says what the file is.

/** For display: the last part of a path, without what could change how the rest of a line reads. */
export function cleanName(claimed: string): string {
  const last = claimed.slice(-CLAIM_MAX).toWellFormed().split(/[\\/]/).at(-1) ?? "";
  const visible = last.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, "").trim();
  const name = Array.from(visible).slice(0, MAX_NAME).join("").trim();
  return /^\.*$/.test(name) ? "file" : name;
}

export function cleanType(claimed: string): string {
  const type = claimed.split(";")[0]?.trim().toLowerCase() ?? "";
  return /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/.test(type)
    ? type
    : "application/octet-stream";
}
