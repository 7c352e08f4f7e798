/** Which process, on which boot: a pid alone names another process tomorrow. */
import { readFileSync, readlinkSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to the process's start: field 22 of `/proc/PID/stat`. */
  readonly start_ticks: string;
  readonly boot_id: string;
  /** Pids mean something only inside their namespace. */
  readonly pid_namespace: string;
}

export function ownIdentity(): ProcessIdentity {
  return {
    pid: process.pid,
    start_ticks: startTicksOf(process.pid) ?? '',
    boot_id: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    pid_namespace: readlinkSync('/proc/self/ns/pid'),
  };
}

/** `unseen`: of this boot but in another pid namespace, so `/proc` cannot tell. */
export function fateOf(other: ProcessIdentity): 'alive' | 'dead' | 'unseen' {
  const own = ownIdentity();
  if (other.boot_id !== own.boot_id) return 'dead';
  if (other.pid_namespace !== own.pid_namespace) return 'unseen';
  return startTicksOf(other.pid) === other.start_ticks ? 'alive' : 'dead';
}

/** Undefined for a process that is not there, or that is dead and not yet waited for. */
export function startTicksOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field is the command's name in parentheses and may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[22 - 3];
}
