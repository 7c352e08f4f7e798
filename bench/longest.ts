/**
 * Of calls that follow one another: the longest. Where others use the machine a call may be longer than its own doing, so
 * what counts is the process's CPU time, where that is less; nothing in a store on tmpfs waits for anything else.
 */
export class Longest {
  us = 0;
  /** By the clock alone. */
  wallUs = 0;
  /** What it was. */
  name = '';

  time(name: string, call: () => void): void {
    const before = process.cpuUsage();
    const start = performance.now();
    call();
    const wallUs = (performance.now() - start) * 1000;
    this.wallUs = Math.max(this.wallUs, wallUs);
    if (wallUs <= this.us) return;
    const { user, system } = process.cpuUsage(before);
    const us = Math.min(wallUs, user + system);
    if (us <= this.us) return;
    this.us = us;
    this.name = name;
  }
}
