/** Numbers, lengths of time and moments as a language writes them; what a catalogue shares with the others. */

import { lazy } from "../../src/basics/once";
import type { Words } from "../../src/protocols";

export interface Formats extends Pick<Words, "language" | "number" | "duration" | "moment" | "month"> {
  /** Bytes, such as `3.4 MB`. */
  size(bytes: number): string;
}

export function formats(language: string): Formats {
  // All of them would be a tenth of the server's start.
  const withDigits = (digits: number) => lazy(() => new Intl.NumberFormat(language, { maximumFractionDigits: digits }));
  const [whole, tenths, hundredths] = [withDigits(0), withDigits(1), withDigits(2)];
  const moments = lazy(
    () => new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" }),
  );
  const months = lazy(() => new Intl.DateTimeFormat(language, { month: "long", year: "numeric", timeZone: "UTC" }));
  const number = (value: number, digits = 0) =>
    [whole, tenths, hundredths][Math.min(digits, 2)]?.().format(value) ?? "";
  return {
    language,
    number,
    duration(ms) {
      if (ms < 950) return `${number(ms)} ms`;
      return ms < 59_500 ? `${number(ms / 1000, ms < 9_950 ? 1 : 0)} s` : `${number(ms / 60_000)} min`;
    },
    size(bytes) {
      if (bytes < 1000) return `${number(bytes)} B`;
      return bytes < 999_500 ? `${number(bytes / 1000)} kB` : `${number(bytes / 1e6, bytes < 9.95e6 ? 1 : 0)} MB`;
    },
    moment(iso) {
      const ms = Date.parse(iso);
      return Number.isNaN(ms) ? "" : `${moments().format(ms)} UTC`;
    },
    month(month) {
      const ms = Date.parse(`${month}-01T00:00:00Z`);
      return Number.isNaN(ms) ? month : months().format(ms);
    },
  };
}
