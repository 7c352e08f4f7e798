/** Orders as a textbook has them, on arrays from the oldest to the youngest: what the real ones are compared with. */

export interface PlainPage {
  readonly entry: number;
  readonly key: number;
  bytes: number;
  frequency: number;
}

export abstract class PlainOrder {
  protected readonly queues: readonly PlainPage[][];

  protected constructor(queues: number) {
    this.queues = Array.from({ length: queues }, () => []);
  }

  abstract insert(entry: number, key: number, bytes: number): void;
  abstract hit(entry: number): void;
  abstract take(entry: number): void;
  abstract miss(key: number): void;
  abstract evict(): number;

  get pages(): number {
    return this.queues.flat().length;
  }

  get bytes(): number {
    return bytesOf(this.queues.flat());
  }

  remove(entry: number): void {
    this.leave(entry);
  }

  resize(entry: number, bytes: number): void {
    this.find(entry).bytes = bytes;
  }

  protected find(entry: number): PlainPage {
    return this.queues.flat().find((page) => page.entry === entry)!;
  }

  protected queueOf(entry: number): PlainPage[] {
    return this.queues.find((queue) => queue.some((page) => page.entry === entry))!;
  }

  protected leave(entry: number): PlainPage {
    const queue = this.queueOf(entry);
    const at = queue.findIndex((page) => page.entry === entry);
    return queue.splice(at, 1)[0]!;
  }

  protected refresh(entry: number): void {
    const queue = this.queueOf(entry);
    queue.push(this.leave(entry));
  }
}

export function bytesOf(pages: readonly PlainPage[]): number {
  return pages.reduce((sum, { bytes }) => sum + bytes, 0);
}
