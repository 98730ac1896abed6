/** What work costs, in the time of this process: other work on the machine is not in it. */

/** User CPU time in milliseconds, of all threads. */
export function cpuMs(work: () => void): number {
  const begun = process.cpuUsage();
  work();
  return process.cpuUsage(begun).user / 1000;
}
