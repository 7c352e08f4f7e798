import { FRESH_SHARE, REFAULTS_MAX } from '../x-s3.js';
import { PlainGhosts } from './plain-ghosts.js';
import { PlainHistory } from './plain-history.js';
import { bytesOf, PlainOrder } from './plain-order.js';

export class PlainFifo extends PlainOrder {
  constructor() {
    super(1);
  }

  insert(entry: number, key: number, bytes: number): void {
    this.queues[0]!.push({ entry, key, bytes, frequency: 0 });
  }

  hit(_entry: number): void {}

  take(entry: number): void {
    this.leave(entry);
  }

  miss(_key: number): void {}

  evict(): number {
    return this.queues[0]!.shift()?.entry ?? 0;
  }
}

export class PlainLru extends PlainFifo {
  override hit(entry: number): void {
    this.refresh(entry);
  }
}

export class PlainXS3 extends PlainOrder {
  readonly #evicted = new PlainGhosts();
  readonly #fetched = new PlainGhosts();

  constructor() {
    super(2);
  }

  insert(entry: number, key: number, bytes: number): void {
    const frequency = Math.max(0, this.#evicted.take(key), this.#fetched.take(key));
    this.queues[frequency > 0 ? 1 : 0]!.push({ entry, key, bytes, frequency });
    this.#evicted.reach(1.25 * this.pages);
    this.#fetched.reach(2 * this.pages);
  }

  hit(entry: number): void {
    const page = this.find(entry);
    page.frequency = Math.min(REFAULTS_MAX, page.frequency + 1);
  }

  take(entry: number): void {
    this.hit(entry);
    const { key, frequency } = this.leave(entry);
    this.#fetched.remember(key, frequency);
  }

  miss(key: number): void {
    const refaults = this.#evicted.take(key);
    if (refaults >= 0) this.#fetched.remember(key, Math.min(REFAULTS_MAX, refaults + 1));
  }

  evict(): number {
    const [fresh, proven] = [this.queues[0]!, this.queues[1]!];
    for (;;) {
      const fromFresh = proven.length === 0 || bytesOf(fresh) > FRESH_SHARE * this.bytes;
      const page = (fromFresh ? fresh : proven).shift();
      if (page === undefined) return 0;
      if (!fromFresh && page.frequency > 1) {
        page.frequency--;
        proven.push(page);
        continue;
      }
      this.#evicted.remember(page.key, page.frequency);
      return page.entry;
    }
  }
}

export class PlainS3Fifo extends PlainOrder {
  readonly #ghosts = new PlainGhosts();

  constructor() {
    super(2);
  }

  insert(entry: number, key: number, bytes: number): void {
    this.queues[this.#ghosts.take(key) < 0 ? 0 : 1]!.push({ entry, key, bytes, frequency: 0 });
    this.#ghosts.reach(1.15 * this.pages);
  }

  hit(entry: number): void {
    const page = this.find(entry);
    page.frequency = Math.min(3, page.frequency + 1);
  }

  take(entry: number): void {
    this.#ghosts.remember(this.leave(entry).key, 0);
  }

  miss(_key: number): void {}

  evict(): number {
    const [small, main] = [this.queues[0]!, this.queues[1]!];
    for (;;) {
      if (small.length > 0 && (main.length === 0 || bytesOf(small) >= 0.1 * this.bytes)) {
        const page = small.shift()!;
        if (page.frequency >= 2) main.push({ ...page, frequency: 0 });
        else {
          this.#ghosts.remember(page.key, 0);
          return page.entry;
        }
      } else {
        const page = main.shift();
        if (page === undefined) return 0;
        if (page.frequency === 0) return page.entry;
        main.push({ ...page, frequency: page.frequency - 1 });
      }
    }
  }
}

export class PlainWTinyLfu extends PlainOrder {
  readonly #history = new PlainHistory(30);

  /** Window, probation, protected. */
  constructor() {
    super(3);
  }

  insert(entry: number, key: number, bytes: number): void {
    const [window, probation] = [this.queues[0]!, this.queues[1]!];
    window.push({ entry, key, bytes, frequency: 0 });
    this.#history.reach(this.pages);
    while (bytesOf(window) > 0.01 * this.bytes * 2 + 8192 && window.length > 1) probation.push(window.shift()!);
  }

  hit(entry: number): void {
    const [, probation, protectedPages] = [this.queues[0]!, this.queues[1]!, this.queues[2]!];
    this.#history.record(this.find(entry).key);
    if (this.queueOf(entry) !== probation) {
      this.refresh(entry);
      return;
    }
    protectedPages.push(this.leave(entry));
    const target = 0.8 * (bytesOf(probation) + bytesOf(protectedPages));
    while (bytesOf(protectedPages) > target) probation.push(protectedPages.shift()!);
  }

  take(entry: number): void {
    this.#history.record(this.leave(entry).key);
  }

  miss(key: number): void {
    this.#history.record(key);
  }

  evict(): number {
    const [window, probation, protectedPages] = [this.queues[0]!, this.queues[1]!, this.queues[2]!];
    const main = probation.length > 0 ? probation : protectedPages;
    const victim = main[0];
    if (victim === undefined) return window.shift()?.entry ?? 0;
    if (bytesOf(window) > 0.01 * this.bytes) {
      const candidate = window.shift()!;
      if (this.#history.estimate(candidate.key) <= this.#history.estimate(victim.key)) {
        this.refresh(victim.entry);
        return candidate.entry;
      }
      probation.push(candidate);
    }
    return this.leave(victim.entry).entry;
  }
}
