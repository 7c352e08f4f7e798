import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulateSpill, type SpillCounts } from './spill-simulation.js';

const SEEDS = Number(process.env['TMEM_SEEDS'] ?? 1200);
const FIRST = Number(process.env['TMEM_SEED'] ?? 1);

test(`no page is lost, stale or another's on its way out of the store and back, whatever dies (${SEEDS} seeds)`, () => {
  const counts: SpillCounts = {
    crashes: 0,
    powerLosses: 0,
    pagesOut: 0,
    pagesBack: 0,
    fetched: 0,
    gone: 0,
    later: 0,
    refused: 0,
    faults: 0,
    refusedBatches: 0,
    recovered: 0,
    emptied: 0,
  };
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      simulateSpill(seed, counts);
    } catch (error) {
      throw new Error(`seed ${seed}: TMEM_SEED=${seed} TMEM_SEEDS=1 node scripts/test.mjs crash`, { cause: error });
    }
  }
  console.log(JSON.stringify({ seeds: SEEDS, ...counts }));
  if (SEEDS < 1000) return;
  // A simulator in which no page ever moves, fails or is missed would prove nothing.
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, `${what} happened`);
});
