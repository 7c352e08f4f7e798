/**
 * Memory of all page tables of a shard: leaves of 64 page entries and inner nodes of 64 children, cut from chunks of
 * 32 KiB that are never given back but always used again. A number names a leaf, a node or a cell for ever, so
 * tables hold numbers, and the garbage collector sees a few arrays instead of millions of objects.
 *
 * @hot Cells are read once per page operation.
 */

export const FANOUT = 64;
export const FANOUT_SHIFT = 6;

const CELLS_PER_CHUNK_SHIFT = 12;
const CELLS_PER_CHUNK = 1 << CELLS_PER_CHUNK_SHIFT;
const CELL_MASK = CELLS_PER_CHUNK - 1;

export class PageSlab {
  readonly #cells: Uint32Array[] = [];
  readonly #children: Uint32Array[] = [];
  /** Entries in use, by leaf, and children in use, by node. */
  #leafPopulation = new Uint8Array(FANOUT);
  #nodePopulation = new Uint8Array(FANOUT);
  /** Whose entries a leaf has, and the first page of them, in leaves: from a cell back to its page. */
  #owner = new Uint32Array(FANOUT);
  #position = new Uint32Array(FANOUT);
  readonly #freeLeaves: number[] = [];
  readonly #freeNodes: number[] = [];
  // Number 0 is never given out: it means "none".
  #leaves = 1;
  #nodes = 1;

  location(cell: number): number {
    return this.#cells[cell >>> CELLS_PER_CHUNK_SHIFT]![(cell & CELL_MASK) << 1]!;
  }

  word(cell: number): number {
    return this.#cells[cell >>> CELLS_PER_CHUNK_SHIFT]![((cell & CELL_MASK) << 1) + 1]!;
  }

  /** Both words; the caller counts the leaf's population. */
  set(cell: number, location: number, word: number): void {
    const chunk = this.#cells[cell >>> CELLS_PER_CHUNK_SHIFT]!;
    const at = (cell & CELL_MASK) << 1;
    chunk[at] = location;
    chunk[at + 1] = word;
  }

  setWord(cell: number, word: number): void {
    this.#cells[cell >>> CELLS_PER_CHUNK_SHIFT]![((cell & CELL_MASK) << 1) + 1] = word;
  }

  child(node: number, slot: number): number {
    const cell = (node << FANOUT_SHIFT) + slot;
    return this.#children[cell >>> CELLS_PER_CHUNK_SHIFT]![cell & CELL_MASK]!;
  }

  /** @returns children the node has now. */
  setChild(node: number, slot: number, child: number): number {
    const cell = (node << FANOUT_SHIFT) + slot;
    const chunk = this.#children[cell >>> CELLS_PER_CHUNK_SHIFT]!;
    const before = chunk[cell & CELL_MASK]!;
    chunk[cell & CELL_MASK] = child;
    this.#nodePopulation[node]! += (child === 0 ? 0 : 1) - (before === 0 ? 0 : 1);
    return this.#nodePopulation[node]!;
  }

  /** @returns entries the leaf has now. */
  populate(leaf: number, by: 1 | -1 | 0): number {
    return (this.#leafPopulation[leaf]! += by);
  }

  /** For the entries of pages `[position * 64, (position + 1) * 64)` of the table that calls itself `owner`. */
  newLeaf(owner: number, position: number): number {
    const leaf = this.#freeLeaves.pop() ?? this.#anotherLeaf();
    this.#owner[leaf] = owner;
    this.#position[leaf] = position;
    return leaf;
  }

  /** Of a cell whose entry is in use: its table's owner. */
  ownerOf(cell: number): number {
    return this.#owner[cell >>> FANOUT_SHIFT]!;
  }

  /** Of a cell whose entry is in use: the page's index. */
  indexOf(cell: number): number {
    return this.#position[cell >>> FANOUT_SHIFT]! * FANOUT + (cell & (FANOUT - 1));
  }

  /** Whatever marks its entries still bear are wiped. */
  freeLeaf(leaf: number): void {
    const first = leaf << FANOUT_SHIFT;
    const at = (first & CELL_MASK) << 1;
    this.#cells[first >>> CELLS_PER_CHUNK_SHIFT]!.fill(0, at, at + FANOUT * 2);
    this.#freeLeaves.push(leaf);
  }

  newNode(): number {
    const free = this.#freeNodes.pop();
    if (free !== undefined) return free;
    const node = this.#nodes++;
    if (node === this.#nodePopulation.length) this.#nodePopulation = doubled(this.#nodePopulation);
    reach(this.#children, node << FANOUT_SHIFT, 1);
    return node;
  }

  /** All children must be zero. */
  freeNode(node: number): void {
    this.#freeNodes.push(node);
  }

  /** Memory that the tables take: what a page costs beside its record. */
  get bytes(): number {
    return (
      (this.#cells.length * 2 + this.#children.length) * CELLS_PER_CHUNK * 4 +
      this.#leafPopulation.length * 9 +
      this.#nodePopulation.length +
      (this.#freeLeaves.length + this.#freeNodes.length) * 8
    );
  }

  #anotherLeaf(): number {
    const leaf = this.#leaves++;
    if (leaf === this.#leafPopulation.length) {
      this.#leafPopulation = doubled(this.#leafPopulation);
      this.#owner = doubledWords(this.#owner);
      this.#position = doubledWords(this.#position);
    }
    reach(this.#cells, leaf << FANOUT_SHIFT, 2);
    return leaf;
  }
}

function reach(chunks: Uint32Array[], cell: number, wordsPerCell: number): void {
  if (cell >>> CELLS_PER_CHUNK_SHIFT === chunks.length) chunks.push(new Uint32Array(CELLS_PER_CHUNK * wordsPerCell));
}

function doubled(array: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(array.length * 2);
  larger.set(array);
  return larger;
}

function doubledWords(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}
