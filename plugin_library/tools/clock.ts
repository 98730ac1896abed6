/**
 * Tells the model the time, which it cannot know. Settings: none. Last change: 2026-11-22.
 */

/**
 * Tells the current date, weekday and time. Call it before you say or reckon with what today or now is.
 *
 * @param zone - IANA time zone such as Europe/Berlin or America/New_York.
 */
export function clock(zone = "UTC"): string {
  const options = { timeZone: zone, dateStyle: "full", timeStyle: "long" } as const;
  try {
    return new Intl.DateTimeFormat("en-GB", options).format();
  } catch {
    throw new Error(`There is no time zone ${JSON.stringify(zone)}; give an IANA name such as UTC or Europe/Berlin.`);
  }
}
