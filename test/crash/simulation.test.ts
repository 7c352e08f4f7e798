import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate, type SimulationCounts } from './simulation.js';

const SEEDS = Number(process.env['TMEM_SEEDS'] ?? 3000);
const FIRST = Number(process.env['TMEM_SEED'] ?? 1);

test(`no page that was acknowledged is lost, stale or another's, whenever the store dies (${SEEDS} seeds)`, () => {
  const counts: SimulationCounts = {
    crashes: 0,
    crashesInRecovery: 0,
    refusedBatches: 0,
    droppedRecords: 0,
    fullPuts: 0,
    sharedPages: 0,
  };
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      simulate(seed, counts);
    } catch (error) {
      throw new Error(`seed ${seed}: TMEM_SEED=${seed} TMEM_SEEDS=1 node scripts/test.mjs crash`, { cause: error });
    }
  }
  console.log(JSON.stringify({ seeds: SEEDS, ...counts }));
  if (SEEDS < 1000) return;
  // A simulator that never tears, refuses or fills up would prove nothing.
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, `${what} happened`);
});
