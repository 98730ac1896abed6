/** The one table of the benchmark, as text that is a Markdown table too. */

import { written } from "./figures";

export interface Row {
  readonly what: string;
  readonly unit: string;
  /** Of the bare pass-through; null where it does nothing of the kind. */
  readonly limit: number | null;
  readonly ours: number | null;
  readonly target?: Target;
}

/** What the issue asks for, of `ours` or of its ratio to the limit. */
export interface Target {
  readonly of: "ours" | "ratio";
  readonly is: "at most" | "at least";
  readonly value: number;
}

/** One of which the pass-through does nothing. */
export function rowOf(what: string, unit: string, ours: number | null, atMost?: number): Row {
  const target: Target | null = atMost === undefined ? null : { of: "ours", is: "at most", value: atMost };
  return { what, unit, limit: null, ours, ...(target && { target }) };
}

const HEAD = ["measure", "unit", "pass-through", "Skeleton", "ratio", "target", ""];

export function toTable(rows: readonly Row[]): string {
  const cells = [HEAD, ...rows.map(toCells)];
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const isText = (column: number) => column < 2 || column > 4;
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, at) => (isText(at) ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, at) => (isText(at) ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  const [head = [], ...body] = cells;
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

export function ratioOf({ limit, ours }: Row): number | null {
  return limit === null || ours === null || limit === 0 ? null : ours / limit;
}

/** Null without a target. A figure that could not be had meets none. */
export function isMet(row: Row): boolean | null {
  if (!row.target) return null;
  const figure = row.target.of === "ratio" ? ratioOf(row) : row.ours;
  if (figure === null) return false;
  return row.target.is === "at most" ? figure <= row.target.value : figure >= row.target.value;
}

function toCells(row: Row): string[] {
  const ratio = ratioOf(row);
  const met = isMet(row);
  return [
    row.what,
    row.unit,
    row.limit === null ? "" : written(row.limit),
    row.ours === null ? "–" : written(row.ours),
    ratio === null ? "" : ratio.toFixed(2),
    row.target ? `${row.target.of === "ratio" ? "ratio " : ""}${row.target.is} ${written(row.target.value)}` : "",
    met === null ? "" : met ? "met" : "not met",
  ];
}
