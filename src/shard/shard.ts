/**
 * Composition of one shard: files, engine, pools, hooks and servers, all on one thread and one kernel memory.
 *
 *      socket ─▶ NBD session ─▶ Preswap ─▶ HostedLayer ─▶ TmemPool ─▶ Engine ─▶ segment files
 */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../base/clock.js';
import { TmemError } from '../base/errors.js';
import type { Address } from '../base/ids.js';
import {
  EXPORTS_PER_GUEST_MAX,
  type ExportSpec,
  type Forgotten,
  type Recovered,
  type ShardLimits,
  type ShardOptions,
  type ShardStatus,
} from '../base/shard-port.js';
import type { RoomOffer, RoomWish } from '../base/shard-room.js';
import { SharedBudget } from '../base/shared-budget.js';
import { formatSize } from '../base/size.js';
import { MIB, PAGE_BYTES } from '../base/units.js';
import type { Engine } from '../engine/engine.js';
import { type Kernel, loadKernel } from '../engine/kernel.js';
import { openEngine, segmentBytesFor } from '../engine/open-engine.js';
import { SEGMENTS_MAX } from '../engine/segment-table.js';
import { IDLE_SLACK, LOAD_SLACK } from '../engine/space.js';
import { Preswap } from '../hooks/preswap.js';
import { RealSegmentFiles } from '../io/real-segment-files.js';
import { HostedLayer } from '../layers/hosted.js';
import { NbdServer } from '../serve/data/nbd/server.js';
import { CallGate, SPILL_CALLS_AT_ONCE } from '../tier/call-gate.js';
import { openSpillFile } from '../tier/open-spill-file.js';
import { PERSISTENT_PRIVATE } from '../tmem/pool-attributes.js';
import { Tmem } from '../tmem/tmem.js';
import type { TmemPool } from '../tmem/tmem-pool.js';
import { shardFolder } from './arena-parts.js';
import { Forgetting } from './forgetting.js';
import { type RoomExchange, roomExchange } from './room-exchange.js';
import type { OpenShard, Shard, ShardLog } from './serve-shard.js';
import { exportName, type ServedExport } from './served-export.js';
import { LimitsInForce } from './shard-limits.js';
import { shardStatus } from './shard-status.js';
import { shardTroubles } from './shard-troubles.js';
import { TroubleWatch } from './trouble-watch.js';

/** Everything that passes pages: the kernel's tables, the server's areas (656 KiB), staging, readers, scratch pages. */
const KERNEL_BYTES: number = 4 * MIB;

/** Maintenance may take this long of a tick; a request that waits for it hardly notices. */
const MAINTAIN_US = 3000;

/** What a request may have to wait for while the arena is cleaned because nobody asked anything. */
const SLICE_US = 300;

/** Ticks without a write before the arena is cleaned further than load allows: half a second. */
const QUIET_TICKS = 10;

export const openShard: OpenShard = async (options, log, wish) => {
  const kernel = loadKernel({ memoryBytes: KERNEL_BYTES });
  const files = new RealSegmentFiles(shardFolder(options.arena, options.part), { onDisk: options.fs === 'disk' });
  let shard: OpenedShard | undefined;
  try {
    shard = new OpenedShard(kernel, files, options, log, wish);
    for (const limits of options.limits) shard.setLimits(limits);
    for (const spec of options.exports) await shard.addExport(spec);
    return shard;
  } catch (error) {
    await shard?.abandon();
    if (shard === undefined) files.close();
    throw error;
  }
};

class OpenedShard implements Shard {
  readonly recovered: Recovered;
  readonly #capacityBytes: number;
  readonly #engine: Engine;
  readonly #tmem: Tmem;
  readonly #server: NbdServer;
  readonly #kernel: Kernel;
  readonly #scratch: Address;
  readonly #exports = new Map<string, ServedExport>();
  readonly #arena: string;
  readonly #spillPaths = new Map<TmemPool, string>();
  /** Of all spill files: the calls that may be under way at once. */
  readonly #gate: CallGate;
  readonly #troubles: TroubleWatch;
  readonly #forgetting: Forgetting;
  readonly #limits: LimitsInForce;
  /** Where there are other shards. */
  readonly #room: RoomExchange | undefined;
  #writtenBytes = 0;
  #lastRequests = 0;
  /** Ticks without a write; ticks without any request. */
  #quietTicks = 0;
  #idleTicks = 0;
  #isCleaning = false;
  #isStopped = false;

  constructor(
    kernel: Kernel,
    files: RealSegmentFiles,
    options: ShardOptions,
    log: ShardLog,
    wish: (wish: RoomWish) => void,
  ) {
    const startUs = systemClock.nowUs();
    const budget = options.budget === null ? undefined : new SharedBudget(options.budget);
    const { engine, recovered } = openEngine(kernel, files, {
      segmentBytes: segmentBytesFor(options.capacityBytes),
      capacityBytes: options.capacityBytes,
      budget,
      arena: { low: randomBytes(4).readUInt32LE(), high: randomBytes(4).readUInt32LE() },
    });
    this.#kernel = kernel;
    this.#arena = options.arena;
    // The threads that carry calls out are those of all shards.
    this.#gate = new CallGate(options.budget === null ? SPILL_CALLS_AT_ONCE : 1);
    const { filesMax, segmentBytes } = engine.segments;
    this.#capacityBytes = Math.min(options.capacityBytes, SEGMENTS_MAX * segmentBytes);
    this.#engine = engine;
    this.#tmem = new Tmem(engine, kernel);
    this.#server = new NbdServer({ memory: kernel });
    this.#scratch = kernel.allocate(PAGE_BYTES);
    this.#troubles = new TroubleWatch(
      shardTroubles(engine, this.#tmem, () => this.#exports.values()),
      log,
    );
    this.#forgetting = new Forgetting(this.#tmem, () => this.#isStopped);
    this.#limits = new LimitsInForce(this.#tmem, options.part);
    if (budget !== undefined)
      this.#room = roomExchange({ engine, tmem: this.#tmem, budget, wish, isStopped: () => this.#isStopped });
    this.recovered = {
      pages: recovered.pages,
      droppedRecords: recovered.droppedRecords,
      seconds: (systemClock.nowUs() - startUs) / 1e6,
    };
    if (this.#capacityBytes < options.capacityBytes) {
      log(
        'warn',
        `the arena was made with segments of ${formatSize(segmentBytes)}, so its ${filesMax} files hold ${formatSize(this.#capacityBytes)} of the capacity of ${formatSize(options.capacityBytes)}: for more, stop its guests and move it away`,
      );
    }
    if (recovered.droppedRecords > 0) {
      log(
        'info',
        options.fs === 'tmpfs'
          ? `left out ${recovered.droppedRecords} torn records: the last write of the former life, not acknowledged`
          : `left out ${recovered.droppedRecords} records behind what a crash or a power loss has cut: none of them was flushed`,
      );
    }
  }

  status(): ShardStatus {
    return shardStatus({
      capacityBytes: this.#capacityBytes,
      recovered: this.recovered,
      engine: this.#engine,
      tmem: this.#tmem,
      exports: this.#exports.values(),
      server: this.#server,
      warnings: this.#troubles.warnings(systemClock.nowUs()),
    });
  }

  async addExport(spec: ExportSpec): Promise<void> {
    const pool = this.#poolOf(spec);
    await this.#spill(spec, pool);
    this.#tmem.shareWithin(pool, spec.domain);
    const layer = new HostedLayer(this.#tmem, pool, this.#room?.gate);
    const { sizeBytes } = spec;
    const face = new Preswap({ sizeBytes, layer, memory: this.#kernel, scratch: this.#scratch });
    const name = exportName(spec);
    await this.#server.addExport({
      name,
      description: `tmem preswap: swap disk of ${spec.guest}`,
      socketPath: spec.socket,
      face,
    });
    this.#exports.set(name, { spec, pool });
  }

  /** A pool keeps its spill file as long as it lives, whether an export serves it or not. */
  async #spill({ spill, ...spec }: ExportSpec, pool: TmemPool): Promise<void> {
    const name = exportName(spec);
    const known = this.#spillPaths.get(pool);
    const pages = pool.stored.spilledPages;
    if (spill === null && (known !== undefined || pages > 0))
      throw new TmemError(
        'E_SPILL',
        `${pages} pages of ${name} are in a spill file that it is not given: set spill to ${known ?? 'where that is'}`,
      );
    if (spill === null || known === spill) return;
    if (known !== undefined)
      throw new TmemError(
        'E_SPILL',
        `${name} has the spill file ${known} as long as the daemon runs: set spill to that`,
      );
    const pagesNeeded = this.#tmem.slotsEnd(pool);
    const use = { gate: this.#gate, arena: this.#arena, export: name, pagesNeeded };
    this.#tmem.spillTo(pool, await openSpillFile(spill, use));
    this.#spillPaths.set(pool, spill);
  }

  async removeExport(guest: string, name: string, force: boolean): Promise<void> {
    const removed = exportName({ guest, name });
    await this.#removeExports([removed], force, 'would lose its disk');
  }

  setLimits(limits: ShardLimits): void {
    this.#limits.set(limits);
  }

  offerRoom(): RoomOffer {
    return this.#room?.giver.offer() ?? { spareBytes: 0, price: Infinity };
  }

  async giveRoom(wish: RoomWish): Promise<number> {
    return (await this.#room?.giver.give(wish)) ?? 0;
  }

  roomGiven(bytes: number): void {
    this.#room?.gate.given(bytes);
  }

  freeze(guest: string | null, frozen: boolean): void {
    const clients = guest === null ? this.#tmem.clients.values() : [this.#tmem.client(guest)];
    for (const client of clients) client.frozen = frozen;
  }

  async removeGuest(guest: string, force: boolean): Promise<Forgotten> {
    const disks = [...this.#exports.values()].filter(({ spec }) => spec.guest === guest);
    await this.#removeExports(
      disks.map(({ spec }) => exportName(spec)),
      force,
      'would lose its disks and all that is on them',
    );
    const client = this.#tmem.clients.get(guest);
    this.#limits.forget(guest);
    return client === undefined ? { pools: 0, pages: 0 } : this.#forgetting.removeClient(client);
  }

  async flushPool(guest: string, name: string, force: boolean): Promise<Forgotten> {
    const pool = this.#requirePool(guest, name);
    const disk = this.#exportOf(pool);
    if (disk !== undefined && !force) this.#requireIdle([disk], 'would read zeros where its pages were');
    return this.#forgetting.flushPool(pool);
  }

  async destroyPool(guest: string, name: string): Promise<Forgotten> {
    const pool = this.#requirePool(guest, name);
    const disk = this.#exportOf(pool);
    if (disk !== undefined)
      throw new TmemError('E_IN_USE', `pool ${guest}/${name} is that of export ${disk}: remove the export first`);
    return this.#forgetting.destroyPool(pool.owner, pool);
  }

  /** At once all of them: none is left to connect to while another one says goodbye to its clients. */
  async #removeExports(names: readonly string[], force: boolean, what: string): Promise<void> {
    if (!force) this.#requireIdle(names, what);
    for (const name of names) this.#exports.delete(name);
    await Promise.all(names.map((name) => this.#server.removeExport(name)));
    if (this.#isStopped) throw new TmemError('E_INTERNAL', 'the daemon is stopping');
  }

  #requireIdle(names: readonly string[], what: string): void {
    const used = names.filter((name) => (this.#server.counters(name)?.connections ?? 0) > 0);
    if (used.length > 0)
      throw new TmemError(
        'E_IN_USE',
        `a client is connected to ${used.join(', ')} and ${what}: disconnect it first, or use --force`,
      );
  }

  #requirePool(guest: string, name: string): TmemPool {
    const client = this.#tmem.clients.get(guest);
    const pool = client && this.#tmem.poolNamed(client, name);
    if (pool !== undefined) return pool;
    throw new TmemError('E_NOT_FOUND', `no pool ${guest}/${name}`);
  }

  #exportOf(pool: TmemPool): string | undefined {
    return [...this.#exports].find(([, served]) => served.pool === pool)?.[0];
  }

  /**
   * Under load cleaning is paid by the puts themselves, and only surplus files go back. When nothing is written any
   * more the arena is cleaned further: a little at a time while there are reads, all at once when nobody asks.
   */
  maintain(): void {
    this.#troubles.report(systemClock.nowUs());
    this.#tmem.tick(systemClock.nowUs());
    this.#limits.exchange();
    const { writtenBytes } = this.#engine;
    const requests = this.#requests();
    const wrote = writtenBytes !== this.#writtenBytes;
    this.#quietTicks = wrote ? 0 : this.#quietTicks + 1;
    this.#idleTicks = wrote || requests !== this.#lastRequests ? 0 : this.#idleTicks + 1;
    this.#lastRequests = requests;
    const isQuiet = this.#quietTicks >= QUIET_TICKS;
    if (this.#idleTicks >= QUIET_TICKS) this.#cleanWhileIdle();
    else this.#maintainFor(MAINTAIN_US, isQuiet);
    this.#writtenBytes = isQuiet ? this.#engine.writtenBytes : writtenBytes;
  }

  /** One short slice a round of the event loop, so that a request that comes after all waits for one of them. */
  #cleanWhileIdle(): void {
    if (this.#isCleaning) return;
    this.#isCleaning = true;
    // Not what the last tick saw: ticks go on meanwhile, and would take requests for seen that this has to stop for.
    const requests = this.#requests();
    const slice = (): void => {
      const more = !this.#isStopped && this.#requests() === requests && this.#maintainFor(SLICE_US, true);
      this.#writtenBytes = this.#engine.writtenBytes;
      if (more) setImmediate(slice);
      else this.#isCleaning = false;
    };
    slice();
  }

  /** @returns whether there is more to do */
  #maintainFor(us: number, cleans: boolean): boolean {
    const untilUs = systemClock.nowUs() + us;
    let more = true;
    while (more && systemClock.nowUs() < untilUs) {
      more = this.#engine.maintain(cleans ? IDLE_SLACK : LOAD_SLACK, cleans);
    }
    return more;
  }

  #requests(): number {
    let sum = 0;
    for (const { spec } of this.#exports.values()) {
      const counters = this.#server.counters(exportName(spec));
      if (counters !== undefined) sum += counters.reads + counters.writes + counters.trims;
    }
    return sum;
  }

  async stop(): Promise<void> {
    this.#room?.gate.close();
    await this.#server.close();
    this.#isStopped = true;
    this.#tmem.commit();
    this.#tmem.closeSpills();
    this.#troubles.reportRest(systemClock.nowUs());
    this.#engine.close();
  }

  /** Opening failed half-way: clients, if there are any yet, see a lost connection and nothing worse. */
  async abandon(): Promise<void> {
    this.#room?.gate.close();
    await this.#server.close(0);
    this.#isStopped = true;
    this.#tmem.closeSpills();
    this.#engine.close();
  }

  /** Found again by name after a restart: that is how pages outlive the daemon. */
  #poolOf({ guest, name }: ExportSpec): TmemPool {
    const client = this.#tmem.client(guest);
    const found = this.#tmem.poolNamed(client, name);
    if (found !== undefined) return found;
    if (client.frozen)
      throw new TmemError('E_DENIED', `guest ${guest} is frozen and gets no new pool ${name}: thaw it first`);
    const pool = client.pools[this.#tmem.createPool(client, name, PERSISTENT_PRIVATE)];
    if (pool !== undefined) return pool;
    throw new TmemError(
      'E_CONFIG',
      `guest ${guest} has ${EXPORTS_PER_GUEST_MAX} swap disks, the most there can be, those that its former configs named included: there is no room for ${name}`,
    );
  }
}
