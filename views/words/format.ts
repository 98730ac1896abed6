/** Numbers, lengths of time and moments as a language writes them; what a catalogue shares with the others. */

import type { Words } from "../../src/protocols";

export function formats(language: string): Pick<Words, "language" | "number" | "duration" | "moment" | "month"> {
  const numbers = [0, 1, 2].map((digits) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }));
  const moments = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });
  const months = new Intl.DateTimeFormat(language, { month: "long", year: "numeric", timeZone: "UTC" });
  const number = (value: number, digits = 0) => (numbers[Math.min(digits, 2)] ?? moments).format(value);
  return {
    language,
    number,
    duration(ms) {
      if (ms < 950) return `${number(ms)} ms`;
      return ms < 59_500 ? `${number(ms / 1000, ms < 9_950 ? 1 : 0)} s` : `${number(ms / 60_000)} min`;
    },
    moment(iso) {
      const ms = Date.parse(iso);
      return Number.isNaN(ms) ? "" : `${moments.format(ms)} UTC`;
    },
    month(month) {
      const ms = Date.parse(`${month}-01T00:00:00Z`);
      return Number.isNaN(ms) ? month : months.format(ms);
    },
  };
}
