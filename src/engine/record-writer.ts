/**
 * Builds records at the end of the log. They are staged: `LogWriter.advance` takes them into the batch, and until then
 * a record that was built and found too large is simply built over.
 *
 * @hot `begin` and `page` run once per put.
 */
import { assert } from '../base/assert.js';
import { address, type Address, type PageIndex } from '../base/ids.js';
import type { Kernel } from './kernel.js';
import type { LogWriter, StagingUse } from './log-writer.js';
import {
  AS_OF_BYTES,
  AsOfField,
  MARK_BYTES,
  MarkField,
  type PageHash,
  RECORD_HEADER_BYTES,
  recordBytes,
  RecordKind,
  ShareField,
} from './record.js';
import type { StoredObject } from './stored-object.js';

export class RecordWriter {
  readonly #kernel: Kernel;
  readonly #log: LogWriter;
  /** Objects named in the batch that is staged. */
  readonly #named: StoredObject[] = [];

  constructor(kernel: Kernel, log: LogWriter) {
    this.#kernel = kernel;
    this.#log = log;
  }

  /**
   * Where the object's next record is to be built, behind its name if the segment lacks that; undefined: no room.
   * `records` are sure of their room, all in one segment, if the others are begun as upkeep.
   */
  begin(object: StoredObject, use: StagingUse, records: number = 1): Address | undefined {
    const to = this.#log.stage(use, records);
    if (to === undefined || object.namedIn === this.#log.generation || !object.pool.isPersistent) return to;
    return this.#name(object, to);
  }

  /** The batch is written or undone: names that were undone must be written again. */
  settle(written: boolean): void {
    if (!written) for (const object of this.#named) object.namedIn = 0;
    if (this.#named.length > 0) this.#named.length = 0;
  }

  /** @returns bytes of payload */
  page(to: Address, object: StoredObject, index: PageIndex, from: Address): number {
    return this.#kernel.encodePage(from, to, object.number, index, this.#log.nextSequence(), this.#log.generation);
  }

  /** The record at `from` again, `bytes` long with its padding. */
  copy(to: Address, from: Address, bytes: number): void {
    this.#kernel.relocate(from, to, bytes, this.#log.nextSequence(), this.#log.generation);
  }

  lost(to: Address, object: StoredObject, index: PageIndex): void {
    this.#header(to, RecordKind.pageLost, object.number, index, 0);
  }

  /** A mark: the page, whose hash this is, is in that slot. */
  mark(to: Address, object: StoredObject, index: PageIndex, slot: number, hash: PageHash): void {
    const { view } = this.#kernel;
    const payload = address(to + RECORD_HEADER_BYTES);
    view.setUint32(payload + MarkField.slot, slot, true);
    view.setUint32(payload + MarkField.slot + 4, 0, true);
    view.setUint32(payload + MarkField.hash, hash.low, true);
    view.setUint32(payload + MarkField.hash + 4, hash.high, true);
    this.#sealWithPayload(to, RecordKind.pageSpilled, object.number, index, MARK_BYTES);
  }

  /** A mark: the page is that content, which is a page of `contents`. `hash` is its second. */
  share(
    to: Address,
    object: StoredObject,
    index: PageIndex,
    content: number,
    contents: StoredObject,
    hash: PageHash,
  ): void {
    const { view } = this.#kernel;
    const payload = address(to + RECORD_HEADER_BYTES);
    view.setUint32(payload + ShareField.content, content, true);
    view.setUint32(payload + ShareField.object, contents.number, true);
    view.setUint32(payload + ShareField.hash, hash.low, true);
    view.setUint32(payload + ShareField.hash + 4, hash.high, true);
    this.#sealWithPayload(to, RecordKind.pageShared, object.number, index, MARK_BYTES);
  }

  /** Built and taken. @returns its location; undefined: no room */
  tombstone(kind: number, number: number, index: number, count: number): number | undefined {
    const to = this.#log.stage('upkeep');
    if (to === undefined) return undefined;
    this.#header(to, kind, number, index, count);
    return this.#log.advance(RECORD_HEADER_BYTES);
  }

  /** A range of pages as segments before `asOf` hold them. Built and taken. @returns its location; undefined: no room */
  rangeAsOf(number: number, first: number, count: number, asOf: number): number | undefined {
    const to = this.#log.stage('upkeep');
    if (to === undefined) return undefined;
    const { view } = this.#kernel;
    const payload = address(to + RECORD_HEADER_BYTES);
    view.setUint32(payload + AsOfField.count, count, true);
    view.setUint32(payload + AsOfField.count + 4, 0, true);
    view.setUint32(payload + AsOfField.asOf, asOf >>> 0, true);
    view.setUint32(payload + AsOfField.asOf + 4, Math.floor(asOf / 2 ** 32), true);
    this.#sealWithPayload(to, RecordKind.flushRangeAsOf, number, first, AS_OF_BYTES);
    return this.#log.advance(recordBytes(AS_OF_BYTES));
  }

  /** Names the object in the open segment, so that each segment can be read alone. @returns the next address */
  #name(object: StoredObject, to: Address): Address {
    const { view, bytes } = this.#kernel;
    const poolName = object.pool.name;
    const payloadBytes = 2 + poolName.length + object.name.length;
    const payload = address(to + RECORD_HEADER_BYTES);
    view.setUint16(payload, poolName.length, true);
    bytes.set(poolName, payload + 2);
    bytes.set(object.name, payload + 2 + poolName.length);
    this.#sealWithPayload(to, RecordKind.name, object.number, object.pool.number, payloadBytes);
    this.#log.advance(recordBytes(payloadBytes));
    object.namedIn = this.#log.generation;
    this.#named.push(object);
    return address(to + recordBytes(payloadBytes));
  }

  /** A record whose payload is in place, and no page. */
  #sealWithPayload(to: Address, kind: RecordKind, object: number, index: number, payloadBytes: number): void {
    const sequence = this.#log.nextSequence();
    const hashLow = this.#kernel.xxh3(address(to + RECORD_HEADER_BYTES), payloadBytes, 0);
    const header = { kind, payloadBytes, object, index, sequence, hashLow, hashHigh: this.#kernel.xxh3High() };
    this.#kernel.sealHeader(to, header, this.#log.generation);
  }

  /** A record without payload. */
  #header(to: Address, kind: number, object: number, index: number, hashLow: number): void {
    assert(this.#log.generation > 0, 'a segment is open');
    const sequence = this.#log.nextSequence();
    const header = { kind, payloadBytes: 0, object, index, sequence, hashLow, hashHigh: 0 };
    this.#kernel.sealHeader(to, header, this.#log.generation);
  }
}
