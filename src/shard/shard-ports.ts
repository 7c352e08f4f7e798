/** How a worker thread gets its shards: one message port for each, handed over when the thread is made. */
import { type MessagePort, workerData } from 'node:worker_threads';

export interface ShardThreadData {
  readonly ports: readonly MessagePort[];
}

/** Of the thread that calls. */
export function shardPorts(): readonly MessagePort[] {
  const { ports }: ShardThreadData = workerData;
  return ports;
}
