/** Sizes as people write and read them: `5 GB`, in units of a thousand, or of 1,024 when they are called `GiB`. */

export const KIB = 1024;
export const MIB = 1024 * KIB;

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;
const SIZE = /^(\d{1,15}(?:\.\d{1,3})?)\s?([kmgt]?i?)b?$/i;

/** In bytes; null when it is none. Without a unit it is bytes. */
export function readSize(text: string): number | null {
  const [, number, prefix = ""] = SIZE.exec(text.trim()) ?? [];
  if (number === undefined || prefix.toLowerCase() === "i") return null;
  const power = " kmgt".indexOf(prefix.charAt(0).toLowerCase() || " ");
  const bytes = Math.round(Number(number) * (prefix.length === 2 ? 1024 : 1000) ** power);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

export function sizeText(bytes: number, language = "en"): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(bytes / 1000 ** power);
  return `${number} ${UNITS[power]}`;
}
