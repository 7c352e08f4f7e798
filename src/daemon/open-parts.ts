/**
 * How the parts of an arena come to be served.
 *
 * Those that hold pages come first, all at once: whatever else is short, they must be served. Then those of workers that
 * are new, if the capacity has room for what each keeps back; where it has not, others give some up, or the worker is
 * left out until a start finds room. Of the parts that more workers have left, those without pages are removed.
 */
import { TmemError } from '../base/errors.js';
import type { Recovered, ShardOptions, StoreOptions } from '../base/shard-port.js';
import { SharedBudget } from '../base/shared-budget.js';
import { segmentBytesFor, SEGMENTS_MIN } from '../engine/open-engine.js';
import { bytesOfPart, partsOf, removeRetired, retirePart } from '../shard/arena-parts.js';
import { GuestAccounts } from './guest-accounts.js';
import type { PartStatus } from './pool-holders.js';
import type { CrewShard, ShardCrew } from './shard-crew.js';

export interface OpenedParts {
  readonly statuses: readonly PartStatus[];
  readonly recovered: Recovered;
  /** Where there are several. */
  readonly accounts: GuestAccounts | undefined;
}

/** Afterwards the crew has the shards that serve; no export is served yet. @throws TmemError E_ARENA_* of a part */
export async function openParts(
  crew: ShardCrew,
  options: StoreOptions,
  tell: (text: string) => void,
): Promise<OpenedParts> {
  const { arena, capacityBytes } = options;
  removeRetired(arena);
  const found = new Set(partsOf(arena));
  const workers = Array.from({ length: crew.workers }, (_, worker) => worker);
  const parts = [...new Set([...workers, ...found])].toSorted((a, b) => a - b);
  crew.start(parts);
  const accounts = parts.length > 1 ? new GuestAccounts(parts.at(-1)! + 1) : undefined;
  const limits = options.limits.map((each) => accounts?.set(each) ?? { ...each, account: null });
  const usedBytes = [...found].reduce((sum, part) => sum + bytesOfPart(arena, part), 0);
  const budget = parts.length > 1 ? SharedBudget.of(capacityBytes - usedBytes) : undefined;
  const open = ({ part, client }: CrewShard): Promise<Recovered> =>
    client.open({ ...options, part, budget: budget?.memory ?? null, limits, exports: [] } satisfies ShardOptions);

  const isHeld = ({ part }: CrewShard): boolean => found.has(part);
  const recovered = await Promise.all(crew.shards.filter(isHeld).map(open));
  for (const shard of crew.shards.filter((each) => !isHeld(each))) {
    const isFirst = recovered.length === 0;
    if (isFirst || (await hasRoom(crew, shard, budget!, capacityBytes))) {
      try {
        recovered.push(await open(shard));
        continue;
      } catch (error) {
        if (isFirst || !(error instanceof TmemError && error.code === 'E_ARENA_FULL')) throw error;
        retirePart(arena, shard.part, options.fs === 'disk');
      }
    }
    await crew.drop(shard);
    tell(`the arena is full, so worker ${shard.part} has nothing to serve until a start finds room for it`);
  }
  const statuses = await withoutEmptyOnes(crew, options);
  return {
    statuses,
    recovered: {
      pages: recovered.reduce((sum, { pages }) => sum + pages, 0),
      droppedRecords: recovered.reduce((sum, { droppedRecords }) => sum + droppedRecords, 0),
      // They recover side by side.
      seconds: Math.max(...recovered.map(({ seconds }) => seconds)),
    },
    accounts,
  };
}

/** For what a shard keeps back and a little more. */
async function hasRoom(
  crew: ShardCrew,
  shard: CrewShard,
  budget: SharedBudget,
  capacityBytes: number,
): Promise<boolean> {
  const needed = SEGMENTS_MIN * segmentBytesFor(capacityBytes);
  const lacking = needed - budget.leftBytes;
  // Nobody's pages go for it.
  if (lacking > 0) await crew.findRoom(shard, { bytes: lacking, price: 0 });
  return budget.leftBytes >= needed;
}

/** Those of former workers take room for nothing when they have no pages. */
async function withoutEmptyOnes(crew: ShardCrew, { arena, fs }: StoreOptions): Promise<PartStatus[]> {
  const kept: PartStatus[] = [];
  for (const each of await crew.statuses()) {
    const shard = crew.shards.find(({ part }) => part === each.part)!;
    if (shard.part < crew.workers || each.status.recovered.pages > 0) {
      kept.push(each);
      continue;
    }
    await crew.drop(shard);
    retirePart(arena, shard.part, fs === 'disk');
  }
  return kept;
}
