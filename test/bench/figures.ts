/** The arithmetic of the benchmark: medians, percentiles, and how figures are written. */

/** The middle value; of an even number of them, the mean of the two in the middle. Null of none. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? half - 1 : half], sorted[half]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}

/** By nearest rank: the smallest value that at least `share` (0 to 1) of all are not above. Null of none. */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

/** Three significant digits, and no more decimals than a reader can use: 0.123, 12.3, 12,300. */
export function written(value: number): string {
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  const step = 10 ** Math.max(-3, magnitude - 2);
  const decimals = Math.min(3, Math.max(0, 2 - magnitude));
  const rounded = Math.round(value / step) * step;
  return rounded.toLocaleString("en", { minimumFractionDigits: 0, maximumFractionDigits: decimals });
}
