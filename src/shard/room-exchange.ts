/** A shard's part in sharing the arena's room with others: what it gives up, and how it comes to more. */
import { systemClock } from '../base/clock.js';
import type { RoomWait } from '../base/room-wait.js';
import type { RoomWish } from '../base/shard-room.js';
import type { SharedBudget } from '../base/shared-budget.js';
import type { Engine } from '../engine/engine.js';
import type { Tmem } from '../tmem/tmem.js';
import { RoomGate } from './room-gate.js';
import { type PageGiver, RoomGiver } from './room-giver.js';

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
  // Persistent pages may go as well where they have somewhere to go to: that is another giver.
  const givers = [ephemeralPages(tmem)];
  const gate = new RoomGate({
    clock: systemClock,
    bytes: engine.segments.segmentBytes,
    mayGrow: () => engine.mayGrow,
    price: () => tmem.victimPrice,
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
