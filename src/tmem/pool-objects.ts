/** The objects of a pool by their ids. @hot Once a page; the last object is found at once. */
import type { Engine } from '../engine/engine.js';
import type { StoredObject, StoredPool } from '../engine/stored-object.js';
import { decodeObjectId, encodeObjectId, type ObjectId } from './names.js';

export class PoolObjects {
  readonly #engine: Engine;
  readonly #stored: StoredPool;
  readonly #objects = new Map<ObjectId, StoredObject>();
  #lastId: ObjectId | undefined;
  #last: StoredObject | undefined;

  constructor(engine: Engine, stored: StoredPool) {
    this.#engine = engine;
    this.#stored = stored;
    for (const object of stored.objects) this.#objects.set(decodeObjectId(object.name), object);
  }

  get size(): number {
    return this.#objects.size;
  }

  [Symbol.iterator](): IterableIterator<[ObjectId, StoredObject]> {
    return this.#objects[Symbol.iterator]();
  }

  find(id: ObjectId): StoredObject | undefined {
    if (id === this.#lastId) return this.#last;
    this.#lastId = id;
    return (this.#last = this.#objects.get(id));
  }

  make(id: ObjectId): StoredObject {
    const object = this.#engine.createObject(this.#stored, encodeObjectId(id));
    this.set(id, object);
    return object;
  }

  set(id: ObjectId, object: StoredObject | undefined): void {
    this.#lastId = id;
    this.#last = object;
    if (object === undefined) this.#objects.delete(id);
    else this.#objects.set(id, object);
  }

  /** An object that has lost its last page disappears (R37); so does one whose first page was refused (R23). */
  forgetIfEmpty(id: ObjectId): void {
    const object = this.find(id);
    if (object === undefined || object.pages > 0) return;
    this.#engine.forgetObject(object);
    this.set(id, undefined);
  }
}
