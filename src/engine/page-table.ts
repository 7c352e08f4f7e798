/**
 * From page index to entry, for one object: a radix tree with 64 branches a level, only as high as the largest index
 * needs and with only the nodes that have pages (as the Linux page cache keeps its pages). A dense disk of a million
 * pages costs 8.2 bytes a page; a page alone in its object, one leaf of 512 bytes.
 *
 * @hot `find` runs once per page operation: no allocation.
 */
import { FANOUT, FANOUT_SHIFT, type PageSlab } from './page-slab.js';

const SLOT_MASK = FANOUT - 1;

/** Not a cell: there is no leaf for this page. Leaf 0 does not exist. */
export const NO_CELL = 0;

/** Every 32-bit index: 6 levels of 6 bits. */
const HEIGHT_MAX = 5;

export class PageTable {
  readonly #slab: PageSlab;
  readonly #owner: number;
  /** Inner levels above the leaves; the root is a leaf when it is 0. */
  #height = 0;
  #root = 0;

  /** `owner`: what {@link PageSlab.ownerOf} says of its cells. */
  constructor(slab: PageSlab, owner: number = 0) {
    this.#slab = slab;
    this.#owner = owner;
  }

  /** The page's cell in the slab, whose entry may be empty; {@link NO_CELL} where there is not even a leaf. O(height). */
  find(index: number): number {
    let node = this.#root;
    if (node === 0 || !this.#reaches(index)) return NO_CELL;
    for (let shift = this.#height * FANOUT_SHIFT; shift > 0; shift -= FANOUT_SHIFT) {
      node = this.#slab.child(node, (index >>> shift) & SLOT_MASK);
      if (node === 0) return NO_CELL;
    }
    return (node << FANOUT_SHIFT) + (index & SLOT_MASK);
  }

  /** The page's cell, made if need be. An entry left empty in it must be given back by {@link PageTable.prune}. */
  reach(index: number): number {
    if (this.#root === 0) {
      this.#height = 0;
      while (!this.#reaches(index)) this.#height++;
      this.#root = this.#height === 0 ? this.#newLeaf(index) : this.#slab.newNode();
    }
    while (!this.#reaches(index)) {
      const root = this.#slab.newNode();
      this.#slab.setChild(root, 0, this.#root);
      this.#root = root;
      this.#height++;
    }
    let node = this.#root;
    for (let level = this.#height; level > 0; level--) {
      const slot = (index >>> (level * FANOUT_SHIFT)) & SLOT_MASK;
      let child = this.#slab.child(node, slot);
      if (child === 0) {
        child = level === 1 ? this.#newLeaf(index) : this.#slab.newNode();
        this.#slab.setChild(node, slot, child);
      }
      node = child;
    }
    return (node << FANOUT_SHIFT) + (index & SLOT_MASK);
  }

  /** Writes an entry that was empty. */
  occupy(cell: number, location: number, word: number): void {
    this.#slab.set(cell, location, word);
    this.#slab.populate(cell >>> FANOUT_SHIFT, 1);
  }

  /** Empties an entry; nodes that are empty then go back to the slab. */
  vacate(index: number, cell: number): void {
    this.#slab.set(cell, 0, 0);
    if (this.#slab.populate(cell >>> FANOUT_SHIFT, -1) === 0) this.prune(index);
  }

  /** Gives back the page's leaf if it has no entry, and the nodes above that are empty then. */
  prune(index: number): void {
    const path: number[] = [];
    let node = this.#root;
    if (node === 0 || !this.#reaches(index)) return;
    for (let level = this.#height; level > 0; level--) {
      path.push(node);
      node = this.#slab.child(node, (index >>> (level * FANOUT_SHIFT)) & SLOT_MASK);
      if (node === 0) return;
    }
    if (this.#slab.populate(node, 0) > 0) return;
    this.#slab.freeLeaf(node);
    for (let level = 1; ; level++) {
      const parent = path.pop();
      if (parent === undefined) {
        this.#root = 0;
        return;
      }
      if (this.#slab.setChild(parent, (index >>> (level * FANOUT_SHIFT)) & SLOT_MASK, 0) > 0) return;
      this.#slab.freeNode(parent);
    }
  }

  /** The first page in `[from, end)` whose entry is not empty; `end` if there is none. Skips what has no nodes. */
  nextPresent(from: number, end: number): number {
    let index = from;
    while (index < end) {
      const cell = this.find(index);
      if (cell === NO_CELL) {
        index = this.#endOfGap(index);
        continue;
      }
      if (this.#slab.location(cell) !== 0) return index;
      index++;
    }
    return end;
  }

  /** The first page in `[from, end)` whose entry is empty; `end` if there is none. */
  nextAbsent(from: number, end: number): number {
    let index = from;
    while (index < end) {
      const cell = this.find(index);
      if (cell === NO_CELL || this.#slab.location(cell) === 0) return index;
      index++;
    }
    return end;
  }

  #newLeaf(index: number): number {
    return this.#slab.newLeaf(this.#owner, index >>> FANOUT_SHIFT);
  }

  /** The first index behind the largest empty subtree that holds `index`, for which `find` said NO_CELL. */
  #endOfGap(index: number): number {
    if (this.#root === 0 || !this.#reaches(index)) return Infinity;
    let node = this.#root;
    for (let level = this.#height; level > 0; level--) {
      node = this.#slab.child(node, (index >>> (level * FANOUT_SHIFT)) & SLOT_MASK);
      const span = FANOUT ** level;
      if (node === 0) return (Math.floor(index / span) + 1) * span;
    }
    return index + 1;
  }

  #reaches(index: number): boolean {
    return this.#height === HEIGHT_MAX || index >>> ((this.#height + 1) * FANOUT_SHIFT) === 0;
  }
}
