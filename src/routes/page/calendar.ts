/** On which day something was, in the calendar of whoever reads it. */

const DAY_MS = 24 * 60 * 60_000;

/** Number of the day on which the moment falls in the zone; days of any zone count alike. */
export function dayOf(ms: number, zone: string): number {
  const {
    year = "",
    month = "",
    day = "",
  } = Object.fromEntries(
    formatOf(zone)
      .formatToParts(ms)
      .map(({ type, value }) => [type, value]),
  );
  return Date.UTC(Number(year), Number(month) - 1, Number(day)) / DAY_MS;
}

/** The group of a moment in a list: `today`, `yesterday`, `week` (the rest of this one, from Monday), or its month. */
export function groupOf(iso: string, today: number, zone: string): string {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) return "1970-01";
  const day = dayOf(ms, zone);
  // A clock that went ahead makes days to come; for the reader they are now.
  if (day >= today) return "today";
  if (day === today - 1) return "yesterday";
  const monday = today - ((today + 3) % 7);
  return day >= monday ? "week" : new Date(day * DAY_MS).toISOString().slice(0, 7);
}

const formats = new Map<string, Intl.DateTimeFormat>();
const FORMATS = 500; // There are about that many zones; a hostile browser can name no more.

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const parts = { year: "numeric", month: "2-digit", day: "2-digit" } as const;
  const format = new Intl.DateTimeFormat("en", { timeZone: zone, calendar: "gregory", ...parts });
  if (formats.size >= FORMATS) formats.clear();
  formats.set(zone, format);
  return format;
}
