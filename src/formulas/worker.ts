/** Draws formulas in a thread of its own, one after the other, as they are asked for. */

import { drawFormula } from "./draw";

declare const self: Worker;

self.onmessage = ({ data: { source, isDisplay } }: MessageEvent<{ source: string; isDisplay: boolean }>) => {
  postMessage(drawFormula(source, isDisplay));
};
