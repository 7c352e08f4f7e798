/**
 * Requests over a face whose pages may be away and whose room may come later: the same answers as over a plain one, each
 * once, whatever is away, in whatever order fetches end, however input and turns are cut. What is in flight together touches
 * different pages, because the protocol leaves the order of requests in flight open.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AwayFace } from '../../../../test/support/away-face.js';
import { heapPageMemory } from '../../../../test/support/heap-page-memory.js';
import { MemoryFace } from '../../../../test/support/memory-face.js';
import {
  END,
  messageOf,
  Model,
  PAGES,
  ReplyReader,
  request,
  type Sent,
  sortReplies,
} from '../../../../test/support/nbd-model.js';
import { SlowDisk } from '../../../../test/support/slow-disk.js';
import { CommitOutcome } from '../../../base/commit-outcome.js';
import { type Prng, seededPrng } from '../../../base/prng.js';
import { PAGE_BYTES } from '../../../base/units.js';
import { Command, NbdError, type RequestRules } from '../../../wire/nbd/request.js';
import { NbdBuffers } from './buffers.js';
import { newCounters } from './counters.js';
import { PARKED_BYTES_MAX, PARKED_MAX } from './parked.js';
import { Transmission } from './transmission.js';

const numRuns = Number(process.env['TMEM_FUZZ'] ?? 1000);
const seed = Number(process.env['TMEM_SEED'] ?? 1);
const buffers = new NbdBuffers(heapPageMemory());
const INPUT_BYTES_MAX = 128 * 1024;
const STEPS_MAX = 20_000;

const conversation = fc.record({
  structured: fc.boolean(),
  requests: fc.array(request, { minLength: 1, maxLength: 16 }),
  full: fc.option(fc.nat(PAGES - 1)),
  damaged: fc.option(fc.nat(PAGES - 1)),
  onDisk: fc.boolean(),
  how: fc.nat(),
});

test('whatever is away, and however fetches end, every request gets the answer that the model gives, once', () => {
  fc.assert(
    fc.property(conversation, ({ structured, requests, full, damaged, onDisk, how }) => {
      const rules = { exportBytes: END, readOnly: false, structuredReplies: structured, hasMetaContext: structured };
      const scene = new Scene(rules, onDisk, seededPrng(how));
      if (full !== null) scene.below.full.add(full);
      if (damaged !== null) scene.below.damaged.add(damaged);
      const model = new Model(rules, full, damaged);
      for (const together of apart(requests)) {
        for (const [n, replies] of scene.answer(together).entries()) {
          const reader = new ReplyReader(replies);
          model.check(together[n]!, reader, BigInt(n));
          assert.equal(reader.left, 0, 'one answer');
        }
        assert.equal(scene.face.held, 0, 'what is answered holds no page');
      }
      assert.equal(scene.transmission.state, 'open');
    }),
    { numRuns, seed },
  );
});

test('whatever fails, a fetch or a commit, every request is answered once, and none that follows is misread', () => {
  fc.assert(
    fc.property(conversation, ({ structured, requests, onDisk, how }) => {
      const rules = { exportBytes: END, readOnly: false, structuredReplies: structured, hasMetaContext: structured };
      const scene = new Scene(rules, onDisk, seededPrng(how));
      scene.fails = true;
      const answers = scene.answer(requests);
      // An old client's data that are already on the way cannot be had: nothing can be said.
      if (!structured && scene.transmission.state === 'broken') return;
      for (const [n, replies] of answers.entries()) {
        const reader = new ReplyReader(replies);
        const sent = requests[n]!;
        const error = errorOf(reader, sent, BigInt(n), structured);
        assert.ok(error in EXPECTED, `error ${error}`);
        assert.equal(reader.left, 0, 'one answer');
      }
      assert.equal(scene.face.held, 0, 'what is answered holds no page');
    }),
    { numRuns, seed: seed + 1 },
  );
});

const EXPECTED = {
  [NbdError.none]: '',
  [NbdError.io]: '',
  [NbdError.noSpace]: '',
  [NbdError.inval]: '',
  [NbdError.overflow]: '',
};

function errorOf(reader: ReplyReader, sent: Sent, cookie: bigint, structured: boolean): number {
  if (sent.command === Command.read) return reader.read(cookie, sent, structured).error;
  if (sent.command !== Command.blockStatus || reader.isError) return reader.plain(cookie);
  reader.status(cookie, sent);
  return NbdError.none;
}

/** In order, as far as they touch pages of their own, or read only. */
function apart(requests: readonly Sent[]): Sent[][] {
  const groups: Sent[][] = [];
  let group: Sent[] = [];
  for (const sent of requests) {
    if (group.some((other) => clash(sent, other))) {
      groups.push(group);
      group = [];
    }
    group.push(sent);
  }
  return [...groups, group];
}

function clash(one: Sent, other: Sent): boolean {
  const isRead = ({ command }: Sent): boolean => command !== Command.write && command < Command.trim;
  if (isRead(one) && isRead(other)) return false;
  const first = ({ offset }: Sent): number => Math.floor(offset / PAGE_BYTES);
  const end = ({ offset, length }: Sent): number => Math.ceil((offset + length) / PAGE_BYTES);
  return first(one) < end(other) && first(other) < end(one);
}

/** A connection, and everything that happens around it, as `prng` has it. */
class Scene {
  readonly below: MemoryFace;
  readonly face: AwayFace;
  readonly transmission: Transmission;
  /** Fetches and commits do, now and then. */
  fails = false;
  readonly #prng: Prng;
  readonly #disk: SlowDisk | undefined;
  readonly #structured: boolean;
  #isWoken = false;

  constructor(rules: RequestRules, onDisk: boolean, prng: Prng) {
    this.#prng = prng;
    this.#disk = onDisk ? new SlowDisk() : undefined;
    this.#structured = rules.structuredReplies;
    this.below = new MemoryFace(buffers.memory, END, this.#disk);
    this.face = new AwayFace(this.below);
    this.face.isShort = () => prng.below(12) === 0;
    this.transmission = new Transmission(buffers, this.face, rules, newCounters(), () => (this.#isWoken = true));
  }

  /** @returns replies by request, after which nothing happens any more */
  answer(requests: readonly Sent[]): Buffer[] {
    const wire = Buffer.concat(requests.flatMap((sent, n) => messageOf(sent, n)));
    const { transmission } = this;
    const said: Buffer[] = [];
    let [taken, shown] = [0, 0];
    for (let steps = 0; transmission.state === 'open'; steps++) {
      assert.ok(steps < STEPS_MAX, 'a conversation ends');
      const mayGoOn = !transmission.starved || this.#isWoken || this.#prng.below(16) === 0;
      if (shown < wire.length && (transmission.starved || this.#prng.below(4) === 0)) {
        shown = Math.min(wire.length, shown + 1 + this.#prng.below([100, 9000, 200_000][this.#prng.below(3)]!));
      } else if (!mayGoOn && !this.#happen()) break;
      if (this.#prng.below(3) === 0) this.#happen();
      if (this.#prng.below(3) === 0) this.#sendAway();
      if (this.fails && this.#prng.below(6) === 0) this.#failCommits();
      const next = this.#turn(wire.subarray(taken, Math.min(shown, taken + INPUT_BYTES_MAX)));
      if (taken + INPUT_BYTES_MAX < shown && !transmission.held) transmission.starved = false;
      taken += next;
      said.push(this.#takeReplies());
    }
    if (transmission.state === 'broken') return [];
    assert.equal(taken, wire.length, 'everything is taken');
    return sortReplies(Buffer.concat(said), requests, this.#structured);
  }

  /** @returns bytes taken */
  #turn(input: Buffer): number {
    const { readArea } = buffers;
    buffers.memory.bytes.set(input, readArea);
    const pages = 1 + this.#prng.below(64);
    this.#isWoken = false;
    const next = this.transmission.takeTurn(readArea, readArea + input.length, pages);
    assert.ok(next >= readArea && next <= readArea + input.length, 'takes what there is');
    assert.ok(this.transmission.pagesMoved <= pages + 40, 'a turn is bounded');
    assert.ok(this.transmission.replies.room >= 0, 'replies fit their area');
    assert.ok(this.face.held <= PARKED_MAX + PARKED_BYTES_MAX / PAGE_BYTES, 'what is held is bounded');
    return next - readArea;
  }

  #takeReplies(): Buffer {
    const { replies } = this.transmission;
    const said = Buffer.from(replies.bytes.subarray(replies.base, replies.base + replies.length));
    replies.clear();
    return said;
  }

  /** One thing that was waited for ends. @returns whether there was any */
  #happen(): boolean {
    const { face, below } = this;
    const disk = this.#disk;
    const { coming } = face;
    const isWaitedFor = [
      coming.length > 0,
      face.waitingForRoom > 0,
      disk !== undefined && disk.waiting + disk.held > 0,
    ];
    const among = [0, 1, 2].filter((n) => isWaitedFor[n]);
    if (among.length === 0) return false;
    const what = among[this.#prng.below(among.length)]!;
    if (what === 0) {
      const fetch = coming[this.#prng.below(coming.length)]!;
      if (below.damaged.has(fetch.page)) face.end(fetch, this.#prng.below(2) === 0 ? 'failed' : 'damaged');
      else if (this.fails && this.#prng.below(4) === 0) face.end(fetch, 'failed');
      else face.end(fetch, this.#prng.below(3) === 0 ? 'gone' : 'here');
    } else if (what === 1) face.resume();
    else if (disk !== undefined) {
      disk.isShort = this.#prng.below(3) === 0;
      disk.end(this.fails && this.#prng.below(8) === 0 ? CommitOutcome.fault : CommitOutcome.done);
    }
    return true;
  }

  #sendAway(): void {
    const from = this.#prng.below(PAGES);
    const count = 1 + this.#prng.below(8);
    for (let page = from; page < Math.min(PAGES, from + count); page++) this.face.sendAway(page);
  }

  #failCommits(): void {
    this.below.failingCommits = 1;
    this.below.failure = this.#prng.below(2) === 0 ? CommitOutcome.full : CommitOutcome.fault;
  }
}
