/**
 * The reference: a pool as the rules have it, with maps and strings and nothing else. It refuses nothing and gives
 * nothing up; whoever compares tells it of refusals, and of ephemeral pages that have gone.
 */
export class ModelPool {
  readonly #pages = new Map<string, number>();

  /** R12, R15: the new page is there, whatever was. */
  put(object: bigint, index: number, version: number): void {
    this.#pages.set(key(object, index), version);
  }

  /** R15: a refused put takes the old page with it. */
  refusePut(object: bigint, index: number): void {
    this.#pages.delete(key(object, index));
  }

  /** R26, R28: there or not, and still there afterwards. */
  get(object: bigint, index: number): number | undefined {
    return this.#pages.get(key(object, index));
  }

  flushPage(object: bigint, index: number): void {
    this.#pages.delete(key(object, index));
  }

  flushRange(object: bigint, first: number, count: number): void {
    for (let index = first; index < first + count; index++) this.flushPage(object, index);
  }

  flushObject(object: bigint): void {
    for (const index of this.indexesOf(object)) this.flushPage(object, index);
  }

  indexesOf(object: bigint): number[] {
    const ofObject = [...this.#pages.keys()].filter((each) => each.startsWith(`${object}:`));
    return ofObject.map((each) => Number(each.split(':')[1]));
  }

  /** All that there is. */
  get all(): [object: bigint, index: number, version: number][] {
    return [...this.#pages].map(([each, version]) => {
      const [object = '', index = ''] = each.split(':');
      return [BigInt(object), Number(index), version];
    });
  }

  get pages(): number {
    return this.#pages.size;
  }

  get objects(): number {
    return new Set([...this.#pages.keys()].map((each) => each.split(':')[0])).size;
  }
}

function key(object: bigint, index: number): string {
  return `${object}:${index}`;
}
