/** How the values of the environment are read: each parser gives the value, or says what would have been right. */

import { resolve } from "node:path";
import { readSize } from "./basics/size";
import type { LogLevel, Rate } from "./protocols";

export type Parser<Value> = (text: string, folders: Folders) => Value | Wrong;

/** What a relative path starts from. */
export interface Folders {
  readonly workingFolder: string;
  readonly dataPath: string;
}

/** What a parser answers to a wrong value: what would have been right. */
export class Wrong {
  readonly expected: string;

  constructor(expected: string) {
    this.expected = expected;
  }
}

export function anyText(text: string): string {
  return text;
}

export function httpUrl(example: string): Parser<string> {
  return (text) => {
    const url = URL.parse(text);
    const isHttp = url !== null && (url.protocol === "http:" || url.protocol === "https:");
    return isHttp ? text.replace(/\/+$/, "") : new Wrong(`a URL such as ${example}`);
  };
}

/** First segments of the paths that the server has itself: below a path of such a name, addresses with and without it could not be told apart. */
export const OWN_SEGMENTS = "api files health live login logout openapi _plugin setup static t threads".split(" ");

export function publicUrl(text: string): string | Wrong {
  const url = URL.parse(text);
  const isAddress = url !== null && /^https?:$/.test(url.protocol) && url.host !== "" && url.username === "";
  if (!isAddress || /[?#]/.test(text))
    return new Wrong("a URL such as https://chat.example.org or https://example.org/chat");
  const path = url.pathname.replace(/\/+$/, "");
  if (!/^(?:\/[\w.~-]+)*$/.test(path)) return new Wrong("a URL whose path is of letters, digits and . _ ~ - alone");
  const [, first = ""] = path.split("/");
  if (OWN_SEGMENTS.includes(first))
    return new Wrong(`a URL whose path does not begin with /${first}, which the server has itself`);
  return url.origin + path;
}

/** Each as a browser writes it, because it is compared with what a browser sends. */
export function origins(text: string): readonly string[] | Wrong {
  const list = text.split(",").map((origin) => origin.trim());
  const isOrigin = (it: string) => /^https?:\/\//.test(it) && URL.parse(it)?.origin === it;
  return list.every(isOrigin)
    ? Object.freeze(list)
    : new Wrong('exact origins such as https://app.example, without a path or "*", separated by commas');
}

export function inDataPath(text: string, { dataPath }: Folders): string {
  return resolve(dataPath, text);
}

export function inWorkingFolder(text: string, { workingFolder }: Folders): string {
  return resolve(workingFolder, text);
}

export function oneOf<Value extends string>(...allowed: readonly Value[]): Parser<Value> {
  return (text) => allowed.find((value) => value === text.toLowerCase()) ?? new Wrong(allowed.join(" or "));
}

export function logLevel(text: string): LogLevel | Wrong {
  const levels: Record<string, LogLevel> = {
    debug: "debug",
    info: "info",
    warning: "warn",
    warn: "warn",
    error: "error",
    critical: "error",
  };
  return ownValue(levels, text.toLowerCase()) ?? new Wrong("DEBUG, INFO, WARNING or ERROR");
}

export function yesOrNo(text: string): boolean | Wrong {
  const words = { true: true, "1": true, yes: true, false: false, "0": false, no: false };
  return ownValue<boolean>(words, text.toLowerCase()) ?? new Wrong("true or false");
}

/** So that a value such as "constructor" does not find what every object has. */
function ownValue<Value>(values: Record<string, Value>, key: string): Value | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined;
}

export function wholeNumber(least: number, most: number): Parser<number> {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? value : new Wrong(`a whole number from ${least} to ${most}`);
  };
}

export function positiveNumber(most: number): Parser<number> {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    return value > 0 && value <= most ? value : new Wrong(`a number above 0, at most ${most}`);
  };
}

/** In bytes. */
export function size(text: string): number | Wrong {
  return readSize(text) ?? new Wrong("a size such as 5GB, 500MB or a number of bytes; 0 = no limit");
}

export function rate(text: string): Rate | null | Wrong {
  if (text.toLowerCase() === "off") return null;
  const [, max, windowS] = /^(\d{1,6})\/(\d{1,6})$/.exec(text)?.map(Number) ?? [];
  return max && windowS ? Object.freeze({ max, windowS }) : new Wrong('number/seconds such as 5/60, or "off"');
}
