/** A shard's part in sharing the arena's room with others: what it gives up, and how it comes to more. */
import { systemClock } from '../base/clock.js';
import type { RoomWait } from '../base/room-wait.js';
import type { RoomWish } from '../base/shard-room.js';
import type { SharedBudget } from '../base/shared-budget.js';
import type { Engine } from '../engine/engine.js';
import type { Tmem } from '../tmem/tmem.js';
import { RoomGate } from './room-gate.js';
import { type PageGiver, RoomGiver } from './room-giver.js';
import { SpillGiver } from './spill-giver.js';

/** Another shard's pages leave for a disk instead of one's own only where they are worth so much less: else both would. */
const SPILL_MARGIN = 2;

export interface RoomExchange {
  readonly giver: RoomGiver;
  readonly gate: RoomGate;
}

export function roomExchange(options: {
  readonly engine: Engine;
  readonly tmem: Tmem;
  readonly budget: SharedBudget;
  readonly wish: (wish: RoomWish) => void;
  readonly isStopped: () => boolean;
}): RoomExchange {
  const { engine, tmem, budget, wish, isStopped } = options;
  const durability: RoomWait | undefined = engine.durability;
  const spill = new SpillGiver({ engine, tmem, clock: systemClock, isStopped });
  const givers = [ephemeralPages(tmem), spill];
  const gate = new RoomGate({
    clock: systemClock,
    bytes: engine.segments.segmentBytes,
    mayGrow: () => engine.mayGrow,
    price: () => Math.min(tmem.victimPrice, spill.price / SPILL_MARGIN),
    wish,
    want: (isMore) => budget.want(isMore),
    durability,
  });
  tmem.onShort = () => gate.onShort();
  return { giver: new RoomGiver({ engine, clock: systemClock, givers, isStopped }), gate };
}

function ephemeralPages(tmem: Tmem): PageGiver {
  return {
    get price(): number {
      return tmem.victimPrice;
    },
    give: (bytes) => tmem.relinquish(bytes),
  };
}
