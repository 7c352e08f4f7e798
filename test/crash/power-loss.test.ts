import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PowerLossCounts, simulatePowerLoss } from './power-loss.js';

const SEEDS = Number(process.env['TMEM_SEEDS'] ?? 1200);
const FIRST = Number(process.env['TMEM_SEED'] ?? 1);

test(`on a disk, whatever is lost with the power, the store is as it was at one moment since the last flush (${SEEDS} seeds)`, () => {
  const counts: PowerLossCounts = {
    crashes: 0,
    crashesInRecovery: 0,
    powerLosses: 0,
    lostSome: 0,
    flushes: 0,
    failedSyncs: 0,
    refusedBatches: 0,
    heldBatches: 0,
    fullPuts: 0,
    droppedRecords: 0,
  };
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      simulatePowerLoss(seed, counts);
    } catch (error) {
      throw new Error(`seed ${seed}: TMEM_SEED=${seed} TMEM_SEEDS=1 node scripts/test.mjs crash`, { cause: error });
    }
  }
  console.log(JSON.stringify({ seeds: SEEDS, ...counts }));
  if (SEEDS < 1000) return;
  // A simulator that never loses, refuses, holds or fills up would prove nothing.
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, `${what} happened`);
});
