import { describe, expect, test } from "bun:test";
import { dayOf, groupOf } from "../../../src/routes/page/calendar";

describe("the calendar of a reader", () => {
  const now = "2026-07-16T10:00:00Z"; // A Thursday.
  const groups: [iso: string, zone: string, group: string][] = [
    ["2026-07-16T00:00:00Z", "UTC", "today"],
    ["2026-07-17T09:00:00Z", "UTC", "today"],
    ["2026-07-15T23:59:59.999Z", "UTC", "yesterday"],
    ["2026-07-15T23:59:59.999Z", "Europe/Berlin", "today"],
    ["2026-07-16T06:00:00Z", "America/Los_Angeles", "yesterday"],
    ["2026-07-14T12:00:00Z", "UTC", "week"],
    ["2026-07-13T00:00:00Z", "UTC", "week"],
    ["2026-07-12T23:59:59Z", "UTC", "2026-07"],
    ["2026-06-30T23:00:00Z", "Europe/Berlin", "2026-07"],
    ["2026-06-30T23:00:00Z", "UTC", "2026-06"],
    ["1999-12-31T12:00:00Z", "UTC", "1999-12"],
    ["not a time", "UTC", "1970-01"],
  ];
  test.each(groups)("%s in %s is in the group %s", (iso, zone, group) => {
    expect(groupOf(iso, dayOf(Date.parse(now), zone), zone)).toBe(group);
  });

  test("on a Monday the week has only that day", () => {
    const monday = dayOf(Date.parse("2026-07-13T10:00:00Z"), "UTC");
    expect(groupOf("2026-07-12T10:00:00Z", monday, "UTC")).toBe("yesterday");
    expect(groupOf("2026-07-11T10:00:00Z", monday, "UTC")).toBe("2026-07");
  });

  test("days follow each other over a change of the clocks", () => {
    const days = ["2026-03-28T22:30:00Z", "2026-03-29T21:30:00Z", "2026-03-30T21:30:00Z"].map((iso) =>
      dayOf(Date.parse(iso), "Europe/Berlin"),
    );
    expect(days.map((day) => day - (days[0] ?? 0))).toEqual([0, 1, 2]);
  });
});
